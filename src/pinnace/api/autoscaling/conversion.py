"""autoscaling/v1 and autoscaling/v2: v1 knows one target, cpu utilization; the rest travels in annotations.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/autoscaling/v1/conversion.go. Nothing is lost on the way
there and back but the order of metrics: cpu utilization comes last.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pinnace.api.meta import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT_METRICS = _PREFIX + "metrics", _PREFIX + "current-metrics"
CONDITIONS, BEHAVIOR = _PREFIX + "conditions", _PREFIX + "behavior"
ANNOTATIONS = frozenset((METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR))
_SHARED_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_SHARED_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")

# Per source: (v1 field, path in v2). Targets are what is asked for, current values what is observed.
_Pairs = tuple[tuple[str, tuple[str, ...]], ...]
_METRIC: _Pairs = (("metricName", ("metric", "name")), ("selector", ("metric", "selector")))
_SPEC_FIELDS: dict[str, _Pairs] = {
    "object": (
        *_METRIC,
        ("target", ("describedObject",)),
        ("targetValue", ("target", "value")),
        ("averageValue", ("target", "averageValue")),
    ),
    "pods": (*_METRIC, ("targetAverageValue", ("target", "averageValue"))),
    "resource": (
        ("name", ("name",)),
        ("targetAverageUtilization", ("target", "averageUtilization")),
        ("targetAverageValue", ("target", "averageValue")),
    ),
    "containerResource": (
        ("name", ("name",)),
        ("container", ("container",)),
        ("targetAverageUtilization", ("target", "averageUtilization")),
        ("targetAverageValue", ("target", "averageValue")),
    ),
    "external": (
        ("metricName", ("metric", "name")),
        ("metricSelector", ("metric", "selector")),
        ("targetValue", ("target", "value")),
        ("targetAverageValue", ("target", "averageValue")),
    ),
}
_STATUS_FIELDS: dict[str, _Pairs] = {
    "object": (
        *_METRIC,
        ("target", ("describedObject",)),
        ("currentValue", ("current", "value")),
        ("averageValue", ("current", "averageValue")),
    ),
    "pods": (*_METRIC, ("currentAverageValue", ("current", "averageValue"))),
    "resource": (
        ("name", ("name",)),
        ("currentAverageUtilization", ("current", "averageUtilization")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
    "containerResource": (
        ("name", ("name",)),
        ("container", ("container",)),
        ("currentAverageUtilization", ("current", "averageUtilization")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
    "external": (
        ("metricName", ("metric", "name")),
        ("metricSelector", ("metric", "selector")),
        ("currentValue", ("current", "value")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
}


def to_v1(hpa: Object) -> Object:
    """autoscaling/v2 -> autoscaling/v1. Shares what it does not change."""
    spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
    others = [metric for metric in spec.get("metrics") or () if cpu_utilization(metric) is None]
    current = status.get("currentMetrics") or ()
    extra = {
        METRICS: [_flat(metric, _SPEC_FIELDS) for metric in others],
        CURRENT_METRICS: [_flat(metric, _STATUS_FIELDS) for metric in current],
        CONDITIONS: status.get("conditions") or [],
        BEHAVIOR: _renamed(spec["behavior"], _go_name) if spec.get("behavior") is not None else [],
    }
    shown = {name: _compact(value) for name, value in extra.items() if value}
    new_spec = {key: spec[key] for key in _SHARED_SPEC if key in spec}
    targets = [
        share for metric in spec.get("metrics") or () if (share := cpu_utilization(metric)) is not None
    ]
    if targets:
        new_spec["targetCPUUtilizationPercentage"] = targets[0]
    new_status = {key: status[key] for key in _SHARED_STATUS if key in status}
    new_status.setdefault("currentReplicas", 0)
    new_status.setdefault("desiredReplicas", 0)
    shares = [share for metric in current if (share := cpu_utilization(metric, "current")) is not None]
    if shares:
        new_status["currentCPUUtilizationPercentage"] = shares[0]
    metadata = _with_annotations(hpa["metadata"], shown)
    return {
        **hpa,
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": new_spec,
        "status": new_status,
    }


def from_v1(hpa: Object) -> Object:
    """autoscaling/v1 -> autoscaling/v2. Raises ValueError, TypeError or AttributeError for annotations that cannot be read."""
    spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
    annotations = hpa["metadata"].get("annotations") or {}
    found = {name: json.loads(annotations[name]) for name in ANNOTATIONS if name in annotations}
    new_spec = {key: spec[key] for key in _SHARED_SPEC if key in spec}
    metrics = [_nested(metric, _SPEC_FIELDS, "target") for metric in found.get(METRICS) or ()]
    share = spec.get("targetCPUUtilizationPercentage")
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        new_spec["metrics"] = metrics
    if found.get(BEHAVIOR) is not None:
        new_spec["behavior"] = _renamed(found[BEHAVIOR], _json_name)
    new_status = {key: status[key] for key in _SHARED_STATUS if key in status}
    current = [_nested(metric, _STATUS_FIELDS, "current") for metric in found.get(CURRENT_METRICS) or ()]
    share = status.get("currentCPUUtilizationPercentage")
    if share is not None and not current:
        reading = {"averageUtilization": share}
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": reading}}]
    if current:
        new_status["currentMetrics"] = current
    if found.get(CONDITIONS):
        new_status["conditions"] = found[CONDITIONS]
    metadata = _with_annotations(hpa["metadata"], {}, without=found)
    return {
        **hpa,
        "apiVersion": "autoscaling/v2",
        "metadata": metadata,
        "spec": new_spec,
        "status": new_status,
    }


def cpu_utilization(metric: Mapping[str, Any], part: str = "target") -> int | None:
    """The one kind of metric that v1 has a field for."""
    source = metric.get("resource") or {}
    if metric.get("type") != "Resource" or source.get("name") != "cpu":
        return None
    share: int | None = (source.get(part) or {}).get("averageUtilization")
    return share


def _with_annotations(metadata: Object, added: Mapping[str, str], without: Collection[str] = ()) -> Object:
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in without}
    kept.update(added)
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**rest, "annotations": kept} if kept else rest


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _source_of(metric: Mapping[str, Any], table: Mapping[str, _Pairs]) -> str:
    return next((field for field in table if metric.get(field) is not None), "")


def _flat(metric: Mapping[str, Any], table: Mapping[str, _Pairs]) -> Object:
    field = _source_of(metric, table)
    flat: Object = {"type": metric.get("type", "")}
    if field:
        flat[field] = {}
        for name, path in table[field]:
            value: Any = metric[field]
            for step in path:
                value = (value or {}).get(step)
            if value is not None:
                flat[field][name] = value
    return flat


def _nested(metric: Mapping[str, Any], table: Mapping[str, _Pairs], part: str) -> Object:
    field = _source_of(metric, table)
    nested: Object = {"type": metric.get("type", "")}
    if not field:
        return nested
    source: Object = {}
    for name, path in table[field]:
        if (value := metric[field].get(name)) is None:
            continue
        place = source
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    if part == "target":
        target = source.setdefault("target", {})
        target["type"] = _target_type(target)
    nested[field] = source
    return nested


def _target_type(target: Mapping[str, Any]) -> str:
    if "averageUtilization" in target:
        return "Utilization"
    return "AverageValue" if "averageValue" in target else "Value"


# The annotation for behavior holds Go's field names, which upstream reads whatever their case.
def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {rename(key): _renamed(entry, rename) for key, entry in value.items()}
    return [_renamed(entry, rename) for entry in value] if isinstance(value, list) else value


def _go_name(name: str) -> str:
    return name[:1].upper() + name[1:]


def _json_name(name: str) -> str:
    return name[:1].lower() + name[1:]
