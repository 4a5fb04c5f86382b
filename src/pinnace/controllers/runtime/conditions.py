"""Setting status conditions: the time of the last transition moves only when the status does."""

from collections.abc import Sequence
from datetime import datetime

from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time


def find(conditions: Sequence[Object], kind: str) -> Object | None:
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def without(conditions: Sequence[Object], kind: str) -> list[Object]:
    return [condition for condition in conditions if condition.get("type") != kind]


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": format_time(now),
        "reason": reason,
        "message": message,
    }


def with_condition(conditions: Sequence[Object], new: Object) -> list[Object]:
    """`new` in place of the one of its type; unchanged when status, reason and message are the same."""
    old = find(conditions, new["type"])
    if old is not None and all(old.get(f) == new.get(f) for f in ("status", "reason", "message")):
        return list(conditions)
    if old is not None and old.get("status") == new["status"] and "lastTransitionTime" in old:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    if old is None:
        return [*conditions, new]
    return [new if entry is old else entry for entry in conditions]
