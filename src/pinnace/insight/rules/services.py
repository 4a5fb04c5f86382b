"""Services that lead nowhere: no pod matches, the pods are not ready, the port is not there."""

from collections.abc import Iterator, Sequence

from pinnace.api import meta
from pinnace.api.core import pods, services
from pinnace.insight.commands import apply, patch
from pinnace.insight.findings import (
    CAUSE,
    EFFECT,
    LIKELY,
    NOTE,
    Evidence,
    Finding,
    Object,
    field,
    finding,
    in_namespace,
    ready_to_type,
)
from pinnace.insight.world import World


def endpoints(service: Object, world: World) -> Iterator[Finding]:
    selector, namespace = services.selector(service), meta.namespace(service)
    if services.service_type(service) == "ExternalName" or not selector:
        yield from _by_hand(service, world)
        return
    if not world.can_list("Pod", namespace):
        return
    matching = [
        pod for pod in world.pods_matching(namespace, {"matchLabels": selector}) if not pods.is_terminal(pod)
    ]
    if not matching:
        yield _nothing_matches(service, selector, world)
        return
    ready = [pod for pod in matching if pods.is_ready(pod) and not pods.is_terminating(pod)]
    if not ready and not services.publishes_not_ready(service):
        yield finding(
            service, f"its selector finds {len(matching)} pod{'s' if len(matching) > 1 else ''}, none of them ready", rank=EFFECT, is_progress=all(world.age(pod) < 60 for pod in matching),
            evidence=[field(service, "spec.selector", selector),
                      *[field(pod, "status.phase", f"{pods.phase(pod)}, not ready") for pod in matching[:3]]],
            commands=[ready_to_type("describe", matching[0])],
        )  # fmt: skip
    yield from _ports(service, matching)


def _nothing_matches(service: Object, selector: dict[str, str], world: World) -> Finding:
    namespace = meta.namespace(service)
    evidence, cause = [field(service, "spec.selector", selector)], "its selector finds no pod"
    commands = [f"kubectl get pods{in_namespace(service)} --show-labels", ready_to_type("edit", service)]
    templates = [
        (f"{kind.lower()}/{meta.name(one)} spec.template.metadata.labels", one, meta.labels(one["spec"]["template"]) if one["spec"]["template"].get("metadata") else {})
        for kind in ("Deployment", "StatefulSet", "DaemonSet") for one in world.every(kind, namespace)
    ]  # fmt: skip
    candidates = [
        (f"pod/{meta.name(pod)} metadata.labels", pod, meta.labels(pod)) for pod in world.every("Pod", namespace)
    ]  # fmt: skip
    for where, one, labels in templates:
        if selector.items() <= labels.items():
            wanted = one["spec"].get("replicas", 1)
            what = f"{one['kind']} {meta.name(one)} would make such pods"
            if wanted == 0:
                return finding(
                    service, f"{cause}: {what}, and is scaled to 0", rank=CAUSE if world.is_asked(service) else NOTE, evidence=[*evidence, Evidence(where, _text(labels)), field(one, "spec.replicas", 0)],
                    commands=[ready_to_type("scale", one, "--replicas=1")],
                )  # fmt: skip
            return finding(
                service, f"{cause}: {what}, and has none", evidence=[*evidence, Evidence(where, _text(labels))],
                commands=[f"pinnace why {one['kind'].lower()} {meta.name(one)}{in_namespace(service)}"],
            )  # fmt: skip
    best = max((*templates, *candidates), key=lambda one: _nearness(selector, one[2]), default=None)
    if best is not None and _nearness(selector, best[2]) > 0:
        where, one, labels = best
        differ = {key: value for key, value in selector.items() if labels.get(key) != value}
        words = [
            f"{key}={value} where it has {f'{key}={labels[key]}' if key in labels else f'no {key}'}"
            for key, value in differ.items()
        ]
        cause += f"; {one['kind']} {meta.name(one)} comes nearest: the selector wants {' and '.join(words)}"
        evidence.append(Evidence(where, _text(labels)))
        new = {key: labels.get(key) for key in differ}
        commands.insert(0, patch(service, {"spec": {"selector": new}}))
    return finding(service, cause, evidence=evidence, commands=commands)


def _nearness(selector: dict[str, str], labels: dict[str, str]) -> float:
    """How much of the selector holds; a value that was mistyped, or a label that has another name, counts half."""
    same = sum(1.0 for key, value in selector.items() if labels.get(key) == value)
    alike = sum(
        0.5
        for key, value in selector.items()
        if labels.get(key) != value and (value in labels.values() or _almost(value, labels.get(key, "")))
    )
    return same + alike


def _almost(one: str, other: str) -> bool:
    from difflib import SequenceMatcher

    return bool(other) and SequenceMatcher(None, one, other).ratio() > 0.6


def _text(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _ports(service: Object, matching: list[Object]) -> Iterator[Finding]:
    """A name that no container has; or a number that none of them says it listens on (which is only a hint)."""
    named = [port for pod in matching for one in pods.all_containers(pod) for port in one.get("ports") or ()]
    for i, port in enumerate(services.ports(service)):
        target = port.get("targetPort", port.get("port"))
        names = sorted({one["name"] for one in named if one.get("name")})
        if isinstance(target, str) and not target.isdecimal() and target not in names:
            have = f"; they have {', '.join(names)}" if names else "; their ports have no names"
            yield finding(
                service, f'targetPort "{target}" is the name of no port of its pods{have}',
                evidence=[field(service, f"spec.ports[{i}].targetPort", target),
                          field(matching[0], "spec.containers[*].ports[*].name", names)],
                commands=[*_other_port(service, i, target, names), ready_to_type("edit", service)],
            )  # fmt: skip
        elif isinstance(target, int) and named and target not in {one.get("containerPort") for one in named}:
            numbers = sorted({one["containerPort"] for one in named})
            yield finding(
                service, f"targetPort {target} is none of the ports that its pods declare ({', '.join(map(str, numbers))}); does something listen there?",
                rank=LIKELY - 10,
                evidence=[field(service, f"spec.ports[{i}].targetPort", target), field(matching[0], "spec.containers[*].ports[*].containerPort", numbers)],
                commands=[*_other_port(service, i, str(target), numbers), ready_to_type("edit", service)],
            )  # fmt: skip


def _other_port(service: Object, at: int, target: str, have: Sequence[str | int]) -> list[str]:
    """The only port that there is, or the one whose name is nearly the same."""
    near = [one for one in have if _almost(target, str(one))]
    best = have if len(have) == 1 else near
    path = f"/spec/ports/{at}/targetPort"
    return (
        [patch(service, [{"op": "replace", "path": path, "value": best[0]}], "json")]
        if len(best) == 1
        else []
    )


def _by_hand(service: Object, world: World) -> Iterator[Finding]:
    """Without a selector somebody else must make the slices."""
    if services.service_type(service) == "ExternalName":
        return
    namespace, name = meta.key(service)
    if not world.can_list("EndpointSlice", namespace):
        return
    slices = [
        one for one in world.every("EndpointSlice", namespace) if meta.labels(one).get("kubernetes.io/service-name") == name
    ]  # fmt: skip
    if not any(one.get("endpoints") for one in slices):
        yield finding(
            service, "it has no selector, and nobody has given it endpoints", rank=CAUSE if slices else LIKELY,
            evidence=[field(service, "spec.selector", None), field(service, "(EndpointSlices of it)", len(slices))],
            commands=[apply(_slice(service)), f"kubectl get endpointslices{in_namespace(service)} -l kubernetes.io/service-name={name}"],
        )  # fmt: skip


def _slice(service: Object) -> Object:
    metadata = {"name": f"{meta.name(service)}-by-hand", "namespace": meta.namespace(service), "labels": {
        "kubernetes.io/service-name": meta.name(service)}}  # fmt: skip
    ports = [
        {"name": port.get("name", ""), "port": _number(port), "protocol": port.get("protocol", "TCP")}
        for port in services.ports(service)
    ]
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4",
            "ports": ports, "endpoints": [{"addresses": ["YOUR_ADDRESS"]}]}  # fmt: skip


def _number(port: Object) -> int:
    target = port.get("targetPort")
    return target if isinstance(target, int) else int(port["port"])


def external_name(service: Object, world: World) -> Iterator[Finding]:
    if services.service_type(service) != "ExternalName":
        return
    name = service["spec"].get("externalName") or ""
    where = field(service, "spec.externalName", name)
    if name.replace(".", "").isdecimal() or ":" in name:
        yield finding(
            service, f"{name} is an address, and an ExternalName can only be a name: take a service without selector, and an EndpointSlice",
            evidence=[where], commands=[ready_to_type("edit", service)],
        )  # fmt: skip
    parts = name.split(".")
    if len(parts) >= 3 and parts[2] == "svc" and world.is_missing("Service", parts[1], parts[0]):
        yield finding(
            service, f"it stands for service {parts[1]}/{parts[0]}, which is not there", evidence=[where],
            commands=[f"kubectl get services -n {parts[1]}"],
        )  # fmt: skip


def address(service: Object, world: World) -> Iterator[Finding]:
    """A load balancer that gives no address."""
    if services.service_type(service) != "LoadBalancer" or service["spec"].get("loadBalancerClass"):
        return
    if not ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        seen = world.events(service, "SyncLoadBalancerFailed")
        yield finding(
            service, "nobody has given it an external address: does this cluster have a load balancer?", rank=LIKELY,
            evidence=[field(service, "status.loadBalancer.ingress", None), *[Evidence("event", one.get("message", "")) for one in seen[:1]]],
            commands=[patch(service, {"spec": {"type": "NodePort"}}), ready_to_type("describe", service)],
        )  # fmt: skip
