"""Columns of HorizontalPodAutoscalers, in both versions."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pinnace.api.autoscaling.conversion import from_v1
from pinnace.api.columns.table import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    Column,
    TableDef,
    age,
    name,
    number,
)
from pinnace.api.meta import Object

_SHOWN_METRICS = 2
Part = Mapping[str, Any]


def _hpa(obj: Object, now: datetime) -> list[Cell]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    lowest = spec.get("minReplicas")
    return [
        name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(spec.get("metrics") or [], status.get("currentMetrics") or []),
        UNSET if lowest is None else str(lowest),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age(obj, now),
    ]


def _hpa_v1(obj: Object, now: datetime) -> list[Cell]:
    return _hpa(from_v1(obj), now)


def _metrics(wanted: list[Object], current: list[Object]) -> str:
    if not wanted:
        return NONE
    texts = []
    for index, metric in enumerate(wanted):
        kind = metric.get("type", "")
        field = kind[:1].lower() + kind[1:]
        if field not in _FORMS:
            texts.append("<unknown type>")
            continue
        seen = (current[index].get(field) or {}) if index < len(current) else {}
        texts.append(_FORMS[field](metric.get(field) or {}, seen.get("current") or {}))
    shown = ", ".join(texts[:_SHOWN_METRICS])
    more = len(texts) - _SHOWN_METRICS
    return f"{shown} + {more} more..." if more > 0 else shown


def _by_resource(source: Part, seen: Part) -> str:
    target, resource = source.get("target") or {}, source.get("name", "")
    if target.get("averageValue") is not None:
        return f"{resource}: {seen.get('averageValue', UNKNOWN)}/{target['averageValue']}"
    share, wanted = seen.get("averageUtilization"), target.get("averageUtilization")
    now = UNKNOWN if share is None else f"{share}%"
    return f"{resource}: {now}/{'<auto>' if wanted is None else f'{wanted}%'}"


def _by_pods(source: Part, seen: Part) -> str:
    target = source.get("target") or {}
    return f"{seen.get('averageValue', UNKNOWN)}/{target.get('averageValue', 0)}"


def _by_value_or_average(source: Part, seen: Part) -> str:
    target = source.get("target") or {}
    if target.get("averageValue") is not None:
        return f"{seen.get('averageValue', UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{seen.get('value', UNKNOWN)}/{target.get('value', 0)}"


_FORMS: dict[str, Callable[[Part, Part], str]] = {
    "external": _by_value_or_average,
    "object": _by_value_or_average,
    "pods": _by_pods,
    "resource": _by_resource,
    "containerResource": _by_resource,
}
_COLUMNS = (
    NAME,
    Column("Reference", description="What is scaled."),
    Column("Targets", description="The metrics to hold: what is measured, and what is wanted."),
    Column("MinPods", description="The fewest replicas that it scales down to."),
    Column("MaxPods", description="The most replicas that it scales up to."),
    number("Replicas", "How many replicas were there when it last looked."),
    AGE,
)
HORIZONTAL_POD_AUTOSCALERS = TableDef(_COLUMNS, _hpa)
HORIZONTAL_POD_AUTOSCALERS_V1 = TableDef(_COLUMNS, _hpa_v1)
