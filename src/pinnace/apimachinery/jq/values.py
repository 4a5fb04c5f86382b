"""Values of jq: their kinds, their order, and how they are compared and reckoned with."""

from collections.abc import Callable
from typing import Any

from pinnace.apimachinery.jq.errors import JqError


def is_true(value: Any) -> bool:
    return value is not None and value is not False


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {type(None): "null", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


_RANKS = {"null": 0, "boolean": 1, "number": 3, "string": 4, "array": 5, "object": 6}


def order(value: Any) -> tuple[Any, ...]:
    """jq's order among values of all kinds."""
    kind = kind_of(value)
    if kind == "array":
        return _RANKS[kind], [order(one) for one in value]
    if kind == "object":
        return _RANKS[kind], sorted(value), [order(value[key]) for key in sorted(value)]
    return _RANKS[kind], value if value is not None else 0


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: order(one) == order(other),
    "!=": lambda one, other: order(one) != order(other),
    "<": lambda one, other: order(one) < order(other),
    "<=": lambda one, other: order(one) <= order(other),
    ">": lambda one, other: order(one) > order(other),
    ">=": lambda one, other: order(one) >= order(other),
}


def _arithmetic(mark: str, numbers: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def combine(one: Any, other: Any) -> Any:
        kinds = kind_of(one), kind_of(other)
        if kinds == ("number", "number"):
            try:
                return numbers(one, other)
            except ZeroDivisionError:
                raise JqError(f"cannot divide {one} by: 0") from None
        if mark == "+":
            if "null" in kinds:
                return other if one is None else one
            if kinds in (("string", "string"), ("array", "array")):
                return one + other
            if kinds == ("object", "object"):
                return {**one, **other}
        if mark == "-" and kinds == ("array", "array"):
            return [each for each in one if each not in other]
        if mark == "/" and kinds == ("string", "string"):
            return one.split(other)
        raise JqError(f"cannot compute {kinds[0]} {mark} {kinds[1]}")

    return combine


ARITHMETIC = {
    "+": _arithmetic("+", lambda one, other: one + other),
    "-": _arithmetic("-", lambda one, other: one - other),
    "*": _arithmetic("*", lambda one, other: one * other),
    "/": _arithmetic("/", lambda one, other: one / other if one % other else one // other),
    "%": _arithmetic("%", lambda one, other: int(one) % int(other)),
}
