"""Taints and the tolerations that a pod holds against them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Taint = Mapping[str, Any]
Toleration = Mapping[str, Any]

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """An empty effect or key of the toleration stands for any."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return (toleration.get("value") or "") == (taint.get("value") or "")
    return False


def is_tolerated(taint: Taint, tolerations: Iterable[Toleration] | None) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations or ())


def first_untolerated(
    taints: Iterable[Taint] | None,
    tolerations: Collection[Toleration] | None,
    effects: Collection[str] = (NO_SCHEDULE, NO_EXECUTE),
) -> Taint | None:
    """The first taint of these effects that nothing tolerates."""
    for taint in taints or ():
        if taint.get("effect") in effects and not is_tolerated(taint, tolerations):
            return taint
    return None


def same_taint(one: Taint, other: Taint) -> bool:
    """A node holds at most one taint of a key and an effect."""
    return one.get("key") == other.get("key") and one.get("effect") == other.get("effect")


def merged(first: Iterable[Toleration], second: Iterable[Toleration]) -> list[Toleration]:
    """All of both, without those that another one makes superfluous."""
    every, kept = [*first, *second], list[Toleration]()
    for index, one in enumerate(every):
        is_covered = any(covers(other, one) for other in kept)
        if not is_covered and not any(o != one and covers(o, one) for o in every[index + 1 :]):
            kept.append(one)
    return kept


def covers(wide: Toleration, narrow: Toleration) -> bool:
    """Whether `wide` tolerates all that `narrow` tolerates, for at least as long."""
    if wide == narrow:
        return True
    operator = wide.get("operator") or "Equal"
    is_any_key = not wide.get("key") and operator == "Exists"
    if (narrow.get("key") or "") != (wide.get("key") or "") and not is_any_key:
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    longest, asked = wide.get("tolerationSeconds"), narrow.get("tolerationSeconds")
    if wide.get("effect") == NO_EXECUTE and longest is not None and (asked is None or asked > longest):
        return False
    if operator == "Exists":
        return True
    same_value = (narrow.get("value") or "") == (wide.get("value") or "")
    return (narrow.get("operator") or "Equal") == "Equal" and same_value
