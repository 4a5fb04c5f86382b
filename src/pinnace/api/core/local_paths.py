"""Relative paths in specs: of volume files, sub-paths, profiles. They stay below where they start."""

from collections.abc import Iterator

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause


def validate_local_path(text: str, path: str) -> Iterator[Cause]:
    if text.startswith("/"):
        yield fields.invalid(path, text, "must be a relative path")
    if ".." in text.split("/"):
        yield fields.invalid(path, text, "must not contain '..'")
