"""`-o go-template`: Go's templates over the object, with kubectl's two functions."""

import base64
import binascii
from typing import Any

from pinnace.apimachinery.gotemplate import Template, TemplateError, parse
from pinnace.cli.errors import CliError

Object = dict[str, Any]


class GoTemplate:
    def __init__(self, source: str, *, allow_missing: bool) -> None:
        if not allow_missing:
            raise CliError("--allow-missing-template-keys=false is not there for go-template: use jsonpath")
        self._source = source
        try:
            self._template: Template = parse(source, {"base64decode": _decoded, "exists": _exists})
        except TemplateError as error:
            line = "" if "\n" in source else "template: output:1: "  # which line of several is not known
            raise CliError(f"error parsing template {source}, {line}{error}") from error

    def render(self, obj: Object) -> str:
        try:
            return self._template.render(obj)
        except TemplateError as error:
            raise CliError(f'error executing template "{self._source}": {error}') from error


def _decoded(text: Any) -> str:
    try:
        return base64.b64decode(str(text), validate=True).decode(errors="replace")
    except binascii.Error as error:
        raise TemplateError(f"base64 decode failed: {error}") from error


def _exists(value: Any, *path: Any) -> bool:
    """Whether the way leads somewhere."""
    for step in path:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
        ):
            value = value[step]
        else:
            return False
    return True
