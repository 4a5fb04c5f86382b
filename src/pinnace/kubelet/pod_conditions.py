"""A pod's conditions as the kubelet sets them, from its new phase and container statuses. Pure.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/status/generate.go
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.restart_policy import may_restart_all, trigger_of_all

RESIZE_CONDITIONS = ("PodResizePending", "PodResizeInProgress")
RESTARTING_ALL = "AllContainersRestarting"
OWN_CONDITIONS = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", RESTARTING_ALL, *RESIZE_CONDITIONS,
)  # fmt: skip
Statuses = Sequence[dict[str, Any]]


def conditions(
    pod: Object,
    status: dict[str, Any],
    now: str,
    *,
    has_sandbox: bool,
    extra: Statuses = (),
    gone: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Those of a pod whose new phase and container statuses are in `status`; of the kinds in `gone` only those in `extra`."""
    inits, apps = status.get("initContainerStatuses", []), status["containerStatuses"]
    old = {one["type"]: one for one in (pod.get("status") or {}).get("conditions") or ()}
    phase = status["phase"]
    sidecars = [
        entry for one, entry in zip(pods.init_containers(pod), inits, strict=True) if pods.is_sidecar(one)
    ]
    ready_for_containers = _verdict(has_sandbox)
    containers_ready = _containers_ready([*sidecars, *apps], phase)
    fresh = [
        {"type": "PodReadyToStartContainers", **ready_for_containers},
        {"type": "Initialized", **_initialized(pod, inits, phase)},
        {"type": "Ready", **_pod_ready(pod, containers_ready, old)},
        {"type": "ContainersReady", **containers_ready},
        {"type": "PodScheduled", "status": "True"},
        *extra,
    ]
    own = {*gone, *(entry["type"] for entry in fresh)}
    kept = [one for kind, one in old.items() if kind not in own]
    return [
        *(_with_times(entry, old.get(entry["type"]), now, status) for entry in fresh),
        *kept,
    ]


def _with_times(
    entry: dict[str, Any], old: dict[str, Any] | None, now: str, status: dict[str, Any]
) -> dict[str, Any]:
    same = old is not None and old.get("status") == entry["status"]
    result = {**entry, "lastProbeTime": None}
    result["lastTransitionTime"] = (old or {}).get("lastTransitionTime", now) if same else now
    if "observedGeneration" in status and "observedGeneration" not in entry:
        result["observedGeneration"] = status["observedGeneration"]
    return result


def _verdict(holds: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    if holds:
        return {"status": "True", **({"reason": reason} if reason else {})}
    return {
        "status": "False",
        **({"reason": reason} if reason else {}),
        **({"message": message} if message else {}),
    }


def _initialized(pod: Object, inits: Statuses, phase: str) -> dict[str, Any]:
    if phase == "Succeeded":
        return _verdict(True, "PodCompleted" if inits else "")
    incomplete = [
        entry["name"]
        for container, entry in zip(pods.init_containers(pod), inits, strict=True)
        if not init_is_done(container, entry)
    ]
    if not incomplete:
        return _verdict(True)
    return _verdict(
        False, "ContainersNotInitialized", f"containers with incomplete status: {_go_list(incomplete)}"
    )


def _containers_ready(entries: Statuses, phase: str) -> dict[str, Any]:
    if phase == "Succeeded":
        return _verdict(False, "PodCompleted")
    if phase == "Failed":
        return _verdict(False, "PodFailed")
    unready = [entry["name"] for entry in entries if not entry["ready"]]
    if not unready:
        return _verdict(True)
    return _verdict(False, "ContainersNotReady", f"containers with unready status: {_go_list(unready)}")


def _pod_ready(pod: Object, containers_ready: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Containers first, then the readiness gates, which others set as conditions."""
    if containers_ready["status"] != "True":
        return containers_ready
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        if kind not in old:
            messages.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif old[kind].get("status") != "True":
            messages.append(
                f'the status of pod readiness gate "{kind}" is not "True", but {old[kind].get("status")}'
            )
    return _verdict(False, "ReadinessGatesNotReady", ", ".join(messages)) if messages else _verdict(True)


def _go_list(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"


def init_is_done(container: dict[str, Any], entry: dict[str, Any]) -> bool:
    if pods.is_sidecar(container):
        return bool(entry.get("started"))
    return bool(entry.get("ready"))


def restarting_all(pod: Object, runtime: PodRuntime, phase: str) -> Statuses:
    """Only pods that could start anew as a whole say whether they do."""
    if not may_restart_all(pod):
        return ()
    if phase in pods.TERMINAL_PHASES:
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return ({"type": RESTARTING_ALL, "status": "False", "reason": reason},)
    if trigger_of_all(pod, runtime) is None:
        return ({"type": RESTARTING_ALL, "status": "False"},)
    message = "container exited with restart policy rule"
    reason = "RestartAllContainersStarted"
    return ({"type": RESTARTING_ALL, "status": "True", "reason": reason, "message": message},)
