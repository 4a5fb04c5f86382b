"""Validation of `x-kubernetes-validations`: rules in CEL, their types and their estimated costs."""

from collections.abc import Iterator
from typing import Any

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause

Raw = dict[str, Any]


def validate(schema: Raw, path: str, old: Raw | None = None) -> list[Cause]:
    return list(_visit(schema, path))


def _visit(schema: Raw, path: str) -> Iterator[Cause]:
    if schema.get("x-kubernetes-validations"):
        yield fields.forbidden(
            f"{path}.x-kubernetes-validations", "rules are not supported by this server yet"
        )
    for name, child in (schema.get("properties") or {}).items():
        yield from _visit(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _visit(schema[name], f"{path}.{name}")
