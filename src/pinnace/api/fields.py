"""Findings about fields: one constructor for each kind of error, values written as upstream writes them.

Wording: https://github.com/kubernetes/apimachinery/blob/master/pkg/util/validation/field/errors.go
A path is plain text (`spec.containers[0].image`); `key` appends a map key the way upstream does.
"""

import json
from collections.abc import Iterable
from typing import Any

from pinnace.apimachinery.errors import Cause

IMMUTABLE = "field is immutable"


def text(value: Any) -> str:
    """A value inside a message: strings quoted, numbers and booleans bare, everything else as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _with_detail(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", _with_detail("Required value", detail), path)


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueInvalid", _with_detail(f"Invalid value: {text(value)}", detail), path)


def bare_invalid(path: str, detail: str) -> Cause:
    """Where upstream leaves the value out, because it is too much to read."""
    return Cause("FieldValueInvalid", _with_detail("Invalid value", detail), path)


def type_invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", _with_detail(f"Invalid value: {text(value)}", detail), path)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    """`supported` in the order to print; upstream mostly sorts it."""
    detail = ", ".join(text(one) for one in supported)
    head = f"Unsupported value: {text(value)}"
    return Cause("FieldValueNotSupported", f"{head}: supported values: {detail}" if detail else head, path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", _with_detail("Forbidden", detail), path)


def duplicate(path: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {text(value)}", path)


def not_found(path: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {text(value)}", path)


def too_long(path: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path)


def too_many(path: str, actual: int, limit: int) -> Cause:
    return Cause("FieldValueTooMany", f"Too many: {actual}: must have at most {limit} items", path)


def key(path: str, name: str) -> str:
    """The path of one entry of a map: `metadata.annotations[a.example/b]`."""
    return f"{path}[{name}]"


def all_invalid(path: str, value: Any, messages: Iterable[str]) -> list[Cause]:
    """One `Invalid value` for each message of a format check."""
    return [invalid(path, value, message) for message in messages]


def non_negative(path: str, value: Any) -> list[Cause]:
    if value is not None and value < 0:
        return [invalid(path, value, "must be greater than or equal to 0")]
    return []


def immutable(path: str, new: Any, old: Any) -> list[Cause]:
    """A finding unless both are equal."""
    return [] if new == old else [invalid(path, new, IMMUTABLE)]
