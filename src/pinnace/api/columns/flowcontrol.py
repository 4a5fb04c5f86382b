"""Columns of FlowSchemas and PriorityLevelConfigurations."""

from datetime import datetime

from pinnace.api import conditions
from pinnace.api.columns.table import AGE, NAME, NONE, Cell, Column, TableDef, age, name
from pinnace.api.meta import Object


def _schema(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    dangling = conditions.find((obj.get("status") or {}).get("conditions"), "Dangling")
    return [
        name(obj),
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type", NONE),
        age(obj, now),
        "?" if dangling is None else dangling.get("status", "?"),
    ]


def _level(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    own = spec.get("limited") or spec.get("exempt") or {}
    queuing = (own.get("limitResponse") or {}).get("queuing") or {}
    sizes = (queuing.get(field, NONE) for field in ("queues", "handSize", "queueLengthLimit"))
    return [name(obj), spec.get("type", ""), own.get("nominalConcurrencyShares", NONE), *sizes, age(obj, now)]


FLOW_SCHEMAS = TableDef(
    (
        NAME,
        Column("PriorityLevel", description="Where the requests that it matches go."),
        Column("MatchingPrecedence", description="The lowest of those that match a request wins."),
        Column("DistinguisherMethod", description="What makes requests belong to one flow."),
        AGE,
        Column("MissingPL", description="Whether the priority level does not exist."),
    ),
    _schema,
)
PRIORITY_LEVELS = TableDef(
    (
        NAME,
        Column("Type", description="Whether requests are limited at all."),
        Column("NominalConcurrencyShares", description="Its part of the requests that may run at once."),
        Column("Queues", description="How many queues it has."),
        Column("HandSize", description="How many queues a flow is spread over."),
        Column("QueueLengthLimit", description="How many requests may wait in a queue."),
        AGE,
    ),
    _level,
)
