"""Whether the defaults of a schema fit it: pruned, complete and valid."""

from collections.abc import Iterator
from typing import Any

from pinnace.api import fields
from pinnace.api.apiextensions import embedded, values
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.structural.defaulting import default
from pinnace.apimachinery.structural.node import Structural
from pinnace.apimachinery.structural.pruning import prune

Raw = dict[str, Any]


def validate(schema: Raw, path: str) -> list[Cause]:
    return list(_visit(schema, path))


def _visit(schema: Raw, path: str) -> Iterator[Cause]:
    if schema.get("default") is not None:
        yield from _judge(Structural(schema), schema["default"], f"{path}.default")
    for name, child in (schema.get("properties") or {}).items():
        yield from _visit(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _visit(schema[name], f"{path}.{name}")


def _judge(node: Structural, value: Any, path: str) -> Iterator[Cause]:
    dropped = prune(node, copy := deep_copy(value))
    if dropped:
        yield fields.invalid(path, value, f"must not have unknown fields ({', '.join(dropped)})")
        return
    default(node, copy)
    for cause in (*values.validate(node, copy), *embedded.validate_lists(node, copy)):
        place = "" if cause.field == values.NO_PATH else cause.field
        yield Cause(
            cause.reason,
            cause.message,
            f"{path}.{place}" if place and not place.startswith("[") else f"{path}{place}",
        )
