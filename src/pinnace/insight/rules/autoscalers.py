"""HorizontalPodAutoscalers that do not scale: no target, no metrics, no requests to measure by, a limit reached."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.commands import patch
from pinnace.insight.findings import (
    CAUSE,
    LIKELY,
    NOTE,
    Finding,
    Object,
    condition,
    field,
    finding,
    in_namespace,
    ready_to_type,
    word,
)
from pinnace.insight.world import World


def not_scaling(autoscaler: Object, world: World) -> Iterator[Finding]:
    reference = autoscaler["spec"]["scaleTargetRef"]
    target = f"{reference['kind']} {reference['name']}"
    able, active = (
        meta.find_condition(autoscaler, "AbleToScale"),
        meta.find_condition(autoscaler, "ScalingActive"),
    )
    if able and able.get("status") == "False":
        is_absent = "not found" in (able.get("message") or "")
        yield finding(
            autoscaler, f"its target {target} is not there" if is_absent else f"it cannot scale {target}: {able.get('message')}",
            evidence=[condition(autoscaler, able)], commands=[f"kubectl get {word(reference['kind'].lower())}{in_namespace(autoscaler)}", ready_to_type("edit", autoscaler)],
        )  # fmt: skip
        return
    if active and active.get("status") == "False":
        cause, rank, commands = _why(autoscaler, target, active)
        yield finding(
            autoscaler, cause, rank=rank, evidence=[condition(autoscaler, active)], commands=commands
        )
        return
    if able is None and active is None:
        yield finding(
            autoscaler, "no controller has looked at it yet", rank=LIKELY - 20, commands=[ready_to_type("describe", autoscaler)]
        )  # fmt: skip
    yield from _held_back(autoscaler, able)
    limited = meta.find_condition(autoscaler, "ScalingLimited")
    if (
        limited
        and limited.get("status") == "True"
        and limited.get("reason") in ("TooManyReplicas", "TooFewReplicas")
    ):
        field_name = "maxReplicas" if limited["reason"] == "TooManyReplicas" else "minReplicas"
        yield finding(
            autoscaler, f"it would go further, but {field_name} ({autoscaler['spec'].get(field_name, 1)}) is reached",
            rank=NOTE, evidence=[condition(autoscaler, limited)], commands=[_further(autoscaler, field_name)],
        )  # fmt: skip


def _held_back(autoscaler: Object, able: Object | None) -> Iterator[Finding]:
    """By its own `behavior`."""
    for name in ("scaleUp", "scaleDown"):
        rules = (autoscaler["spec"].get("behavior") or {}).get(name) or {}
        if rules.get("selectPolicy") == "Disabled":
            yield finding(
                autoscaler, f"it never scales {name.removeprefix('scale').lower()}: spec.behavior.{name}.selectPolicy is Disabled", rank=NOTE,
                evidence=[field(autoscaler, f"spec.behavior.{name}.selectPolicy", "Disabled")],
                commands=[patch(autoscaler, {"spec": {"behavior": {name: {"selectPolicy": "Max"}}}}, "merge")],
            )  # fmt: skip
    if able and able.get("reason") == "ScaleDownStabilized":
        yield finding(
            autoscaler, "it would like fewer pods, and waits until that was so for the whole stabilizationWindowSeconds", rank=NOTE,
            evidence=[condition(autoscaler, able)], commands=[ready_to_type("describe", autoscaler)],
        )  # fmt: skip


def _further(autoscaler: Object, name: str) -> str:
    now = int(autoscaler["spec"].get(name, 1))
    return patch(
        autoscaler, {"spec": {name: now * 2 if name == "maxReplicas" else max(1, now // 2)}}, "merge"
    )


def _why(autoscaler: Object, target: str, active: Object) -> tuple[str, int, list[str]]:
    reason, message = active.get("reason", ""), active.get("message") or ""
    if reason == "ScalingDisabled":
        return f"{target} is scaled to 0, which turns the autoscaler off", CAUSE, [
            f"kubectl scale {word(target.replace(' ', '/').lower())} --replicas=1{in_namespace(autoscaler)}"]  # fmt: skip
    if "missing request for" in message:
        resource = message.split("missing request for ", 1)[1].split(" ", 1)[0]
        return (
            f"its pods do not say how much {resource} they request, so there is nothing to measure a percentage by",
            CAUSE, [f"kubectl set resources {' '.join(map(word, target.lower().split()))} --requests={word(resource)}=YOUR_AMOUNT{in_namespace(autoscaler)}"],
        )  # fmt: skip
    if "selector" in message and reason == "AmbiguousSelector":
        return (
            f"several autoscalers control the same pods: {message}",
            CAUSE,
            [f"kubectl get hpa{in_namespace(autoscaler)}"],
        )
    if (
        "metrics.k8s.io" in message
        or "unable to fetch metrics" in message
        or "no metrics returned" in message
    ):
        return (
            f"there are no metrics of its pods: no metrics server answers, or the pods run too short ({message})", LIKELY,
            ["kubectl get apiservices v1beta1.metrics.k8s.io", f"kubectl top pods{in_namespace(autoscaler)}"],
        )  # fmt: skip
    return (
        f"it cannot compute how many pods are needed: {message or reason}",
        LIKELY,
        [ready_to_type("describe", autoscaler)],
    )
