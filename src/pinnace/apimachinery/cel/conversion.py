"""Between JSON and CEL: a schema may say that a string is a time, or that `1` is a double; results go back to JSON."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.types import Type
from pinnace.apimachinery.cel.values import (
    Duration,
    Optional,
    Timestamp,
    Walk,
    parse_duration,
    parse_timestamp,
)

Convert = Callable[[Any], Any]


def converter(kind: Type) -> Convert | None:
    """How a JSON value of this type becomes CEL's; None where it is the same."""
    if kind.kind in ("list", "map"):
        inner = converter(kind.elem)
        if inner is None:
            return None
        return _each_item(inner) if kind.kind == "list" else _each_value(inner)
    return _SCALARS.get(kind.kind)


def _each_item(inner: Convert) -> Convert:
    return lambda value: [inner(item) for item in value] if type(value) is list else value


def _each_value(inner: Convert) -> Convert:
    return lambda value: {k: inner(v) for k, v in value.items()} if type(value) is dict else value


def _timestamp(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return parse_timestamp(f"{value}T00:00:00Z" if len(value) == 10 else value)


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError):
        raise EvaluationError("illegal base64 data") from None


def _double(value: Any) -> Any:
    return float(value) if type(value) is int else value


_SCALARS: dict[str, Convert] = {
    "timestamp": _timestamp, "duration": _duration, "bytes": _bytes, "double": _double,
}  # fmt: skip


def to_json(value: Any) -> Any:
    """The JSON of a result; raises EvaluationError for what has none."""
    return _to_json(value, Walk())


def _to_json(value: Any, walk: Walk) -> Any:
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list):
        walk.step(len(value))
        return [_to_json(item, walk) for item in value]
    if isinstance(value, dict):
        walk.step(len(value))
        return {_key(key): _to_json(item, walk) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Timestamp | Duration):
        return str(value)
    if isinstance(value, Optional):
        return _to_json(value.value, walk) if value.present else None
    raise EvaluationError(f"cannot convert {type(value).__name__.lower()} to JSON")


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(to_json(key)).lower() if isinstance(key, bool) else str(key)
