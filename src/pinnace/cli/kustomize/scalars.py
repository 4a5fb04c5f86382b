"""Scalars as text, and text as the scalars that it looks like."""

import json
from typing import Any

from pinnace.cli.kustomize import documents
from pinnace.cli.kustomize.errors import BuildError

SCALARS = (str, int, float, bool)


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (dict, list)):
        return "" if value is None else json.dumps(value)
    return str(value)


def like(old: Any, text: str) -> Any:
    """The text as a value of the type that stands there; raises BuildError where it cannot be one."""
    if isinstance(old, str):
        return text
    new = guessed(text)
    wanted, found = tag_of(old), tag_of(new)
    if wanted in ("null", found) or (wanted, found) == ("float", "int"):
        return new
    raise BuildError(
        f"map[string]interface {{}}(nil): yaml: cannot decode !!{found} `{text}` as a !!{wanted}"
    )


def guessed(text: str) -> Any:
    found = documents.load_all(text)
    return found[0] if found and isinstance(found[0], SCALARS) else text


def tag_of(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "bool", int: "int", float: "float"}.get(type(value), "str")
