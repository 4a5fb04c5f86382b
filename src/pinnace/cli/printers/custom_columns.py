"""`-o custom-columns=NAME:.metadata.name,...`."""

from typing import Any

from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError, relaxed
from pinnace.cli.errors import CliError
from pinnace.cli.harmless import escaped
from pinnace.cli.printers.columns_text import ColumnWriter

Object = dict[str, Any]


class CustomColumns:
    def __init__(self, spec: str, *, from_file: bool = False, no_headers: bool = False) -> None:
        if not spec:
            raise CliError("custom-columns format specified but no custom columns given")
        self._headers, self._paths = _from_file(spec) if from_file else _inline(spec)
        self._no_headers = no_headers
        self._writer = ColumnWriter()

    def print(self, obj: Object) -> None:
        items = (
            obj["items"]
            if isinstance(obj.get("items"), list) and obj.get("kind", "").endswith("List")
            else [obj]
        )
        rows = [] if self._no_headers else [self._headers]
        self._no_headers = True
        for item in items:
            rows.append([escaped(_cell(path, item)) for path in self._paths])
        self._writer.write(rows)


def _inline(spec: str) -> tuple[list[str], list[JsonPath]]:
    headers, paths = [], []
    for part in spec.split(","):
        header, colon, expression = part.partition(":")
        if not colon:
            raise CliError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        headers.append(header)
        paths.append(_path(expression))
    return headers, paths


def _from_file(text: str) -> tuple[list[str], list[JsonPath]]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise CliError("number of headers and columns do not match")
    return lines[0], [_path(expression) for expression in lines[1]]


def _path(expression: str) -> JsonPath:
    try:
        return JsonPath(relaxed(expression))
    except JsonPathError as error:
        raise CliError(f"error parsing jsonpath {relaxed(expression)}, {error}") from error


def _cell(path: JsonPath, item: Object) -> str:
    try:
        values = path.find(item)
    except JsonPathError:
        values = []
    return ",".join(_value(value) for value in values) if values else "<none>"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_value(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_value, value))}]"
    return str(value)
