"""A pod's API status from its spec and its runtime: phase, container statuses, addresses; conditions are `pod_conditions`. Pure.

Rules follow upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kubelet_pods.go (getPhase,
generateAPIPodStatus).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.kubelet.container_states import Observed, container_status
from pinnace.kubelet.pod_conditions import (
    RESIZE_CONDITIONS,
    Statuses,
    conditions,
    init_is_done,
    restarting_all,
)
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.restart_policy import restarts_after

CONTAINER_FIELDS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
FAMILIES = {"cpu": "decimal"}


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """`reason`/`message` are set when the kubelet itself failed the pod (Evicted, DeadlineExceeded, rejected)."""

    now: str
    host_ips: tuple[str, ...]
    observed: Observed
    failed: tuple[str, str] | None = None
    extra_conditions: tuple[dict[str, Any], ...] = ()
    resize_conditions: tuple[dict[str, Any], ...] | None = (
        None  # None: not known yet, those in the status stay
    )


def pod_status(pod: Object, runtime: PodRuntime, given: StatusInputs) -> dict[str, Any]:
    """A whole new `status`; of the pod's old status only what the kubelet does not decide is taken over."""
    old = pod.get("status") or {}
    seen = given.observed
    inits = [
        container_status(pod, one, runtime, seen, is_initialized=False) for one in pods.init_containers(pod)
    ]
    is_initialized = all(
        init_is_done(one, entry) for one, entry in zip(pods.init_containers(pod), inits, strict=True)
    )
    has_app = any(runtime.newest(one["name"]) for one in pods.containers(pod))
    apps = [
        container_status(pod, one, runtime, seen, is_initialized=is_initialized or has_app)
        for one in pods.containers(pod)
    ]
    phase = _phase_with_history(pod, runtime, (inits, apps), given)
    status: dict[str, Any] = {
        "phase": phase,
        "startTime": old.get("startTime") or given.now,
        "qosClass": pod_resources.qos_class(pod),
        "containerStatuses": apps,
    }
    if generation := pod["metadata"].get("generation"):
        status["observedGeneration"] = generation
    if inits:
        status["initContainerStatuses"] = inits
    if pods.ephemeral_containers(pod):
        status["ephemeralContainerStatuses"] = [
            container_status(pod, one, runtime, seen, is_initialized=True)
            for one in pods.ephemeral_containers(pod)
        ]
    for field in ("nominatedNodeName", "resourceClaimStatuses", "resize"):
        if field in old:
            status[field] = old[field]
    _set_pod_resources(pod, status, given.observed)
    _set_failure(status, old, given)
    _set_addresses(pod, runtime, status, given)
    status["conditions"] = conditions(
        pod, status, given.now, has_sandbox=_has_ready_sandbox(pod, runtime),
        extra=(
            *given.extra_conditions, *(given.resize_conditions or ()),
            *restarting_all(pod, runtime, status["phase"]),
        ),
        gone=() if given.resize_conditions is None else RESIZE_CONDITIONS,
    )  # fmt: skip
    if given.failed is not None and runtime.is_empty and not old.get("containerStatuses"):
        for field in CONTAINER_FIELDS:  # turned away at the door: no container ever waited for anything
            status.pop(field, None)
    return status


def _set_pod_resources(pod: Object, status: dict[str, Any], seen: Observed) -> None:
    """What the node has granted the pod as a whole; `resources` only of pods that have their own."""
    granted = pod_resources.requests({"spec": {**pod["spec"], "overhead": None}})
    if granted:
        status["allocatedResources"] = {
            name: quantity.format_quantity(amount, FAMILIES.get(name, "binary"))
            for name, amount in granted.items()
        }
    if pod["spec"].get("resources"):
        actual = seen.pod_in_force or pod["spec"]["resources"]
        status["resources"] = {
            side: dict(actual[side]) for side in ("limits", "requests") if actual.get(side)
        }


def _set_failure(status: dict[str, Any], old: dict[str, Any], given: StatusInputs) -> None:
    if given.failed is not None and status["phase"] == "Failed":
        status["reason"], status["message"] = given.failed
    elif status["phase"] == "Failed":
        for field in ("reason", "message"):
            if old.get(field):
                status[field] = old[field]


def _set_addresses(pod: Object, runtime: PodRuntime, status: dict[str, Any], given: StatusInputs) -> None:
    status["hostIP"] = given.host_ips[0]
    status["hostIPs"] = [{"ip": ip} for ip in given.host_ips]
    if pods.uses_host_network(pod):
        ips: Sequence[str] = given.host_ips if runtime.sandboxes or pods.pod_ips(pod) else ()
    else:
        ips = runtime.ready_sandbox.ips if runtime.ready_sandbox else ()
        if (not ips and status["phase"] in pods.TERMINAL_PHASES) or (not ips and given.observed.is_ending):
            ips = pods.pod_ips(pod)
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]


def _has_ready_sandbox(pod: Object, runtime: PodRuntime) -> bool:
    sandbox = runtime.ready_sandbox
    return sandbox is not None and (pods.uses_host_network(pod) or bool(sandbox.ips))


# -- phase --------------------------------------------------------------------------------------------------------
def _phase_with_history(
    pod: Object, runtime: PodRuntime, statuses: tuple[Statuses, Statuses], given: StatusInputs
) -> str:
    """A terminal phase is never left, and not entered while anything of the pod runs."""
    old = pods.phase(pod)
    if old in pods.TERMINAL_PHASES:
        return old
    phase = phase_of(pod, *statuses, has_ended=given.observed.has_ended)
    if given.failed is not None:
        phase = "Failed"
    return "Running" if phase in pods.TERMINAL_PHASES and runtime.running else phase


def phase_of(pod: Object, inits: Statuses, apps: Statuses, *, has_ended: bool = False) -> str:
    """`has_ended`: the pod was told to end and nothing of it runs any more."""
    pending_inits, failed_inits = _count_inits(pod, inits)
    states = [_state_of(entry) for entry in apps]
    if failed_inits:
        return "Failed"
    if pending_inits and not has_ended and "running" not in states and "stopped" not in states:
        return "Pending"
    if "waiting" in states:
        return "Pending" if not has_ended else "Failed"
    if "running" in states:
        return "Running"
    if not states:
        return "Pending"
    ends = zip(pods.containers(pod), map(_exit_code, apps), strict=True)
    if not has_ended and any(restarts_after(pod, container, code) for container, code in ends):
        return "Running"
    return "Succeeded" if all(_exit_code(entry) == 0 for entry in apps) else "Failed"


def _count_inits(pod: Object, inits: Statuses) -> tuple[int, int]:
    """How many have not done their work yet, and how many never will."""
    pending = failed = 0
    for container, entry in zip(pods.init_containers(pod), inits, strict=True):
        state = entry["state"]
        ended = state.get("terminated")
        if pods.is_sidecar(container):
            pending += not entry.get("started") and not ended
        elif ended is not None and ended["exitCode"] == 0:
            continue
        elif ended is not None and not restarts_after(pod, container, ended["exitCode"]):
            failed += 1
        else:
            pending += 1
    return pending, failed


def _state_of(entry: dict[str, Any]) -> str:
    state = entry["state"]
    if "running" in state:
        return "running"
    if "terminated" in state:
        return "stopped"
    return "stopped" if (entry.get("lastState") or {}).get("terminated") else "waiting"


def _exit_code(entry: dict[str, Any]) -> int:
    ended = entry["state"].get("terminated") or (entry.get("lastState") or {}).get("terminated") or {}
    return ended.get("exitCode", 1)


def same_but_for_times(one: dict[str, Any] | None, other: dict[str, Any]) -> bool:
    """Whether writing `other` over `one` would change nothing (the API drops nulls and may reorder)."""
    return one is not None and _canonical(one) == _canonical(other)


def _canonical(status: dict[str, Any]) -> Any:
    body = _without_nothing(status)
    if isinstance(body, dict) and "conditions" in body:
        body["conditions"] = {one["type"]: one for one in body["conditions"]}
    return body


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: clean
            for key, one in value.items()
            if (clean := _without_nothing(one)) is not None and clean not in ({}, [])
        }
    if isinstance(value, (list, tuple)):
        return [_without_nothing(one) for one in value]
    return value
