"""How a value takes part in merging: as a whole, field by field, or element by element."""

from collections.abc import Iterable
from typing import Any, Literal

from pinnace.apimachinery.apply import fields
from pinnace.apimachinery.schema import Schema

Shape = Literal["leaf", "map", "list"]


class KeyMissing(ValueError):
    """An element of a keyed list lacks one of its keys."""


def shape_of(schema: Schema | None, value: Any) -> Shape:
    """Without a schema, objects are granular and lists atomic, as upstream deduces."""
    if isinstance(value, dict):
        if schema is None or schema.preserves_unknown:
            return "map"
        is_granular = schema.kind in ("struct", "map") and schema.map_type != "atomic"
        return "map" if is_granular else "leaf"
    if isinstance(value, list) and schema is not None and schema.list_type in ("map", "set"):
        return "list"
    return "leaf"


def child_of(schema: Schema | None, name: str) -> Schema | None:
    return schema.child(name) if schema else None


def is_declared(schema: Schema | None, name: str) -> bool:
    """Whether the name is a field of a struct, and not the key of a map."""
    return schema is not None and name in schema.fields


def element_of(schema: Schema, item: Any) -> str:
    """The path element of a list item; raises KeyMissing."""
    if schema.list_type == "set":
        return fields.value_element(item)
    keys: dict[str, Any] = {}
    for name in schema.list_keys:
        value = item.get(name) if isinstance(item, dict) else None
        if value is None:
            key = child_of(schema.element, name)
            value = key.default if key else None
        if value is not None:
            keys[name] = value
    if not keys:
        raise KeyMissing(
            f'associative list with keys has an element that omits key field "{schema.list_keys[0]}" '
            "(and doesn't have default value)"
        )
    return fields.key_element(keys)


def indexed(schema: Schema, items: Iterable[Any]) -> dict[str, Any]:
    """Path element -> item, in order. Of duplicates, which a stored list may hold, the first is kept."""
    found: dict[str, Any] = {}
    for position, item in enumerate(items):
        try:
            element = element_of(schema, item)
        except KeyMissing:
            element = f"i:{position}"
        found.setdefault(element, item)
    return found
