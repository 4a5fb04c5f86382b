"""Whether a pod works: what decides if it is looked into at all."""

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
