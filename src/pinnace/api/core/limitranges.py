"""LimitRanges: what a container, pod or claim of a namespace gets by default, and must lie between.

Rules: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go (ValidateLimitRange)
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.container_defaults import round_amounts
from pinnace.api.core.resource_names import validate_container_resource, validate_resource
from pinnace.api.core.resource_validation import is_overcommittable
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

CONTAINER, POD, CLAIM = "Container", "Pod", "PersistentVolumeClaim"
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
Limit = dict[str, Any]


class LimitRangeStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        for limit in obj.setdefault("spec", {}).get("limits") or ():
            for field in _AMOUNTS:
                round_amounts(limit.get(field))
                if not limit.get(field):
                    limit.pop(field, None)
            if limit.get("type") == CONTAINER:
                _default_limits(limit)

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_limits(obj["spec"].get("limits") or ()))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_limits(new["spec"].get("limits") or ()))


def _default_limits(limit: Limit) -> None:
    """Limits follow the maximum; requests follow the limits, then the minimum."""
    limits, requests = dict(limit.get("default") or {}), dict(limit.get("defaultRequest") or {})
    for name, amount in (limit.get("max") or {}).items():
        limits.setdefault(name, amount)
    for name, amount in (*limits.items(), *(limit.get("min") or {}).items()):
        requests.setdefault(name, amount)
    if limits:
        limit["default"] = limits
    if requests:
        limit["defaultRequest"] = requests


def _validate_limits(limits: Any) -> Iterator[Cause]:
    types = set()
    for index, limit in enumerate(limits):
        path, kind = f"spec.limits[{index}]", limit.get("type") or ""
        yield from _validate_type(kind, f"{path}.type")
        if kind in types:
            yield fields.duplicate(f"{path}.type", kind)
        types.add(kind)
        yield from _validate_names(limit, kind, path)
        keys = {name: None for field in _AMOUNTS for name in limit.get(field) or ()}
        for name in keys:
            yield from _validate_order(limit, name, path)


def _validate_type(kind: str, path: str) -> Iterator[Cause]:
    yield from fields.all_invalid(path, kind, names.qualified_name(kind))
    if kind and "/" not in kind and kind not in (CONTAINER, POD, CLAIM):
        yield fields.invalid(path, kind, "must be a standard limit type or fully qualified")


def _validate_names(limit: Limit, kind: str, path: str) -> Iterator[Cause]:
    rule = validate_container_resource if kind in (CONTAINER, POD) else validate_resource
    for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        if kind == POD and field in ("default", "defaultRequest"):
            if limit.get(field):
                yield fields.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        for name in limit.get(field) or ():
            yield from rule(name, fields.key(f"{path}.{field}", name))
    if kind == CLAIM and not any("storage" in (limit.get(field) or {}) for field in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        yield fields.required(f"{path}.limits", why)


def _validate_order(limit: Limit, name: str, path: str) -> Iterator[Cause]:
    text = {field: limit[field][name] for field in _AMOUNTS if name in (limit.get(field) or {})}
    value = {field: quantity.parse(amount) for field, amount in text.items()}

    def exceeds(one: str, other: str) -> bool:
        return one in value and other in value and value[one] > value[other]

    def wrong(field: str, shown: str, why: str) -> Cause:
        return fields.invalid(fields.key(f"{path}.{field}", name), shown, why)

    if exceeds("min", "max"):
        yield wrong("min", text["min"], f"min value {text['min']} is greater than max value {text['max']}")
    if exceeds("min", "defaultRequest"):
        shown = text["defaultRequest"]
        yield wrong("defaultRequest", shown, f"min value {text['min']} is greater than default request value {shown}")  # fmt: skip
    if exceeds("defaultRequest", "max"):
        shown = text["defaultRequest"]
        yield wrong("defaultRequest", shown, f"default request value {shown} is greater than max value {text['max']}")  # fmt: skip
    if exceeds("defaultRequest", "default"):
        shown = text["defaultRequest"]
        yield wrong("defaultRequest", shown, f"default request value {shown} is greater than default limit value {text['default']}")  # fmt: skip
    if exceeds("min", "default"):
        yield wrong("default", text["min"], f"min value {text['min']} is greater than default value {text['default']}")  # fmt: skip
    if exceeds("default", "max"):
        yield wrong("default", text["max"], f"default value {text['default']} is greater than max value {text['max']}")  # fmt: skip
    if (ratio := value.get("maxLimitRequestRatio")) is not None:
        yield from _validate_ratio(text, value, wrong, ratio)
    is_uneven = (
        "default" in value and "defaultRequest" in value and value["default"] != value["defaultRequest"]
    )
    if is_uneven and not is_overcommittable(name):
        why = f"default value {text['default']} must equal to defaultRequest value {text['defaultRequest']} in {name}"  # fmt: skip
        yield wrong("defaultRequest", text["defaultRequest"], why)


def _validate_ratio(text: dict[str, str], value: dict[str, Any], wrong: Any, ratio: Any) -> Iterator[Cause]:
    shown = text["maxLimitRequestRatio"]
    if ratio < 1:
        yield wrong("maxLimitRequestRatio", shown, f"ratio {shown} is less than 1")
    if "min" in value and "max" in value and value["min"] > 0:
        most = value["max"] / value["min"]
        if ratio > most:
            why = f"ratio {shown} is greater than max/min = {float(most):f}"
            yield wrong("maxLimitRequestRatio", shown, why)
