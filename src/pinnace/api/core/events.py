"""Events: one stored kind, two API shapes (core/v1 and events.k8s.io/v1), and conversion between them.

Stored and indexed in the core/v1 shape.
"""

from typing import Any

from pinnace.api import fields, normalise
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_RENAMED = (  # core/v1, events.k8s.io/v1
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)
_SELECTABLE = ("reason", "reportingComponent", "source", "type")


class EventStrategy(Strategy):
    """core/v1. `field_labels` and validation read whichever shape is given."""

    allows_create_on_update = True
    selectable_fields = frozenset(
        (
            "metadata.name",
            "metadata.namespace",
            *(f"involvedObject.{field}" for field in _INVOLVED),
            *_SELECTABLE,
        )
    )

    def set_defaults(self, obj: Object) -> None:
        _set_canonical_times(obj)
        for _, new in _RENAMED:
            obj.pop(new, None)
        obj.setdefault("reportingComponent", "")
        obj.setdefault("reportingInstance", "")
        obj.setdefault("involvedObject", {})

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj)
        field = "regarding" if "regarding" in obj else "involvedObject"
        involved = (obj.get(field) or {}).get("namespace") or "default"
        if (obj["metadata"].get("namespace") or "default") != involved:
            given = (obj.get(field) or {}).get("namespace", "")
            found.append(fields.invalid(f"{field}.namespace", given, "does not match event.namespace"))
        return found + (_validate_new_style(obj) if obj.get("eventTime") else [])

    def field_labels(self, obj: Object) -> dict[str, str]:
        involved = obj.get("involvedObject") or obj.get("regarding") or {}
        source = obj.get("source") or obj.get("deprecatedSource") or {}
        reporter = obj.get("reportingComponent") or obj.get("reportingController") or ""
        subject = {field: involved.get(field) or "" for field in _INVOLVED}
        return {
            **super().field_labels(obj),
            **{f"involvedObject.{field}": value for field, value in subject.items()},
            **{f"regarding.{field}": value for field, value in subject.items()},
            "reportingController": reporter,
            "reason": obj.get("reason") or "",
            "reportingComponent": reporter,
            "source": source.get("component") or reporter,
            "type": obj.get("type") or "",
        }


class EventV1Strategy(EventStrategy):
    """events.k8s.io/v1; selectors name the fields as this shape does, labels answer to both."""

    selectable_fields = frozenset(
        (
            "metadata.name",
            "metadata.namespace",
            *(f"regarding.{field}" for field in _INVOLVED),
            "reason",
            "reportingController",
            "type",
        )
    )

    def set_defaults(self, obj: Object) -> None:
        _set_canonical_times(obj)
        for old, _ in _RENAMED:
            obj.pop(old, None)


def _set_canonical_times(event: Object) -> None:
    normalise.times_in(
        event, "firstTimestamp", "lastTimestamp", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"
    )
    for holder, field in ((event, "eventTime"), (event.get("series") or {}, "lastObservedTime")):
        if field in holder:
            holder[field] = normalise.micro_time_text(holder[field])


def _validate_new_style(obj: Object) -> list[Cause]:
    """Events with an eventTime say who reports them, and do what."""
    found: list[Cause] = []
    reporter = obj.get("reportingComponent") or obj.get("reportingController")
    if not reporter:
        found.append(fields.required("reportingController"))
    for field in ("reportingInstance", "action", "reason"):
        if not obj.get(field):
            found.append(fields.required(field))
    return found


def _converted(obj: Object, api_version: str, pairs: list[tuple[str, str]]) -> Object:
    names: dict[str, Any] = dict(pairs)
    return {**{names.get(key, key): value for key, value in obj.items()}, "apiVersion": api_version}


def to_events_v1(event: Object) -> Object:
    """core/v1 -> events.k8s.io/v1."""
    return _converted(event, "events.k8s.io/v1", list(_RENAMED))


def to_core_v1(event: Object) -> Object:
    """events.k8s.io/v1 -> core/v1."""
    converted = _converted(event, "v1", [(new, old) for old, new in _RENAMED])
    converted.setdefault("involvedObject", {})
    return converted
