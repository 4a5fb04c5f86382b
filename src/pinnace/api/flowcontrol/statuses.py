"""The status of flow schemas and priority levels: conditions, each type once."""

from collections.abc import Iterator

from pinnace.api import fields
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause


def validate_conditions(obj: Object) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        kind, path = condition.get("type") or "", f"status.conditions[{index}].type"
        if kind in seen:
            yield fields.duplicate(path, kind)
        seen.add(kind)
        if not kind:
            yield fields.required(path, "must not be empty")
