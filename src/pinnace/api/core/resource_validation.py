"""Validation of what containers request and may use."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

STANDARD = frozenset(("cpu", "memory", "ephemeral-storage"))


def is_overcommittable(name: str) -> bool:
    """Of the system's own resources a limit may exceed the request; huge pages and extended resources may not."""
    return name in STANDARD


def validate_requirements(resources: Mapping[str, Any], path: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        yield from _validate_amount(name, amount, f"{path}.limits")
    for name, amount in requests.items():
        yield from _validate_amount(name, amount, f"{path}.requests")
        limit = limits.get(name)
        if limit is None:
            if not is_overcommittable(name):
                why = "Limit must be set for non overcommitable resources"
                yield fields.required(f"{path}.limits", why)
        elif limit != amount:
            yield from _validate_pair(name, amount, limit, f"{path}.requests")


def _validate_pair(name: str, amount: Any, limit: Any, path: str) -> Iterator[Cause]:
    requested, allowed = quantity.parse(amount), quantity.parse(limit)
    if not is_overcommittable(name) and requested != allowed:
        yield fields.invalid(path, amount, f"must be equal to {name} limit of {limit}")
    elif requested > allowed:
        yield fields.invalid(path, amount, f"must be less than or equal to {name} limit of {limit}")


def _validate_amount(name: str, amount: Any, path: str) -> Iterator[Cause]:
    if name not in STANDARD:
        yield from _validate_name(name, path)
    value = quantity.parse(amount)
    if value < 0:
        here = fields.key(path, name)
        yield fields.invalid(here, amount, "must be greater than or equal to 0")
    if name not in STANDARD and not name.startswith("hugepages-") and value != value.to_integral_value():
        yield fields.invalid(fields.key(path, name), amount, "must be an integer")


def _validate_name(name: str, path: str) -> Iterator[Cause]:
    if messages := names.qualified_name(name):
        yield from fields.all_invalid(path, name, messages)
    elif "/" not in name and not name.startswith("hugepages-"):
        yield fields.invalid(path, name, "must be a standard resource type or fully qualified")
        yield fields.invalid(path, name, "must be a standard resource for containers")
