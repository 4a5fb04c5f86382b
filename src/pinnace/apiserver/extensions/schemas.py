"""What a definition's schema becomes outside of validation: the schema by which patches and applies merge."""

from functools import cached_property

from pinnace.apimachinery.schema import Schema, Struct, compile_schema
from pinnace.apimachinery.structural.node import Structural, with_meta

_ROOT_FIELDS = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}


class _RootFields(Struct):
    """The fields of the root: those of the schema, and the metadata that every object has."""

    def __init__(self, below: Schema, object_meta: Schema) -> None:
        super().__init__("", dict, _no_references)
        self._below, self._object_meta = below, object_meta

    @cached_property
    def fields(self) -> dict[str, Schema]:
        return {**self._below.fields, "metadata": self._object_meta}


def _no_references(name: str) -> Schema:
    raise KeyError(name)


def merge_schema(structural: Structural, object_meta: Schema) -> Schema:
    """List and map types decide how applies merge."""
    raw = with_meta(structural.raw)
    properties = {**(raw.get("properties") or {}), **_ROOT_FIELDS}
    node = compile_schema({**raw, "type": "object", "properties": properties}, _no_references)
    return Schema(
        "struct",
        struct=_RootFields(node, object_meta),
        preserves_unknown=structural.preserves_unknown,
        map_type=node.map_type,
    )
