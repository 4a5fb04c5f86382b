"""One node of a structural schema, compiled from the OpenAPI v3 schema of a custom resource's version.

Junctors (allOf, anyOf, oneOf, not) hold nodes too, which have no type of their own. Children are compiled at first use.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pinnace.apimachinery.structural.patterns import Pattern, compile_pattern

Raw = dict[str, Any]
_META_FIELDS = frozenset(("apiVersion", "kind", "metadata"))
_TEXT: Raw = {"type": "string"}
_OPAQUE: Raw = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Structural:
    """`is_root`: the schema of a whole object, whose apiVersion, kind and metadata are implied."""

    def __init__(self, raw: Raw, *, is_root: bool = False) -> None:
        self.raw = raw
        self.type: str = raw.get("type") or ""
        self.nullable = bool(raw.get("nullable"))
        self.preserves_unknown = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self.is_embedded = bool(raw.get("x-kubernetes-embedded-resource"))
        self.is_int_or_string = bool(raw.get("x-kubernetes-int-or-string"))
        self.list_type: str = raw.get("x-kubernetes-list-type") or "atomic"
        self.list_keys: tuple[str, ...] = tuple(raw.get("x-kubernetes-list-map-keys") or ())
        self.map_type: str = raw.get("x-kubernetes-map-type") or "granular"
        self.format: str = raw.get("format") or ""
        self.is_root = is_root
        self.required: tuple[str, ...] = tuple(raw.get("required") or ())

    @property
    def is_object_root(self) -> bool:
        """Whether the value is an object with apiVersion, kind and metadata."""
        return self.is_root or self.is_embedded

    @property
    def has_default(self) -> bool:
        return self.raw.get("default") is not None

    @property
    def default(self) -> Any:
        return self.raw["default"]

    @cached_property
    def properties(self) -> Mapping[str, "Structural"]:
        return {name: Structural(raw) for name, raw in (self.raw.get("properties") or {}).items()}

    @cached_property
    def additional(self) -> "Structural | None":
        """The schema of values that `properties` does not name; an empty one for `additionalProperties: true`."""
        given = self.raw.get("additionalProperties")
        if given is True:
            return Structural(_OPAQUE | {"type": ""})
        return Structural(given) if isinstance(given, dict) else None

    @cached_property
    def items(self) -> "Structural | None":
        given = self.raw.get("items")
        return Structural(given) if isinstance(given, dict) else None

    @cached_property
    def pattern(self) -> Pattern | None:
        text = self.raw.get("pattern")
        return compile_pattern(text) if text else None

    def _many(self, name: str) -> tuple["Structural", ...]:
        return tuple(Structural(raw) for raw in self.raw.get(name) or ())

    @cached_property
    def all_of(self) -> tuple["Structural", ...]:
        return self._many("allOf")

    @cached_property
    def any_of(self) -> tuple["Structural", ...]:
        return self._many("anyOf")

    @cached_property
    def one_of(self) -> tuple["Structural", ...]:
        return self._many("oneOf")

    @cached_property
    def negated(self) -> "Structural | None":
        given = self.raw.get("not")
        return Structural(given) if isinstance(given, dict) else None

    @cached_property
    def fills_in(self) -> bool:
        """Whether a default stands anywhere below."""
        children = [*self.properties.values(), *filter(None, (self.additional, self.items))]
        return any(child.has_default or child.fills_in for child in children)

    def child(self, name: str) -> "Structural | None":
        """The schema of a property, or of the values of a map."""
        return self.properties.get(name) or self.additional

    def __repr__(self) -> str:
        return f"Structural({self.type or 'any'})"


def with_meta(raw: Raw) -> Raw:
    """The schema in which the implied fields of objects are spelled out, as merging needs it."""
    changed = dict(raw)
    if "properties" in raw:
        changed["properties"] = {name: with_meta(child) for name, child in raw["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(raw.get(name), dict):
            changed[name] = with_meta(raw[name])
    if raw.get("x-kubernetes-embedded-resource"):
        meta = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _OPAQUE}
        changed["properties"] = {**meta, **changed.get("properties", {}), "metadata": _OPAQUE}
    return changed
