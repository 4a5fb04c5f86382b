"""Validation of what a HorizontalPodAutoscaler scales, by which metrics, and how fast."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Source = Mapping[str, Any]
SOURCE_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
TARGET_TYPES = ("Utilization", "Value", "AverageValue")
SELECT_POLICIES = ("Disabled", "Max", "Min")
POLICY_TYPES = ("Percent", "Pods")
MAX_STABILIZATION_SECONDS, MAX_PERIOD_SECONDS = 3600, 1800


def validate_hpa_spec(spec: Mapping[str, Any]) -> Found:
    lowest, highest = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if lowest is not None and lowest < 1:
        yield fields.invalid("spec.minReplicas", lowest, "must be greater than or equal to 1")
    if highest < 1:
        yield fields.invalid("spec.maxReplicas", highest, "must be greater than 0")
    if lowest is not None and highest < lowest:
        why = "must be greater than or equal to `minReplicas`"
        yield fields.invalid("spec.maxReplicas", highest, why)
    yield from _validate_reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    for index, metric in enumerate(spec.get("metrics") or ()):
        yield from _validate_metric(metric, f"spec.metrics[{index}]")
    behavior = spec.get("behavior") or {}
    for field in ("scaleUp", "scaleDown"):
        if (rules := behavior.get(field)) is not None:
            yield from _validate_rules(rules, f"spec.behavior.{field}")


def _validate_reference(reference: Mapping[str, Any], path: str) -> Found:
    for field in ("kind", "name"):
        value = reference.get(field) or ""
        if not value:
            yield fields.required(f"{path}.{field}")
        else:
            yield from fields.all_invalid(f"{path}.{field}", value, names.path_segment(value))
    version = reference.get("apiVersion") or ""
    if version.count("/") > 1:
        yield fields.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")


def _validate_metric(metric: Mapping[str, Any], path: str) -> Found:
    kind = metric.get("type") or ""
    if not kind:
        yield fields.required(f"{path}.type", "must specify a metric source type")
    if kind not in SOURCE_TYPES:
        yield fields.not_supported(f"{path}.type", kind, SOURCE_TYPES)
    present = [field for field in _SOURCES if metric.get(field) is not None]
    for field in present[:1]:
        yield from _SOURCES[field](metric[field], f"{path}.{field}")
    expected = kind[:1].lower() + kind[1:]
    if kind in SOURCE_TYPES and expected not in present:
        why = "must populate information for the given metric source"
        yield fields.required(f"{path}.{expected}", why)
    if len(present) != 1:
        for field in present:
            if field != expected:
                why = "must populate the given metric source only"
                yield fields.forbidden(f"{path}.{field}", why)


def _validate_object(source: Source, path: str) -> Found:
    yield from _validate_reference(source.get("describedObject") or {}, f"{path}.describedObject")
    yield from _validate_identifier(source, path)
    target = source.get("target") or {}
    yield from _validate_target(target, f"{path}.target")
    if target.get("value") is None and target.get("averageValue") is None:
        why = "must set either a target value or averageValue"
        yield fields.required(f"{path}.target.averageValue", why)


def _validate_external(source: Source, path: str) -> Found:
    yield from _validate_identifier(source, path)
    target = source.get("target") or {}
    yield from _validate_target(target, f"{path}.target")
    has_value, has_average = target.get("value") is not None, target.get("averageValue") is not None
    if not has_value and not has_average:
        why = "must set either a target value for metric or a per-pod target"
        yield fields.required(f"{path}.target.averageValue", why)
    if has_value and has_average:
        why = "may not set both a target value for metric and a per-pod target"
        yield fields.forbidden(f"{path}.target.value", why)


def _validate_pods(source: Source, path: str) -> Found:
    yield from _validate_identifier(source, path)
    target = source.get("target") or {}
    yield from _validate_target(target, f"{path}.target")
    if not _is_positive(target.get("averageValue")):
        yield fields.required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _validate_resource(source: Source, path: str) -> Found:
    if not source.get("name"):
        yield fields.required(f"{path}.name", "must specify a resource name")
    target = source.get("target") or {}
    yield from _validate_target(target, f"{path}.target")
    by_share, by_value = target.get("averageUtilization"), target.get("averageValue")
    if by_share is None and by_value is None:
        why = "must set either a target raw value or a target utilization"
        yield fields.required(f"{path}.target.averageUtilization", why)
    if by_share is not None and by_value is not None:
        why = "may not set both a target raw value and a target utilization"
        yield fields.forbidden(f"{path}.target.averageValue", why)


def _validate_container_resource(source: Source, path: str) -> Found:
    if not source.get("container"):
        yield fields.required(f"{path}.container", "must specify a container")
    yield from _validate_resource(source, path)


_SOURCES: dict[str, Callable[[Source, str], Found]] = {
    "object": _validate_object,
    "external": _validate_external,
    "pods": _validate_pods,
    "resource": _validate_resource,
    "containerResource": _validate_container_resource,
}


def _validate_identifier(source: Source, path: str) -> Found:
    name = (source.get("metric") or {}).get("name") or ""
    if not name:
        yield fields.required(f"{path}.metric.name", "must specify a metric name")
    else:
        yield from fields.all_invalid(f"{path}.metric.name", name, names.path_segment(name))


def _validate_target(target: Mapping[str, Any], path: str) -> Found:
    kind = target.get("type") or ""
    if not kind:
        yield fields.required(f"{path}.type", "must specify a metric target type")
    if kind not in TARGET_TYPES:
        why = "must be either Utilization, Value, or AverageValue"
        yield fields.invalid(f"{path}.type", kind, why)
    for field in ("value", "averageValue"):
        if target.get(field) is not None and not _is_positive(target[field]):
            yield fields.invalid(f"{path}.{field}", target[field], "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield fields.invalid(f"{path}.averageUtilization", share, "must be greater than 0")


def _is_positive(amount: Any) -> bool:
    return amount is not None and quantity.parse(amount) > 0


def _validate_rules(rules: Mapping[str, Any], path: str) -> Found:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        why = "must be greater than or equal to zero"
        yield fields.invalid(f"{path}.stabilizationWindowSeconds", window, why)
    if window is not None and window > MAX_STABILIZATION_SECONDS:
        why = f"must be less than or equal to {MAX_STABILIZATION_SECONDS}"
        yield fields.invalid(f"{path}.stabilizationWindowSeconds", window, why)
    select = rules.get("selectPolicy")
    if select is not None and select not in SELECT_POLICIES:
        yield fields.not_supported(f"{path}.selectPolicy", select, SELECT_POLICIES)
    policies = rules.get("policies") or ()
    if not policies:
        yield fields.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        yield from _validate_policy(policy, f"{path}.policies[{index}]")
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantity.parse(tolerance) < 0:
        yield fields.invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0")


def _validate_policy(policy: Mapping[str, Any], path: str) -> Found:
    kind, value, period = policy.get("type") or "", policy.get("value") or 0, policy.get("periodSeconds") or 0
    if kind not in POLICY_TYPES:
        yield fields.not_supported(f"{path}.type", kind, POLICY_TYPES)
    if value <= 0:
        yield fields.invalid(f"{path}.value", value, "must be greater than zero")
    if period <= 0:
        yield fields.invalid(f"{path}.periodSeconds", period, "must be greater than zero")
    if period > MAX_PERIOD_SECONDS:
        why = f"must be less than or equal to {MAX_PERIOD_SECONDS}"
        yield fields.invalid(f"{path}.periodSeconds", period, why)
