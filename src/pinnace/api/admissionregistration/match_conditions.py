"""`matchConditions` of a webhook: named CEL expressions that must all be true for it to be called."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

_MOST = 64


def validate(conditions: Sequence[Mapping[str, Any]], path: str) -> Iterator[Cause]:
    if len(conditions) > _MOST:
        yield fields.too_many(path, len(conditions), _MOST)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        yield from _validate_one(condition, f"{path}[{index}]")
        name = condition.get("name") or ""
        if name and name in seen:
            yield fields.duplicate(f"{path}[{index}].name", name)
        seen.add(name)


def _validate_one(condition: Mapping[str, Any], path: str) -> Iterator[Cause]:
    expression = (condition.get("expression") or "").strip()
    if not expression:
        yield fields.required(f"{path}.expression")
    else:
        from pinnace.api.admissionregistration.expressions import validate_match_condition

        yield from validate_match_condition(expression, f"{path}.expression")
    name = condition.get("name") or ""
    if not name:
        yield fields.required(f"{path}.name")
    else:
        yield from fields.all_invalid(f"{path}.name", name, names.qualified_name(name))
