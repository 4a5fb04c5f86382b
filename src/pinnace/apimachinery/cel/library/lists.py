"""Kubernetes' functions of lists."""

from functools import reduce
from itertools import pairwise
from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.library.operators import add, greater, less
from pinnace.apimachinery.cel.values import Duration, UInt, equals

_ZEROS = {"int": 0, "uint": UInt(0), "double": 0.0, "duration": Duration(0)}
_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")


def is_sorted(items: list[Any]) -> bool:
    return not any(greater(left, right) for left, right in pairwise(items))


def smallest(items: list[Any]) -> Any:
    if not items:
        raise EvaluationError("min called on empty list")
    return reduce(lambda best, item: item if less(item, best) else best, items)


def largest(items: list[Any]) -> Any:
    if not items:
        raise EvaluationError("max called on empty list")
    return reduce(lambda best, item: item if greater(item, best) else best, items)


def index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at, item in enumerate(items) if equals(item, wanted)), -1)


def last_index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at in range(len(items) - 1, -1, -1) if equals(items[at], wanted)), -1)


def _sum(zero: Any) -> Any:
    return lambda items: reduce(add, items, zero)


ROWS: tuple[Row, ...] = (
    *(
        row
        for kind in _COMPARABLE
        for row in (
            ("isSorted", f"list_{kind}_is_sorted_bool", f"list({kind}).() -> bool", is_sorted),
            ("min", f"list_{kind}_min_{kind}", f"list({kind}).() -> {kind}", smallest),
            ("max", f"list_{kind}_max_{kind}", f"list({kind}).() -> {kind}", largest),
        )
    ),
    *(
        ("sum", f"list_{kind}_sum_{kind}", f"list({kind}).() -> {kind}", _sum(zero))
        for kind, zero in _ZEROS.items()
    ),
    ("indexOf", "list_a_index_of_int", "list(A).(A) -> int", index_of),
    ("lastIndexOf", "list_a_last_index_of_int", "list(A).(A) -> int", last_index_of),
)
