"""Functions as tables declare them: `("charAt", "string_char_at_int", "string.(int) -> string", implementation)`."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.apimachinery.cel import types as t
from pinnace.apimachinery.cel.types import Type
from pinnace.apimachinery.cel.values import Duration, Extension, Optional, Timestamp, UInt

Implementation = Callable[..., Any]
Row = tuple[str, str, str, Implementation]
_WORD = re.compile(r"[\w.]+")
_SIMPLE = {
    kind.kind: kind
    for kind in (t.DYN, t.BOOL, t.INT, t.UINT, t.DOUBLE, t.STRING, t.BYTES, t.NULL, t.TIMESTAMP, t.DURATION)
}


@dataclass(frozen=True, slots=True, eq=False)
class Overload:
    """One signature. The receiver of a member function is its first argument."""

    id: str
    args: tuple[Type, ...]
    result: Type
    member: bool
    run: Implementation
    guards: tuple[Callable[[Any], bool], ...]

    def accepts(self, values: tuple[Any, ...]) -> bool:
        """Whether these values are of the declared types."""
        return len(values) == len(self.guards) and all(
            guard(value) for guard, value in zip(self.guards, values, strict=True)
        )


Functions = Mapping[str, tuple[Overload, ...]]


def declare(rows: Iterable[Row]) -> Functions:
    found: dict[str, list[Overload]] = {}
    for name, overload_id, signature, run in rows:
        args, result, member = _signature(signature)
        guards = tuple(_guard(arg) for arg in args)
        found.setdefault(name, []).append(Overload(overload_id, args, result, member, run, guards))
    return {name: tuple(overloads) for name, overloads in found.items()}


def merge(*tables: Functions) -> Functions:
    merged: dict[str, tuple[Overload, ...]] = {}
    for table in tables:
        for name, overloads in table.items():
            merged[name] = (*merged.get(name, ()), *overloads)
    return merged


def _signature(text: str) -> tuple[tuple[Type, ...], Type, bool]:
    left, _, right = text.partition(" -> ")
    receiver, _, rest = left.partition("(") if left.startswith("(") else _split_receiver(left)
    args = _types(rest.removesuffix(")"))
    if receiver:
        args = [_types(receiver)[0], *args]
    return tuple(args), _types(right)[0], bool(receiver)


def _split_receiver(left: str) -> tuple[str, str, str]:
    receiver, dot, rest = left.partition(".(")
    while dot and ".(" in rest:
        more, dot, rest = rest.partition(".(")
        receiver = f"{receiver}.({more}"
    return receiver, dot, rest


def _types(text: str) -> list[Type]:
    found, at = [], 0
    while at < len(text):
        one, at = _type(text, at)
        found.append(one)
        at += 2  # ", "
    return found


def _type(text: str, at: int) -> tuple[Type, int]:
    match = _WORD.match(text, at)
    if match is None:
        raise ValueError(text)
    word, at = match[0], match.end()
    params: list[Type] = []
    if text[at : at + 1] == "(":
        at += 1
        while text[at] != ")":
            one, at = _type(text, at)
            params.append(one)
            at += 2 if text[at] == "," else 0
        at += 1
    return _named(word, tuple(params)), at


def _named(word: str, params: tuple[Type, ...]) -> Type:
    if word in _SIMPLE:
        return _SIMPLE[word]
    if word in ("list", "map", "type"):
        return Type(word, params)
    if word == "optional":
        return Type("opaque", params, "optional_type")
    return t.param(word) if len(word) == 1 else t.opaque(word)


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "uint": (UInt,), "double": (float,), "string": (str,), "bytes": (bytes,),
    "null": (type(None),), "timestamp": (Timestamp,), "duration": (Duration,), "list": (list,), "map": (dict,),
    "type": (Type,),
}  # fmt: skip


def _guard(declared: Type) -> Callable[[Any], bool]:
    if declared.kind in ("dyn", "param"):
        return lambda _: True
    if t.is_optional(declared):
        return lambda value: type(value) is Optional
    if declared.kind == "opaque":
        name = declared.name
        return lambda value: isinstance(value, Extension) and value.cel_type.name == name
    accepted = _PYTHON_TYPES[declared.kind]
    if declared.kind == "list" and declared.elem.kind in _PYTHON_TYPES and declared.elem.kind != "list":
        of = _PYTHON_TYPES[declared.elem.kind]
        return lambda value: type(value) is list and (not value or type(value[0]) in of)
    if len(accepted) == 1:
        only = accepted[0]
        return lambda value: type(value) is only
    return lambda value: type(value) in accepted
