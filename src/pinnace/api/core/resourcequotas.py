"""ResourceQuotas: how much of what a namespace may use, and of which of its objects that is said.

Rules: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go (ValidateResourceQuota)
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.core import resource_names
from pinnace.api.core.container_defaults import round_amounts
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

EXISTENCE_SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "CrossNamespacePodAffinity",
)
SCOPES = (*EXISTENCE_SCOPES, "PriorityClass", "VolumeAttributesClass")
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_CLAIMS = ("persistentvolumeclaims", "requests.storage")
_EXISTS_ONLY = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
Spec = Mapping[str, Any]


class ResourceQuotaStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        round_amounts(obj.setdefault("spec", {}).get("hard"))
        status = obj.get("status") or {}
        for field in ("hard", "used"):
            round_amounts(status.get(field))

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_spec(new["spec"]))
        after, before = (set(quota["spec"].get("scopes") or ()) for quota in (new, old))
        if after != before:
            found.append(fields.invalid("spec.scopes", new["spec"].get("scopes"), fields.IMMUTABLE))
        return found

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old)
        for field in ("hard", "used"):
            found += _validate_amounts((new.get("status") or {}).get(field) or {}, f"status.{field}")
        return found


def _validate_amounts(amounts: Mapping[str, str], path: str) -> Iterator[Cause]:
    for name, amount in amounts.items():
        here = fields.key(path, name)
        yield from resource_names.validate_quota_resource(name, here)
        value = quantity.parse(amount)
        if value < 0:
            yield fields.invalid(here, amount, "must be greater than or equal to 0")
        if resource_names.is_integer(name) and value != value.to_integral_value():
            yield fields.invalid(here, amount, "must be an integer")


def _validate_spec(spec: Spec) -> Iterator[Cause]:
    yield from _validate_amounts(spec.get("hard") or {}, "spec.hard")
    yield from _validate_scopes(spec)
    if (selector := spec.get("scopeSelector")) is not None:
        yield from _validate_selector(spec, selector)


def _validate_scopes(spec: Spec) -> Iterator[Cause]:
    path, scopes = "spec.scopes", spec.get("scopes") or ()
    for scope in scopes:
        if "/" not in scope and scope not in SCOPES:
            yield fields.invalid(path, scopes, "unsupported scope")
        if not _fits(scope, spec):
            yield fields.invalid(path, scopes, "unsupported scope applied to resource")
    if _conflict(scopes):
        yield fields.invalid(path, scopes, "conflicting scopes")


def _validate_selector(spec: Spec, selector: Mapping[str, Any]) -> Iterator[Cause]:
    path, scopes = "spec.scopeSelector.matchExpressions", []
    for requirement in selector.get("matchExpressions") or ():
        scope = requirement.get("scopeName") or ""
        scopes.append(scope)
        if "/" not in scope and scope not in SCOPES:
            yield fields.invalid(f"{path}.scopeName", scope, "unsupported scope")
        if not _fits(scope, spec):
            yield fields.invalid(path, selector, "unsupported scope applied to resource")
        yield from _validate_operator(scope, requirement, path)
    if _conflict(scopes):
        yield fields.invalid(path, selector, "conflicting scopes")


def _validate_operator(scope: str, requirement: Mapping[str, Any], path: str) -> Iterator[Cause]:
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    if scope in EXISTENCE_SCOPES and operator != "Exists":
        yield fields.invalid(f"{path}.operator", operator, _EXISTS_ONLY)
    if operator in ("In", "NotIn"):
        if not values:
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield fields.required(f"{path}.values", why)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
            yield fields.invalid(f"{path}.values", values, why)
    else:
        yield fields.invalid(f"{path}.operator", operator, "not a valid selector operator")


def _conflict(scopes: Any) -> bool:
    return any(one in scopes and other in scopes for one, other in _OPPOSITES)


def _fits(scope: str, spec: Spec) -> bool:
    """Whether every standard resource of the quota can be told apart by this scope."""
    return all(
        _measures(scope, name)
        for name in spec.get("hard") or ()
        if resource_names.is_standard_for_quota(name)
    )


def _measures(scope: str, name: str) -> bool:
    if scope == "BestEffort":
        return name == "pods"
    if scope == "VolumeAttributesClass":
        return name in _CLAIMS
    return scope not in SCOPES or name == "pods" or name in resource_names.COMPUTE_QUOTA
