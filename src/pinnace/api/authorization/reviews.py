"""Reviews of access: what must be asked. They are answered, never stored, and need no name."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class ReviewStrategy(Strategy):
    """Rules and self reviews: nothing is required."""

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Object) -> list[Cause]:
        return []


class SelfSubjectAccessReviewStrategy(ReviewStrategy):
    def validate(self, obj: Object) -> list[Cause]:
        return list(_validate_attributes(obj.get("spec") or {}))


class SubjectAccessReviewStrategy(ReviewStrategy):
    def validate(self, obj: Object) -> list[Cause]:
        spec = obj.get("spec") or {}
        found = list(_validate_attributes(spec))
        if not spec.get("user") and not spec.get("groups"):
            found.append(fields.invalid("spec.user", "", "at least one of user or group must be specified"))
        return found


class LocalSubjectAccessReviewStrategy(SubjectAccessReviewStrategy):
    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj)
        spec = obj.get("spec") or {}
        asked = (spec.get("resourceAttributes") or {}).get("namespace") or ""
        if asked != (obj["metadata"].get("namespace") or ""):
            why = "must match metadata.namespace"
            found.append(fields.invalid("spec.resourceAttributes.namespace", asked, why))
        if spec.get("nonResourceAttributes") is not None:
            why = "disallowed on this kind of request"
            found.append(fields.invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], why))
        return found


def _validate_attributes(spec: Mapping[str, Any]) -> Iterator[Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        yield fields.invalid("spec.nonResourceAttributes", path, why)
    elif resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield fields.invalid("spec.resourceAttributes", None, why)
    for name in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(name)
        if isinstance(selector, Mapping):
            yield from _validate_selector(f"spec.resourceAttributes.{name}", name, selector)


def _validate_selector(path: str, name: str, selector: Mapping[str, Any]) -> Iterator[Cause]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        yield fields.invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        yield fields.required(
            f"{path}.requirements", f"when {path} is specified, requirements or rawSelector is required"
        )
    for number, requirement in enumerate(requirements or ()):
        if isinstance(requirement, Mapping):
            yield from _validate_requirement(f"{path}.requirements[{number}]", requirement)


def _validate_requirement(path: str, requirement: Mapping[str, Any]) -> Iterator[Cause]:
    operator, values = requirement.get("operator"), requirement.get("values")
    if not requirement.get("key"):
        yield fields.required(f"{path}.key", "must be specified")
    if operator in ("In", "NotIn") and not values:
        yield fields.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in ("Exists", "DoesNotExist") and values:
        yield fields.forbidden(
            f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        )
