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
