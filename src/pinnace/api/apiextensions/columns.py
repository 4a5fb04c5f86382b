"""Printer columns of a custom resource: `additionalPrinterColumns` of its version, or its age."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pinnace.api.columns import table
from pinnace.api.columns.table import Cell, Column, TableDef
from pinnace.api.meta import Object
from pinnace.apimachinery import times
from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError

_AGE = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": table.AGE_TEXT,
}
Read = Callable[[Object, datetime], Cell]


def table_of(version: dict[str, Any]) -> TableDef:
    given = version.get("additionalPrinterColumns") or [_AGE]
    columns = [table.NAME]
    reads: list[Read] = []
    for entry in given:
        columns.append(
            Column(
                entry["name"], entry["type"], entry.get("format", ""),
                entry.get("description") or f"Custom resource definition column (in JSONPath format): {entry['jsonPath']}",
                entry.get("priority", 0),
            )
        )  # fmt: skip
        reads.append(_reader(entry["type"], entry["jsonPath"]))

    def cells(obj: Object, now: datetime) -> list[Cell]:
        return [table.name(obj), *(read(obj, now) for read in reads)]

    return TableDef(tuple(columns), cells)


def _reader(kind: str, path: str) -> Read:
    template = JsonPath(f"{{{path}}}")

    def read(obj: Object, now: datetime) -> Cell:
        try:
            found = template.find(obj)
        except JsonPathError:
            return None
        if not found or found[0] is None:
            return None
        if kind == "string":
            return found[0] if isinstance(found[0], str) else template.render(obj)
        return _cell(kind, found[0], now)

    return read


def _cell(kind: str, value: Any, now: datetime) -> Cell:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "integer":
            return int(value) if is_number else None
        case "number":
            return value if is_number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _age(value, now) if isinstance(value, str) else None
    return None


def _age(text: str, now: datetime) -> str:
    try:
        return times.human_duration((now - times.parse_time(text)).total_seconds())
    except ValueError:
        return "<invalid>"
