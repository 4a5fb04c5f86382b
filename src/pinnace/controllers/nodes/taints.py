"""The taints that the control plane itself puts on nodes and takes off again."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pinnace.api.core import nodes
from pinnace.api.core.tolerations import (
    DISK_PRESSURE,
    MEMORY_PRESSURE,
    NETWORK_UNAVAILABLE,
    NOT_READY,
    PID_PRESSURE,
    UNREACHABLE,
    UNSCHEDULABLE,
)
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"

_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): MEMORY_PRESSURE,
    ("DiskPressure", "True"): DISK_PRESSURE,
    ("PIDPressure", "True"): PID_PRESSURE,
    ("NetworkUnavailable", "True"): NETWORK_UNAVAILABLE,
}
MANAGED_NO_SCHEDULE = frozenset((*_BY_CONDITION.values(), UNSCHEDULABLE))
MANAGED_NO_EXECUTE = frozenset((NOT_READY, UNREACHABLE))


def no_schedule_keys(node: Object, conditions: Iterable[Object]) -> set[str]:
    """Which NoSchedule taints the node's state calls for."""
    keys = {_BY_CONDITION.get((c["type"], c["status"]), "") for c in conditions} - {""}
    return keys | {UNSCHEDULABLE} if nodes.is_unschedulable(node) else keys


def no_execute_key(conditions: Iterable[Object]) -> str | None:
    """Which NoExecute taint: not-ready, unreachable, or none while the node is ready."""
    status = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    return None if status == "True" else UNREACHABLE if status == "Unknown" else NOT_READY


def reconciled(
    current: Sequence[Object], no_schedule: set[str], no_execute: set[str], now: datetime
) -> list[Object]:
    """`current` with exactly these taints among those that the control plane manages; what stays keeps its time."""
    wanted = {(key, "NoSchedule") for key in no_schedule} | {(key, "NoExecute") for key in no_execute}

    def is_managed(taint: Object) -> bool:
        keys = MANAGED_NO_EXECUTE if taint["effect"] == "NoExecute" else MANAGED_NO_SCHEDULE
        return taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] in keys

    kept = [t for t in current if not is_managed(t) or (t["key"], t["effect"]) in wanted]
    present = {(t["key"], t["effect"]) for t in kept}
    added = [
        {"key": key, "effect": effect, "timeAdded": format_time(now)}
        for key, effect in sorted(wanted - present)
    ]
    return [*kept, *added]


def has(node: Object, key: str) -> bool:
    return any(taint["key"] == key for taint in nodes.taints(node))
