"""Conversions between types, sizes, and `type()`."""

import re
from typing import Any

from pinnace.apimachinery.cel import types as t
from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.types import Type
from pinnace.apimachinery.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Duration,
    Extension,
    Struct,
    Timestamp,
    UInt,
    format_double,
    kind_of,
    parse_duration,
    parse_timestamp,
    timestamp,
)

_DIGITS = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf(inity)?|nan)", re.ASCII | re.IGNORECASE
)


def to_int(value: Any) -> int:
    if isinstance(value, Timestamp):
        return value.nanos // 1_000_000_000
    if isinstance(value, Duration):
        return value.nanos
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise EvaluationError(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        value = int(value)
    if isinstance(value, float) and not -(2.0**63) < value < 2.0**63:
        raise EvaluationError("integer overflow")
    number = int(value)
    if not INT_MIN <= number <= INT_MAX:
        raise EvaluationError("integer overflow")
    return number


def to_uint(value: Any) -> UInt:
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value) or value[0] in "+-":
            raise EvaluationError(f'strconv.ParseUint: parsing "{value}": invalid syntax')
        value = int(value)
    if isinstance(value, float) and not 0 <= value < 2.0**64:
        raise EvaluationError("unsigned integer overflow")
    number = int(value)
    if not 0 <= number <= UINT_MAX:
        raise EvaluationError("unsigned integer overflow")
    return UInt(number)


def to_double(value: Any) -> float:
    if isinstance(value, str) and not _FLOAT.fullmatch(value):
        raise EvaluationError(f'strconv.ParseFloat: parsing "{value}": invalid syntax')
    return float(value)


def to_string(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return format_double(value)
    if kind is bytes:
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
    return str(int(value)) if isinstance(value, int) else str(value)


def to_bool(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise EvaluationError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


_TYPES = {
    "bool": t.BOOL, "int": t.INT, "uint": t.UINT, "double": t.DOUBLE, "string": t.STRING, "bytes": t.BYTES,
    "list": Type("list", (t.DYN,)), "map": Type("map", (t.DYN, t.DYN)), "null_type": t.NULL,
    "google.protobuf.Timestamp": t.TIMESTAMP, "google.protobuf.Duration": t.DURATION, "type": t.TYPE,
    "optional_type": t.optional_of(t.DYN),
}  # fmt: skip


def type_value(value: Any) -> Type:
    if isinstance(value, Extension):
        return value.cel_type
    name = kind_of(value)
    return Type("object", (), name) if isinstance(value, Struct) else _TYPES.get(name, t.DYN)


def _same(value: Any) -> Any:
    return value


ROWS: tuple[Row, ...] = (
    *(
        (kind, f"{kind}_to_{kind}", f"({kind}) -> {kind}", _same)
        for kind in ("bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint")
    ),
    ("bool", "string_to_bool", "(string) -> bool", to_bool),
    ("bytes", "string_to_bytes", "(string) -> bytes", lambda text: text.encode("utf-8", "surrogatepass")),
    ("double", "int64_to_double", "(int) -> double", to_double),
    ("double", "string_to_double", "(string) -> double", to_double),
    ("double", "uint64_to_double", "(uint) -> double", to_double),
    ("duration", "int64_to_duration", "(int) -> duration", Duration),
    ("duration", "string_to_duration", "(string) -> duration", parse_duration),
    ("dyn", "to_dyn", "(T) -> dyn", _same),
    ("int", "double_to_int64", "(double) -> int", to_int),
    ("int", "duration_to_int64", "(duration) -> int", to_int),
    ("int", "string_to_int64", "(string) -> int", to_int),
    ("int", "timestamp_to_int64", "(timestamp) -> int", to_int),
    ("int", "uint64_to_int64", "(uint) -> int", to_int),
    ("string", "bool_to_string", "(bool) -> string", to_string),
    ("string", "bytes_to_string", "(bytes) -> string", to_string),
    ("string", "double_to_string", "(double) -> string", to_string),
    ("string", "duration_to_string", "(duration) -> string", to_string),
    ("string", "int64_to_string", "(int) -> string", to_string),
    ("string", "timestamp_to_string", "(timestamp) -> string", to_string),
    ("string", "uint64_to_string", "(uint) -> string", to_string),
    (
        "timestamp",
        "int64_to_timestamp",
        "(int) -> timestamp",
        lambda seconds: timestamp(seconds * 1_000_000_000),
    ),
    ("timestamp", "string_to_timestamp", "(string) -> timestamp", parse_timestamp),
    ("type", "type", "(T) -> type(T)", type_value),
    ("uint", "double_to_uint64", "(double) -> uint", to_uint),
    ("uint", "int64_to_uint64", "(int) -> uint", to_uint),
    ("uint", "string_to_uint64", "(string) -> uint", to_uint),
    *(
        row
        for kind, text in (
            ("bytes", "bytes"),
            ("list", "list(T)"),
            ("map", "map(K, V)"),
            ("string", "string"),
        )
        for row in (
            ("size", f"size_{kind}", f"({text}) -> int", len),
            ("size", f"{kind}_size", f"{text}.() -> int", len),
        )
    ),
)
