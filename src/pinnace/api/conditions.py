"""Conditions of a status: find one, set one so that its transition time means something."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pinnace.apimachinery import times

Condition = dict[str, Any]


def find(conditions: Iterable[Condition] | None, kind: str) -> Condition | None:
    return next((one for one in conditions or () if one.get("type") == kind), None)


def is_true(conditions: Iterable[Condition] | None, kind: str) -> bool:
    condition = find(conditions, kind)
    return condition is not None and condition.get("status") == "True"


def set_condition(
    conditions: Iterable[Condition] | None,
    kind: str,
    status: str,
    reason: str = "",
    message: str = "",
    *,
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> list[Condition]:
    """A new list with this condition in its old place, or at the end; the argument is not changed.

    `lastTransitionTime` stays while the status does. `extra` holds further fields (lastUpdateTime, observedGeneration).
    """
    present = list(conditions or ())
    index = next((i for i, one in enumerate(present) if one.get("type") == kind), len(present))
    before = present[index] if index < len(present) else {}
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    condition: Condition = {**before, "type": kind, "status": status}
    condition["lastTransitionTime"] = since or times.format_time(now)
    for field, value in (("reason", reason), ("message", message)):
        if value:
            condition[field] = value
        else:
            condition.pop(field, None)
    condition.update(extra or {})
    present[index:] = [condition, *present[index + 1 :]]
    return present


def without(conditions: Iterable[Condition] | None, kind: str) -> list[Condition]:
    return [one for one in conditions or () if one.get("type") != kind]
