"""Types from schemas: those of the built-in kinds, and the structural schema of a custom resource.

Structs look at a field's schema only when an expression names it. Sizes bound what a request of 3 MiB can hold, because
the cost estimate of custom resources is a promise about the worst case.
"""

from collections.abc import Mapping
from typing import Any

from pinnace.apimachinery.cel import types as t
from pinnace.apimachinery.cel.escaping import escape, unescape
from pinnace.apimachinery.cel.types import Field, Type
from pinnace.apimachinery.schema import Schema

MAX_REQUEST_BYTES = 3 * 1024 * 1024
_WHOLE_REQUEST = MAX_REQUEST_BYTES - 2
Raw = Mapping[str, Any]
_OBJECT_META: Raw = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}


def type_of_structural(schema: Raw, *, is_root: bool = False) -> Type | None:
    """The type of an OpenAPI v3 schema; None where it says nothing that rules could rely on.

    `is_root` adds apiVersion, kind and metadata, as for the resource itself and for embedded resources.
    """
    if schema.get("x-kubernetes-int-or-string"):
        longest = schema.get("maxLength")
        return Type("dyn", max_size=_WHOLE_REQUEST if longest is None else int(longest) * 4, min_json_size=1)
    match schema.get("type"):
        case "array":
            return _list(schema)
        case "object":
            return _object(schema, is_root or bool(schema.get("x-kubernetes-embedded-resource")))
        case "string":
            return _string(schema)
        case "boolean":
            return Type("bool", min_json_size=4)
        case "number":
            return Type("double", min_json_size=1)
        case "integer":
            return Type("int", min_json_size=1)
    return None


def _list(schema: Raw) -> Type | None:
    elem = type_of_structural(schema.get("items") or {})
    if elem is None:
        return None
    most = schema.get("maxItems")
    return Type(
        "list", (elem,),
        max_size=_WHOLE_REQUEST // (elem.min_json_size + 1) if most is None else int(most),
        list_type=schema.get("x-kubernetes-list-type") or "atomic",
        list_keys=tuple(schema.get("x-kubernetes-list-map-keys") or ()),
    )  # fmt: skip


def _object(schema: Raw, is_root: bool) -> Type | None:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and not is_root:
        elem = type_of_structural(values)
        if elem is None:
            return None
        most = schema.get("maxProperties")
        key = Type("string", max_size=_WHOLE_REQUEST)
        return Type(
            "map", (key, elem),
            max_size=_WHOLE_REQUEST // (elem.min_json_size + 6) if most is None else int(most),
        )  # fmt: skip
    properties: dict[str, Raw] = dict(schema.get("properties") or {})
    if is_root:
        properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _OBJECT_META}
    size = _least_size(schema, properties)
    return t.object_type(
        "object", _StructFields(properties), min_json_size=size, max_size=0, null_is_absent=True
    )  # upstream's estimate counts an object as nothing: `self == oldSelf` is cheap


def _least_size(schema: Raw, properties: Mapping[str, Raw]) -> int:
    size = 2
    for name in schema.get("required") or ():
        inner = properties.get(name)
        if inner is not None and inner.get("default") is None and (found := type_of_structural(inner)):
            size += len(name) + found.min_json_size + 4
    return size


class _StructFields:
    """Finds the fields of a struct by the names that expressions use, each made when it is first asked for."""

    def __init__(self, properties: Mapping[str, Raw]) -> None:
        self._properties = properties
        self._found: dict[str, Field | None] = {}

    def __call__(self, name: str) -> Field | None:
        if name not in self._found:
            self._found[name] = self._make(name)
        return self._found[name]

    def _make(self, name: str) -> Field | None:
        key = unescape(name)
        raw = self._properties.get(key)
        if not isinstance(raw, Mapping) or escape(key) != name:
            return None
        found = type_of_structural(raw)
        return Field(found, key) if found else None


def _string(schema: Raw) -> Type:
    longest = schema.get("maxLength")
    match schema.get("format"):
        case "byte":
            return Type("bytes", max_size=_WHOLE_REQUEST if longest is None else int(longest))
        case "duration":
            return Type("duration", max_size=32, min_json_size=3)
        case "date":
            return Type("timestamp", max_size=12, min_json_size=12)
        case "date-time":
            return Type("timestamp", max_size=32, min_json_size=21)
    if longest is not None:
        return Type("string", max_size=int(longest) * 4)
    if enum := schema.get("enum"):
        return Type("string", max_size=max(len(str(value).encode()) for value in enum))
    return Type("string", max_size=_WHOLE_REQUEST)


_SCALARS = {
    "string": t.STRING, "integer": t.INT, "number": t.DOUBLE, "boolean": t.BOOL, "bytes": t.BYTES,
    "time": t.TIMESTAMP, "quantity": t.STRING,
}  # fmt: skip


def type_of_schema(schema: Schema, name: str = "object") -> Type:
    """The type of a built-in kind or of a part of one; what has no fixed type is dynamic."""
    if schema.struct is not None:
        return t.object_type(schema.struct.name or name, _SchemaFields(schema))
    if schema.kind == "list" and schema.element is not None:
        return Type(
            "list", (type_of_schema(schema.element),), list_type=schema.list_type, list_keys=schema.list_keys
        )
    if schema.kind == "map" and schema.element is not None:
        return t.map_of(t.STRING, type_of_schema(schema.element))
    return _SCALARS.get(schema.kind, t.DYN)


class _SchemaFields:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def __call__(self, name: str) -> Field | None:
        key = unescape(name)
        child = self._schema.fields.get(key)
        return Field(type_of_schema(child), key) if child is not None and escape(key) == name else None
