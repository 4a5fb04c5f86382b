"""Schemas: what the fields of a kind are, and how lists and maps among them merge.

A `Schema` is one node of a type: a struct with named fields, a map, a list, or a scalar. Nodes are compiled from JSON
Schema with the x-kubernetes extensions, on demand, so that only what is really used costs anything. `SchemaSet` answers
for the built-in kinds; `compile_schema` also takes the structural schema of a custom resource.
Descriptions and enums are left out: OpenAPI serves the raw definitions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from pinnace.apimachinery import schema_check
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema_check import Problem
from pinnace.apimachinery.schema_definitions import REF_PREFIX, Definitions, Raw

__all__ = ["Kind", "Problem", "Schema", "SchemaSet", "Struct", "compile_schema", "schemas"]

Kind = Literal[
    "struct", "map", "list", "string", "integer", "number", "boolean", "bytes", "time", "quantity",
    "int-or-string", "any", "perhaps-struct",
]  # fmt: skip
Resolve = Callable[[str], "Schema"]

# Defaults of list-map keys, which the definitions lack: elements are told apart by the defaulted key.
_KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}


# Types whose JSON is that of another one or of a simpler shape, which the definitions do not say.
_SCHEMA_PROPS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_PERHAPS = {f"{_SCHEMA_PROPS}Or{other}": _SCHEMA_PROPS for other in ("Array", "Bool", "StringArray")}


class Struct:
    """The named fields of an object type, compiled at first use."""

    def __init__(self, name: str, load: Callable[[], Raw], resolve: Resolve) -> None:
        self.name = name
        self._load = load
        self._resolve = resolve

    @property
    def go_name(self) -> str:
        """`DeploymentSpec`, as upstream's messages name it."""
        return self.name.rpartition(".")[2]

    @cached_property
    def fields(self) -> dict[str, "Schema"]:
        properties = self._load().get("properties") or {}
        compiled = {name: compile_schema(raw, self._resolve) for name, raw in properties.items()}
        for name in compiled.keys() & {key for owner, key in _KEY_DEFAULTS if owner == self.name}:
            compiled[name] = replace(compiled[name], default=_KEY_DEFAULTS[self.name, name])
        return compiled


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """One node. `struct` is set for structs, `element` for maps (their values) and lists (their items)."""

    kind: Kind
    format: str = ""
    struct: Struct | None = None
    element: "Schema | None" = None
    list_type: str = "atomic"  # atomic, set, map
    list_keys: tuple[str, ...] = ()
    map_type: str = "granular"  # granular, atomic
    patch_strategies: frozenset[str] = frozenset()  # merge, replace, retainKeys
    merge_key: str = ""
    preserves_unknown: bool = False
    default: Any = None

    @property
    def fields(self) -> Mapping[str, "Schema"]:
        """The named fields of a struct; empty for anything else."""
        return self.struct.fields if self.struct else {}

    def child(self, name: str) -> "Schema | None":
        """What the value under this key of an object is; None when unknown."""
        return self.struct.fields.get(name) if self.struct else self.element if self.kind == "map" else None

    def check(self, obj: Mapping[str, Any]) -> list[Problem]:
        """Unknown fields and wrong types of an object, in upstream's words."""
        return schema_check.check(self, obj)

    def prune(self, obj: dict[str, Any]) -> list[Problem]:
        """As `check`, and drop, in place, what upstream's decoder would drop: unknown fields and nulls."""
        return schema_check.prune(self, obj)


ANY = Schema("any")
_SCALARS = {
    kind: Schema(kind) for kind in ("string", "number", "boolean", "bytes", "time", "quantity", "int-or-string")
}  # fmt: skip
_INTEGERS = {form: Schema("integer", form) for form in ("", "int32", "int64")}


def compile_schema(raw: Raw, resolve: Resolve, name: str = "") -> Schema:
    """The node of a JSON Schema; `resolve` gives the node of a referenced definition, `name` is the definition's own."""
    reference = raw.get("$ref")
    if reference:
        return _with_extensions(resolve(reference.removeprefix(REF_PREFIX)), raw)
    return _with_extensions(_typed(raw, resolve, name), raw)


def _typed(raw: Raw, resolve: Resolve, name: str) -> Schema:
    if raw.get("x-kubernetes-int-or-string"):
        return _SCALARS["int-or-string"]
    if "oneOf" in raw and "type" not in raw and "properties" not in raw:
        alternatives = {kind for option in raw["oneOf"] for kind in _types(option)}
        return _SCALARS.get(
            {"integer": "int-or-string", "number": "quantity"}.get(min(alternatives), ""), ANY
        )
    types = _types(raw)
    match types[0] if types else "":
        case "object":
            return _object(raw, resolve, name)
        case "array":
            return Schema("list", element=compile_schema(raw.get("items") or {}, resolve))
        case "integer":
            return _INTEGERS.get(raw.get("format", ""), _INTEGERS[""])
        case "string":
            return _SCALARS[{"byte": "bytes", "date-time": "time"}.get(raw.get("format", ""), "string")]
        case "number" | "boolean" as kind:
            return _SCALARS[kind]
    return ANY


def _object(raw: Raw, resolve: Resolve, name: str) -> Schema:
    values = raw.get("additionalProperties")
    if "properties" in raw:
        return Schema("struct", struct=Struct(name, lambda: raw, resolve))
    if isinstance(values, dict):
        return Schema("map", element=compile_schema(values, resolve))
    return ANY


def _types(raw: Raw) -> list[str]:
    given = raw.get("type") or []
    return [kind for kind in ([given] if isinstance(given, str) else given) if kind != "null"]


def _with_extensions(node: Schema, raw: Raw) -> Schema:
    changed: dict[str, Any] = {}
    if "x-kubernetes-list-type" in raw:
        changed["list_type"] = raw["x-kubernetes-list-type"]
    if "x-kubernetes-list-map-keys" in raw:
        changed["list_keys"] = tuple(raw["x-kubernetes-list-map-keys"])
    if "x-kubernetes-map-type" in raw:
        changed["map_type"] = raw["x-kubernetes-map-type"]
    if "x-kubernetes-patch-strategy" in raw:
        changed["patch_strategies"] = frozenset(raw["x-kubernetes-patch-strategy"].split(","))
    if "x-kubernetes-patch-merge-key" in raw:
        changed["merge_key"] = raw["x-kubernetes-patch-merge-key"]
    if raw.get("x-kubernetes-preserve-unknown-fields"):
        changed["preserves_unknown"] = True
    if "default" in raw:
        changed["default"] = raw["default"]
    return replace(node, **changed) if changed else node


@dataclass(slots=True)
class SchemaSet:
    """The schemas of the built-in kinds, each compiled when it is first asked for."""

    definitions: Definitions = field(default_factory=Definitions)
    _nodes: dict[str, Schema] = field(default_factory=dict)

    def for_gvk(self, gvk: GVK) -> Schema | None:
        name = self.definitions.name_of(gvk)
        return self.by_name(name) if name else None

    def by_name(self, name: str) -> Schema:
        """The node of a definition; raises KeyError for an unknown name."""
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = self._compile(name)
        return node

    def _compile(self, name: str) -> Schema:
        if name in _PERHAPS:
            return Schema("perhaps-struct", struct=self.by_name(_PERHAPS[name]).struct)
        raw = self.definitions.get(name)
        node = compile_schema(raw, self.by_name, name)
        if node.struct:  # forget the decoded definition: its fields are read again if they are ever asked for
            node = replace(node, struct=Struct(name, lambda: self.definitions.get(name), self.by_name))
        return node


schemas = SchemaSet()  # facts of the release, read when first asked for: holds no state of any server
