"""Whether a pod works: what decides if it is looked into at all."""

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import Object

LATELY_SECONDS = (
    600  # as long as the kubelet remembers a crash: a container that ran longer starts without delay again
)


def is_well(pod: Object, now: float) -> bool:
    """Ready, and none of its containers has crashed lately: one that ends every few seconds is ready in between."""
    if not pods.is_active(pod) or not pods.is_ready(pod):
        return False
    return not any(crashed_lately(status, now) for status in pods.container_statuses(pod))


def crashed_lately(status: Object, now: float) -> bool:
    """The container ended with an error, or a second time at all, and runs again since a short time."""
    ended = (status.get("lastState") or {}).get("terminated") or {}
    restarts = status.get("restartCount") or 0
    if not ended.get("finishedAt") or not restarts or (not ended.get("exitCode") and restarts < 2):
        return False
    return now - parse_time(ended["finishedAt"]).timestamp() < LATELY_SECONDS


def likeness(pod: Object) -> tuple[str, ...]:
    """Equal for pods of one controller that are in one state: what is wrong with one is what is wrong with the others."""
    owner = meta.controller_of(pod)
    status = pod.get("status") or {}
    scheduled = pods.get_condition(pod, "PodScheduled") or {}
    containers = [
        f"{one.get('name')} {_state(one.get('state'))} {_state(one.get('lastState'))}" for one in pods.container_statuses(pod)
    ]  # fmt: skip
    return (
        (owner or {}).get("uid") or meta.key_text(pod), pods.phase(pod), str(status.get("reason", "")), str(pods.is_terminating(pod)),
        str(scheduled.get("message", "")), *containers,
    )  # fmt: skip


def _state(state: Object | None) -> str:
    for kind, one in (state or {}).items():
        return f"{kind} {one.get('reason', '')} {one.get('exitCode', '')}"
    return ""
