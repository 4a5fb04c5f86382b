"""Columns of events, in both API shapes."""

from datetime import datetime

from pinnace.api.columns.table import NAME, Cell, Column, TableDef, age_of, name, wide
from pinnace.api.core.events import to_core_v1
from pinnace.api.meta import Object


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or ("" if source.get("component") else event.get("reportingInstance")) or ""
    return f"{component}, {instance}" if instance else component


def _times(event: Object, now: datetime) -> tuple[str, str, int]:
    """(first seen, last seen, count); a series speaks for the events that it stands for."""
    first = age_of(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = age_of(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    count = event.get("count") or 1
    if series := event.get("series"):
        return first, age_of(series.get("lastObservedTime"), now), series.get("count", 0)
    return first, last, count


def _cells(obj: Object, now: datetime) -> list[Cell]:
    event = obj if "involvedObject" in obj else to_core_v1(obj)
    involved = event.get("involvedObject") or {}
    target = involved.get("kind", "").lower()
    if involved.get("name"):
        target = f"{target}/{involved['name']}"
    first, last, count = _times(event, now)
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        target,
        involved.get("fieldPath", ""),
        _source(event),
        (event.get("message") or "").strip(),
        first,
        count,
        name(event),
    ]


EVENTS = TableDef(
    (
        Column("Last Seen", description="How long ago it happened last."),
        Column("Type", description="Normal or Warning; new types may come."),
        Column("Reason", description="Why it happened, as one word for machines."),
        Column("Object", description="The object that the event is about."),
        wide("Subobject", "The part of that object, if not all of it."),
        wide("Source", "The component that reports the event."),
        Column("Message", description="What happened, as a sentence for people."),
        wide("First Seen", "How long ago it happened first."),
        wide("Count", "How often it happened.", "integer"),
        Column(NAME.name, NAME.type, NAME.format, NAME.description, 1),
    ),
    _cells,
)
