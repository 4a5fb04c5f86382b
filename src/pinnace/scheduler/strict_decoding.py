"""Reading a document whose fields are known: unknown fields and wrong types are errors, in the words of upstream's decoder."""

from collections.abc import Mapping
from typing import Any

Shape = Any
"""A Go type's name (`string`, `bool`, `int32`, `int64`, `Duration`, `any`), a mapping of fields, or a list of one shape."""

_JSON_NAMES: Mapping[type, str] = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_PYTHON: Mapping[str, type] = {"string": str, "Duration": str, "bool": bool, "int32": int, "int64": int}


class DecodingError(ValueError):
    """The document cannot be read."""


def check(document: Any, shape: Shape, kind: str) -> list[str]:
    """Unknown fields, each as upstream names it. Raises DecodingError for a value of a wrong type."""
    unknown: list[str] = []
    _check(document, shape, kind, "", "", unknown)
    return unknown


def _check(value: Any, shape: Shape, kind: str, path: str, field: str, unknown: list[str]) -> None:
    if value is None or shape == "any":
        return
    if isinstance(shape, Mapping):
        _expect(value, dict, "object", kind, field)
        for name, part in value.items():
            here = f"{path}.{name}" if path else str(name)
            if name not in shape:
                unknown.append(f'unknown field "{here}"')
            else:
                _check(part, shape[name], kind, here, f"{field}.{name}", unknown)
    elif isinstance(shape, list):
        _expect(value, list, "array", kind, field)
        for position, part in enumerate(value):
            _check(part, shape[0], kind, f"{path}[{position}]", field, unknown)
    else:
        _expect(value, _PYTHON[shape], shape, kind, field)


def _expect(value: Any, wanted: type, name: str, kind: str, field: str) -> None:
    if type(value) is not wanted:
        found = _JSON_NAMES.get(type(value), type(value).__name__)
        raise DecodingError(
            f"json: cannot unmarshal {found} into Go struct field {kind}{field} of type {name}"
        )
