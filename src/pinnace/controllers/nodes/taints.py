"""Taints that the control plane sets on nodes, and how pods tolerate taints."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"
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


def of(node: Object) -> list[Object]:
    return node["spec"].get("taints") or []


def no_schedule_keys(node: Object, conditions: Iterable[Object]) -> set[str]:
    """Which NoSchedule taints the node's state calls for."""
    keys = {_BY_CONDITION.get((c["type"], c["status"]), "") for c in conditions} - {""}
    return keys | {UNSCHEDULABLE} if node["spec"].get("unschedulable") else keys


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


def tolerates(toleration: Object, taint: Object) -> bool:
    """After upstream's Toleration.ToleratesTaint, without the numeric operators."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if (toleration.get("operator") or "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(
    taints: Iterable[Object], tolerations: Sequence[Object], effects: tuple[str, ...]
) -> Object | None:
    """The first taint of these effects that nothing tolerates."""
    return next(
        (t for t in taints if t["effect"] in effects and not any(tolerates(x, t) for x in tolerations)),
        None,
    )


def has(node: Object, key: str) -> bool:
    return any(taint["key"] == key for taint in of(node))


def is_ready(node: Object) -> bool:
    return meta.condition_is_true(node, "Ready")
