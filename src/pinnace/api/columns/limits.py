"""Columns of LimitRanges, ResourceQuotas, PriorityClasses and RuntimeClasses."""

from datetime import datetime

from pinnace.api.columns.table import AGE, NAME, Cell, Column, TableDef, age, name, number
from pinnace.api.meta import Object

_LIMITS = "limits."


def _limit_range(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), obj["metadata"].get("creationTimestamp", "")]


def _quota(obj: Object, now: datetime) -> list[Cell]:
    """Requests and counts in one cell, limits in the other: `cpu: 1/2, pods: 3/10`."""
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    shown = [(key, f"{key}: {used.get(key, '0')}/{hard[key]}") for key in sorted(hard)]
    requests = [text for key, text in shown if not key.startswith(_LIMITS)]
    limits = [text for key, text in shown if key.startswith(_LIMITS)]
    return [name(obj), ", ".join(requests), ", ".join(limits), age(obj, now)]


def _priority_class(obj: Object, now: datetime) -> list[Cell]:
    policy = obj.get("preemptionPolicy", "")
    return [name(obj), obj.get("value", 0), bool(obj.get("globalDefault")), age(obj, now), policy]


def _runtime_class(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), obj.get("handler", ""), age(obj, now)]


LIMIT_RANGES = TableDef(
    (NAME, Column("Created At", "date", description="When it was created.")), _limit_range
)
RESOURCE_QUOTAS = TableDef(
    (
        NAME,
        Column("Request", description="Used and allowed, of requests and of counts of objects."),
        Column("Limit", description="Used and allowed, of limits."),
        AGE,
    ),
    _quota,
)
PRIORITY_CLASSES = TableDef(
    (
        NAME,
        number("Value", "The priority of pods of this class: the higher, the more important."),
        Column("Global-Default", "boolean", description="Whether pods without a class get this one."),
        AGE,
        Column("PreemptionPolicy", description="Whether pods of this class may push others off a node."),
    ),
    _priority_class,
)
RUNTIME_CLASSES = TableDef(
    (
        NAME,
        Column("Handler", description="The container runtime's configuration that runs pods of this class."),
        AGE,
    ),
    _runtime_class,
)
