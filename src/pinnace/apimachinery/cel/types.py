"""Static types of expressions, and when a value of one type may stand where another is expected.

Types are immutable. A struct (`object` kind) knows its fields through a function, so that schemas are walked only as far as
expressions look. `max_size` bounds how large a value can become; the cost estimate of custom resources needs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """`kind` is the name of a simple type, or list, map, object, type, param, opaque; `name` names the latter three."""

    kind: str
    params: tuple["Type", ...] = ()
    name: str = ""
    max_size: int | None = field(default=None, kw_only=True)
    min_json_size: int = field(default=2, kw_only=True)  # the shortest text of a value
    list_type: str = field(default="atomic", kw_only=True)  # atomic, set, map: how lists compare and add
    list_keys: tuple[str, ...] = field(default=(), kw_only=True)
    find_field: "Callable[[str], Field | None] | None" = field(default=None, kw_only=True)
    null_is_absent: bool = field(default=False, kw_only=True)  # a field that is null does not exist
    creatable: bool = field(default=False, kw_only=True)  # may be made by `Name{...}`

    def __str__(self) -> str:
        return format_type(self)

    @property
    def elem(self) -> "Type":
        """The type of a list's elements or a map's values."""
        return self.params[-1] if self.params else DYN

    def field(self, name: str) -> "Field | None":
        return self.find_field(name) if self.find_field else None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct: its type, and the key under which objects hold it (expressions may use an escaped name)."""

    type: Type
    key: str


DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TIMESTAMP, DURATION, ERROR = (
    Type(kind)
    for kind in (
        "dyn",
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "null",
        "timestamp",
        "duration",
        "error",
    )
)
TYPE = Type("type", (DYN,))
_NAMES = {
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "null": "null_type",
}
SCALARS = frozenset({"bool", "int", "uint", "double", "timestamp", "duration"})


def list_of(elem: Type) -> Type:
    return Type("list", (elem,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", (key, value))


def optional_of(value: Type) -> Type:
    return Type("opaque", (value,), "optional_type")


def opaque(name: str) -> Type:
    return Type("opaque", (), name)


def param(name: str) -> Type:
    return Type("param", (), name)


def type_of(inner: Type) -> Type:
    return Type("type", (inner,))


def object_type(
    name: str, fields: "Mapping[str, Field] | Callable[[str], Field | None]", **extra: Any
) -> Type:
    return Type("object", (), name, find_field=fields if callable(fields) else fields.get, **extra)


def is_optional(candidate: Type) -> bool:
    return candidate.kind == "opaque" and candidate.name == "optional_type"


def type_name(candidate: Type) -> str:
    """What `string(type(x))` says."""
    return candidate.name or _NAMES.get(candidate.kind, candidate.kind)


def format_type(candidate: Type) -> str:
    """As compile errors name it."""
    if candidate.kind == "error":
        return "!error!"
    name = candidate.name or candidate.kind
    return f"{name}({', '.join(map(format_type, candidate.params))})" if candidate.params else name


Substitution = dict[str, Type]


def substitute(candidate: Type, mapping: Substitution, params_to_dyn: bool = False) -> Type:
    """The type with its parameters replaced by what they stand for."""
    if candidate.kind == "param":
        bound = mapping.get(candidate.name)
        if bound is not None:
            return substitute(bound, mapping, params_to_dyn)
        return DYN if params_to_dyn else candidate
    if candidate.params:
        params = tuple(substitute(p, mapping, params_to_dyn) for p in candidate.params)
        if any(new is not old for new, old in zip(params, candidate.params, strict=True)):
            return Type(candidate.kind, params, candidate.name, max_size=candidate.max_size)
    return candidate


def same(left: Type, right: Type) -> bool:
    return left is right or (
        left.kind == right.kind
        and left.name == right.name
        and len(left.params) == len(right.params)
        and all(map(same, left.params, right.params))
    )


def _occurs(mapping: Substitution, name: str, within: Type) -> bool:
    if within.kind == "param":
        if within.name == name:
            return True
        return within.name in mapping and _occurs(mapping, name, mapping[within.name])
    return any(_occurs(mapping, name, p) for p in within.params)


def _more_general(left: Type, right: Type) -> Type:
    return left if left.kind in ("dyn", "error", "param") else right


def _assign(mapping: Substitution, left: Type, right: Type) -> bool:
    """Whether `right` may stand for `left`; binds parameters in `mapping` on the way."""
    if left.kind == "param":
        bound = mapping.get(left.name)
        if bound is not None:
            if not _assign(mapping, bound, right):
                return False
            if _less_general_binding(bound, right):
                mapping[left.name] = _more_general(bound, right)
            return True
        if right.kind == "param" and right.name == left.name:
            return True
        if _occurs(mapping, left.name, right):
            return False
        mapping[left.name] = right
        return True
    if right.kind == "param":
        bound = mapping.get(right.name)
        if bound is not None:
            return _assign(mapping, left, bound)
        if _occurs(mapping, right.name, left):
            return False
        mapping[right.name] = left
        return True
    if left.kind in ("dyn", "error") or right.kind in ("dyn", "error"):
        return True
    if left.kind == "null" or right.kind == "null":
        other = right if left.kind == "null" else left
        return other.kind in ("null", "object", "opaque", "timestamp", "duration")
    if left.kind != right.kind or left.name != right.name:
        return False
    if left.kind == "type":
        return True
    if len(left.params) != len(right.params):
        return False
    return all(_assign(mapping, a, b) for a, b in zip(left.params, right.params, strict=True))


def _less_general_binding(bound: Type, right: Type) -> bool:
    return (bound.kind != "dyn" and right.kind in ("dyn", "error")) or bound.kind == "null"


def assign(mapping: Substitution, left: Type, right: Type) -> bool:
    """`_assign`, leaving `mapping` alone when it fails."""
    trial = dict(mapping)
    if not _assign(trial, left, right):
        return False
    mapping.update(trial)
    return True


def assign_all(mapping: Substitution, lefts: tuple[Type, ...], rights: list[Type]) -> bool:
    trial = dict(mapping)
    if len(lefts) != len(rights) or not all(map(lambda a, b: _assign(trial, a, b), lefts, rights)):
        return False
    mapping.update(trial)
    return True
