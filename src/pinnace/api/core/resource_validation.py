"""Validation of what containers request and may use."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.pod_resources import container_sum
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


RESIZABLE = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")


def validate_resize_policy(
    policies: Sequence[Mapping[str, Any]], pod_restart_policy: str | None, path: str
) -> Iterator[Cause]:
    """Whether a container must restart for new amounts: said once for each resource."""
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield fields.duplicate(f"{path}[{index}]", name)
        seen.add(name)
        for value, supported in ((name, RESIZABLE), (restart, RESIZE_POLICIES)):
            if not value:
                yield fields.required(path)
            elif value not in supported:
                yield fields.not_supported(path, value, supported)
        if pod_restart_policy == "Never" and restart != "NotRequired":
            why = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            yield fields.invalid(path, restart, why)


def validate_pod_level(spec: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """Resources of the pod as a whole hold at least what its containers ask for, and bound what they may use."""
    resources = spec["resources"]
    if resources.get("claims"):
        why = "claims may not be set for Resources at pod-level"
        yield fields.forbidden(f"{path}.resources.claims", why)
    unknown = [
        (field, name)
        for field in ("limits", "requests")
        for name in resources.get(field) or {}
        if name not in RESIZABLE and not name.startswith("hugepages-")
    ]
    for field, name in unknown:
        yield fields.not_supported(f"{path}.resources.{field}", name, RESIZABLE)
    if unknown:
        return
    yield from validate_requirements(resources, f"{path}.resources")
    asked = container_sum(spec)
    for name, amount in (resources.get("requests") or {}).items():
        if name in asked and asked[name] > quantity.parse(amount):
            total = quantity.format_quantity(asked[name], "decimal" if name == "cpu" else "binary")
            why = f"must be greater than or equal to aggregate container requests of {total}"
            yield fields.invalid(fields.key(f"{path}.resources.requests", name), amount, why)
    bounds = resources.get("limits") or {}
    for index, container in enumerate(spec.get("containers") or ()):
        for name, amount in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in bounds and quantity.parse(amount) > quantity.parse(bounds[name]):
                here = fields.key(f"{path}.containers[{index}].resources.limits", name)
                yield fields.invalid(
                    here, amount, f"must be less than or equal to pod limits of {bounds[name]}"
                )
