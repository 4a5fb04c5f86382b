"""Operators: arithmetic with overflow checks, comparison across kinds of numbers, membership, indexes."""

from math import isnan
from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Duration,
    Optional,
    Timestamp,
    UInt,
    check_comparable,
    duration,
    equals,
    no_such_overload,
    timestamp,
)

_OVERFLOW = "integer overflow"
_UOVERFLOW = "unsigned integer overflow"


def _int(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError(_OVERFLOW)


def _uint(value: int) -> UInt:
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise EvaluationError(_UOVERFLOW)


def add(left: Any, right: Any) -> Any:
    kind, other = type(left), type(right)
    if kind is other:
        if kind is int:
            return _int(left + right)
        if kind in (str, list, bytes, float):
            return left + right
        if kind is UInt:
            return _uint(int(left) + int(right))
        if kind is Duration:
            return duration(left.nanos + right.nanos)
    elif {kind, other} == {Timestamp, Duration}:
        return timestamp(left.nanos + right.nanos)
    raise no_such_overload()


def subtract(left: Any, right: Any) -> Any:
    kind, other = type(left), type(right)
    if kind is other:
        if kind is int:
            return _int(left - right)
        if kind is float:
            return left - right
        if kind is UInt:
            return _uint(int(left) - int(right))
        if kind in (Duration, Timestamp):
            return duration(left.nanos - right.nanos)
    elif kind is Timestamp and other is Duration:
        return timestamp(left.nanos - right.nanos)
    raise no_such_overload()


def multiply(left: Any, right: Any) -> Any:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _int(left * right)
        if kind is float:
            return left * right
        if kind is UInt:
            return _uint(int(left) * int(right))
    raise no_such_overload()


def divide(left: Any, right: Any) -> Any:
    kind = type(left)
    if kind is not type(right):
        raise no_such_overload()
    if kind is float:
        if right == 0:
            infinite = left != 0 and not isnan(left)
            negative = (str(left)[0] == "-") != (str(right)[0] == "-")
            return (float("-inf") if negative else float("inf")) if infinite else float("nan")
        return left / right
    if kind not in (int, UInt):
        raise no_such_overload()
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(int(left)) // abs(int(right))
    return _int(quotient if (left < 0) == (right < 0) else -quotient) if kind is int else UInt(quotient)


def modulo(left: Any, right: Any) -> Any:
    kind = type(left)
    if kind is not type(right) or kind not in (int, UInt):
        raise no_such_overload()
    if right == 0:
        raise EvaluationError("modulus by zero")
    rest = abs(int(left)) % abs(int(right))
    return (-rest if left < 0 else rest) if kind is int else UInt(rest)


def negate(value: Any) -> Any:
    if type(value) is int:
        return _int(-value)
    if type(value) is float:
        return -value
    if type(value) is Duration:
        return duration(-value.nanos)
    raise no_such_overload()


def invert(value: Any) -> bool:
    if type(value) is bool:
        return not value
    raise no_such_overload()


def less(left: Any, right: Any) -> bool:
    check_comparable(left, right)
    return bool(left < right)


def less_equals(left: Any, right: Any) -> bool:
    check_comparable(left, right)
    return bool(left <= right)


def greater(left: Any, right: Any) -> bool:
    return less(right, left)


def greater_equals(left: Any, right: Any) -> bool:
    return less_equals(right, left)


def not_equals(left: Any, right: Any) -> bool:
    return not equals(left, right)


def contains(item: Any, container: Any) -> bool:
    if isinstance(container, list):
        if type(item) is str:
            return item in container
        return any(equals(item, element) for element in container)
    if isinstance(container, dict):
        return _is_key(item) and item in container
    raise no_such_overload()


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int | bool) or (isinstance(value, float) and not isnan(value))


def index(container: Any, key: Any) -> Any:
    if isinstance(container, dict):
        if type(key) in (str, int, bool, UInt, float):
            try:
                return container[key]
            except KeyError:
                pass
            raise EvaluationError(f"no such key: {_text(key)}")
        raise EvaluationError("unsupported key type")
    if isinstance(container, list):
        if type(key) is float and key.is_integer():
            key = int(key)
        if type(key) not in (int, UInt):
            raise EvaluationError("unsupported index type in list")
        if 0 <= key < len(container):
            return container[key]
        raise EvaluationError(f"index out of bounds: {int(key)}")
    if isinstance(container, Optional):
        return optional_index(container, key)
    raise no_such_overload()


def optional_index(container: Any, key: Any) -> Optional:
    """`container[?key]`."""
    if isinstance(container, Optional):
        return optional_index(container.value, key) if container.present else Optional()
    if isinstance(container, dict):
        if _is_key(key) and key in container:
            return Optional(container[key], True)
        return Optional()
    if isinstance(container, list):
        if type(key) in (int, UInt) and 0 <= key < len(container):
            return Optional(container[key], True)
        return Optional()
    raise no_such_overload()


def _text(key: Any) -> str:
    return {True: "true", False: "false"}.get(key, str(key)) if type(key) is bool else str(key)


def map_insert(target: dict[Any, Any], *rest: Any) -> dict[Any, Any]:
    """The accumulation of transformMap: one entry, or those of a map; a key must be new."""
    entries = {rest[0]: rest[1]} if len(rest) == 2 else rest[0]
    for key in entries:
        if key in target:
            raise EvaluationError(f"insert failed: key {_text(key)} already exists")
    return {**target, **entries}


_KINDS = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_CROSS = (("int", "uint"), ("int", "double"), ("uint", "int"), ("uint", "double"), ("double", "int"), ("double", "uint"))  # fmt: skip
_COMPARISONS = (
    ("_<_", "less", less), ("_<=_", "less_equals", less_equals),
    ("_>_", "greater", greater), ("_>=_", "greater_equals", greater_equals),
)  # fmt: skip


def _not_planned(*_: Any) -> Any:
    raise no_such_overload()


ROWS: tuple[Row, ...] = (
    ("_?_:_", "conditional", "(bool, T, T) -> T", _not_planned),
    ("_&&_", "logical_and", "(bool, bool) -> bool", _not_planned),
    ("_||_", "logical_or", "(bool, bool) -> bool", _not_planned),
    ("@not_strictly_false", "not_strictly_false", "(bool) -> bool", lambda value: value is not False),
    ("!_", "logical_not", "(bool) -> bool", invert),
    ("_==_", "equals", "(T, T) -> bool", equals),
    ("_!=_", "not_equals", "(T, T) -> bool", not_equals),
    ("_+_", "add_bytes", "(bytes, bytes) -> bytes", add),
    ("_+_", "add_double", "(double, double) -> double", add),
    ("_+_", "add_duration_duration", "(duration, duration) -> duration", add),
    ("_+_", "add_duration_timestamp", "(duration, timestamp) -> timestamp", add),
    ("_+_", "add_timestamp_duration", "(timestamp, duration) -> timestamp", add),
    ("_+_", "add_int64", "(int, int) -> int", add),
    ("_+_", "add_list", "(list(T), list(T)) -> list(T)", add),
    ("_+_", "add_string", "(string, string) -> string", add),
    ("_+_", "add_uint64", "(uint, uint) -> uint", add),
    ("_-_", "subtract_double", "(double, double) -> double", subtract),
    ("_-_", "subtract_duration_duration", "(duration, duration) -> duration", subtract),
    ("_-_", "subtract_int64", "(int, int) -> int", subtract),
    ("_-_", "subtract_timestamp_duration", "(timestamp, duration) -> timestamp", subtract),
    ("_-_", "subtract_timestamp_timestamp", "(timestamp, timestamp) -> duration", subtract),
    ("_-_", "subtract_uint64", "(uint, uint) -> uint", subtract),
    ("_*_", "multiply_double", "(double, double) -> double", multiply),
    ("_*_", "multiply_int64", "(int, int) -> int", multiply),
    ("_*_", "multiply_uint64", "(uint, uint) -> uint", multiply),
    ("_/_", "divide_double", "(double, double) -> double", divide),
    ("_/_", "divide_int64", "(int, int) -> int", divide),
    ("_/_", "divide_uint64", "(uint, uint) -> uint", divide),
    ("_%_", "modulo_int64", "(int, int) -> int", modulo),
    ("_%_", "modulo_uint64", "(uint, uint) -> uint", modulo),
    ("-_", "negate_double", "(double) -> double", negate),
    ("-_", "negate_duration", "(duration) -> duration", negate),
    ("-_", "negate_int64", "(int) -> int", negate),
    *(
        (name, f"{word}_{kind}", f"({kind}, {kind}) -> bool", run)
        for name, word, run in _COMPARISONS
        for kind in _KINDS
    ),
    *(
        (name, f"{word}_{left}_{right}", f"({left}, {right}) -> bool", run)
        for name, word, run in _COMPARISONS
        for left, right in _CROSS
    ),
    ("@in", "in_list", "(T, list(T)) -> bool", contains),
    ("@in", "in_map", "(K, map(K, V)) -> bool", contains),
    ("_[_]", "index_list", "(list(T), int) -> T", index),
    ("_[_]", "index_map", "(map(K, V), K) -> V", index),
    ("_[_]", "optional_list_index_value", "(optional(list(T)), int) -> optional(T)", index),
    ("_[_]", "optional_map_index_value", "(optional(map(K, V)), K) -> optional(V)", index),
    ("_[?_]", "list_optindex_optional_int", "(list(T), int) -> optional(T)", optional_index),
    (
        "_[?_]",
        "optional_list_optindex_optional_int",
        "(optional(list(T)), int) -> optional(T)",
        optional_index,
    ),
    ("_[?_]", "map_optindex_optional_value", "(map(K, V), K) -> optional(V)", optional_index),
    (
        "_[?_]",
        "optional_map_optindex_optional_value",
        "(optional(map(K, V)), K) -> optional(V)",
        optional_index,
    ),
    ("cel.@mapInsert", "@mapInsert_map_key_value", "(map(K, V), K, V) -> map(K, V)", map_insert),
    ("cel.@mapInsert", "@mapInsert_map_map", "(map(K, V), map(K, V)) -> map(K, V)", map_insert),
)
