"""`-o go-template`: Go's templates over the object, with kubectl's two functions."""

import base64
import binascii
import json
from typing import Any

from pinnace.apimachinery.gotemplate import MissingKey, Template, TemplateError, parse, printed
from pinnace.cli.errors import CliError
from pinnace.cli.last_applied import compact

Object = dict[str, Any]


class GoTemplate:
    def __init__(self, source: str, *, allow_missing: bool) -> None:
        self._source, self._allow_missing = source, allow_missing
        try:
            self._template: Template = parse(source, {"base64decode": _decoded, "exists": _exists})
        except TemplateError as error:
            line = "" if "\n" in source else "template: output:1: "  # which line of several is not known
            raise CliError(f"error parsing template {source}, {line}{error}") from error

    def render(self, obj: Object) -> str:
        try:
            return self._template.render(obj, missing_is_error=not self._allow_missing)
        except MissingKey as error:
            raise self._told(obj, error) from error
        except TemplateError as error:
            raise CliError(f'error executing template "{self._source}": {error}') from error

    def _told(self, obj: Object, error: MissingKey) -> CliError:
        """What kubectl writes to standard output, to help with the template; and the error."""
        line, column = self._place(error.text)
        context = error.text if len(error.text) <= 20 else f"{error.text[:20]}..."
        what = f'template: output:{line}:{column}: executing "output" at <{context}>: {error}'
        print(
            f"Error executing template: {what}. Printing more information for debugging the template:\n"
            f"\ttemplate was:\n\t\t{self._source}\n\traw data was:\n\t\t{compact(obj)}\n"
            f"\tobject given to template engine was:\n\t\t{printed(obj)}\n"
        )
        return CliError(f"error executing template {json.dumps(self._source)}: {what}")

    def _place(self, text: str) -> tuple[int, int]:
        """Line and column, in bytes, of the last field of a chain."""
        before = self._source[: self._source.find(text) + text.rindex(".")]
        line = before.rpartition("\n")[2]
        return before.count("\n") + 1, len(line.encode())


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
