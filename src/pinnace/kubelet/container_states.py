"""A container's API status from its runtime status: state, last state, restarts, readiness. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus
from pinnace.kubelet.pod_runtime import PodRuntime, restart_count
from pinnace.kubelet.restart_policy import may_restart_all, should_restart

RUNTIME_NAME = "containerd"
LOST_MESSAGE = "The container could not be located when the pod was terminated"
DELETED_MESSAGE = (
    "The container could not be located when the pod was deleted.  The container used to be Running"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str
    message: str = ""

    def as_state(self) -> dict[str, Any]:
        body = {"reason": self.reason, **({"message": self.message} if self.message else {})}
        return {"waiting": body}


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known beside the runtime: why containers wait (by name), probe results (by container id), messages that ended
    containers left (by container id), resources that running containers really have (by name), and whether the pod is ending."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    unready: frozenset[str] = frozenset()
    unstarted: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    in_force: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    device_health: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    pod_in_force: Mapping[str, Any] | None = None
    is_ending: bool = False
    has_ended: bool = False


def time_of(nanos: int) -> str | None:
    return format_time(datetime.fromtimestamp(nanos / 1e9, UTC)) if nanos else None


def container_id(status: ContainerStatus) -> str:
    return f"{RUNTIME_NAME}://{status.id}"


def running(status: ContainerStatus) -> dict[str, Any]:
    return {"running": {"startedAt": time_of(status.started_at or status.created_at)}}


def terminated(status: ContainerStatus, message: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {
        "exitCode": status.exit_code,
        "reason": status.reason or ("Completed" if status.exit_code == 0 else "Error"),
        "startedAt": time_of(status.started_at),
        "finishedAt": time_of(status.finished_at),
        "containerID": container_id(status),
    }
    text = message or status.message
    if text:
        body["message"] = text
    return {"terminated": {name: value for name, value in body.items() if value is not None}}


def image_id(status: ContainerStatus) -> str:
    return status.image_ref


def _remembered(pod: Object, name: str) -> dict[str, Any]:
    """How the last one ended, of a pod that started anew as a whole: the runtime does not have those any more."""
    found: dict[str, Any] = _old_entry(pod, name).get("lastState") or {} if may_restart_all(pod) else {}
    return found


def _default_waiting(pod: Object, name: str, is_initialized: bool) -> Waiting:
    is_app = any(one["name"] == name for one in pods.containers(pod))
    if pods.init_containers(pod) and (not is_app or not is_initialized):
        return Waiting("PodInitializing")
    return Waiting("ContainerCreating")


def _old_entry(pod: Object, name: str) -> dict[str, Any]:
    return pods.find_container_status(pod, name) or {}


def container_status(
    pod: Object, container: dict[str, Any], runtime: PodRuntime, seen: Observed, *, is_initialized: bool
) -> dict[str, Any]:
    """The entry of `containerStatuses` (or init, ephemeral) for one container."""
    name = container["name"]
    newest = runtime.newest(name)
    if newest is None:
        return _absent(pod, container, seen, is_initialized)
    last = runtime.previous(name)
    entry: dict[str, Any] = {
        "name": name,
        "state": _state(newest, seen),
        "lastState": _terminated_with_message(last, seen) if last else _remembered(pod, name),
        "ready": False,
        "restartCount": restart_count(newest),
        "image": newest.image or container.get("image", ""),
        "imageID": image_id(newest),
        "containerID": container_id(newest),
        "started": newest.state == ContainerState.RUNNING and newest.id not in seen.unstarted,
    }
    if chosen := (container.get("lifecycle") or {}).get("stopSignal"):
        entry["stopSignal"] = chosen
    if _waits_again(pod, container, newest, seen):
        entry["state"] = seen.waiting[name].as_state()
        entry["lastState"] = _terminated_with_message(newest, seen)
    entry["ready"] = _is_ready(pod, container, newest, seen)
    _add_resources(pod, container, newest, seen, entry)
    return entry


def _state(status: ContainerStatus, seen: Observed) -> dict[str, Any]:
    if status.state == ContainerState.RUNNING:
        return running(status)
    if status.state == ContainerState.EXITED:
        return _terminated_with_message(status, seen)
    if status.state == ContainerState.UNKNOWN:
        return {
            "terminated": {
                "exitCode": 137,
                "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was terminated",
                "containerID": container_id(status),
            }
        }
    waiting = seen.waiting.get(status.name, Waiting("ContainerCreating"))
    return waiting.as_state()


def _terminated_with_message(status: ContainerStatus, seen: Observed) -> dict[str, Any]:
    if status.state != ContainerState.EXITED:
        return {}
    return terminated(status, seen.messages.get(status.id, ""))


def _waits_again(pod: Object, container: dict[str, Any], newest: ContainerStatus, seen: Observed) -> bool:
    """An ended container that will run again shows why it waits; its end moves to lastState."""
    if container["name"] not in seen.waiting or newest.state != ContainerState.EXITED or seen.is_ending:
        return False
    is_plain_init = any(one is container for one in pods.init_containers(pod)) and not pods.is_sidecar(
        container
    )
    if is_plain_init and newest.exit_code == 0:
        return False
    return should_restart(pod, container, newest)


def _is_ready(pod: Object, container: dict[str, Any], status: ContainerStatus, seen: Observed) -> bool:
    is_plain_init = any(one is container for one in pods.init_containers(pod)) and not pods.is_sidecar(
        container
    )
    if is_plain_init:
        return status.state == ContainerState.EXITED and status.exit_code == 0
    if status.state != ContainerState.RUNNING:
        return False
    return status.id not in seen.unready and status.id not in seen.unstarted


def _absent(pod: Object, container: dict[str, Any], seen: Observed, is_initialized: bool) -> dict[str, Any]:
    """The runtime knows no such container: it waits, or it is lost although the API saw it."""
    name, old = container["name"], _old_entry(pod, container["name"])
    waiting = seen.waiting.get(name) or _default_waiting(pod, name, is_initialized)
    entry: dict[str, Any] = {
        "name": name,
        "state": waiting.as_state(),
        "lastState": old.get("lastState") or {},
        "ready": False,
        "restartCount": old.get("restartCount", 0),
        "image": container.get("image", ""),
        "imageID": old.get("imageID", ""),
        "started": False,
    }
    state = old.get("state") or {}
    if may_restart_all(pod) and not (seen.is_ending or seen.has_ended or pods.is_terminal(pod)):
        if ended := state.get("terminated"):
            entry["lastState"] = {"terminated": ended}
        return entry
    if "terminated" in state:
        entry["state"], entry["ready"] = state, old.get("ready", False)
        entry["containerID"] = old.get("containerID", "")
    elif "running" in state:
        lost = {
            "terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": DELETED_MESSAGE}
        }
        if seen.is_ending or pod["spec"].get("restartPolicy") == "Never":
            lost["terminated"]["message"] = LOST_MESSAGE
            entry["state"] = lost
        else:
            entry["lastState"], entry["restartCount"] = lost, old.get("restartCount", 0) + 1
    elif seen.has_ended:
        message = LOST_MESSAGE
        entry["state"] = {
            "terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": message}
        }
    return entry


def _add_resources(
    pod: Object, container: dict[str, Any], status: ContainerStatus, seen: Observed, entry: dict[str, Any]
) -> None:
    """`pod` has what was granted. Running containers show resources even where they have none: so they can be resized."""
    if any(one is container for one in pods.ephemeral_containers(pod)):
        return
    if devices := seen.device_health.get(container["name"]):
        entry["allocatedResourcesStatus"] = devices
    granted = container.get("resources") or {}
    actual: Mapping[str, Any] = granted
    if status.state == ContainerState.RUNNING:
        actual = seen.in_force.get(container["name"], granted)
    elif not granted:
        return
    entry["resources"] = {side: dict(actual[side]) for side in ("limits", "requests") if actual.get(side)}
    if granted.get("requests"):
        entry["allocatedResources"] = dict(granted["requests"])
