"""Tables that the server made (`meta.k8s.io/v1 Table`), with the columns that kubectl adds: namespace, labels, kind."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any

from pinnace.cli.flags import Values
from pinnace.cli.harmless import escaped
from pinnace.cli.printers.columns_text import ColumnWriter

Object = dict[str, Any]
_BREAK = re.compile("[\f\n\r]")
ACCEPT = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


class TablePrinter:
    """`prefix` (e.g. `pod/`) is put before names; several tables of one printer share the header and the widths."""

    def __init__(self, flags: Values, *, with_namespace: bool = False, prefix: str = "") -> None:
        self._wide = flags["output"] == "wide"
        self._no_headers = flags["no-headers"]
        self._show_labels = flags["show-labels"]
        self._label_columns: list[str] = flags["label-columns"]
        self._with_namespace, self._prefix = with_namespace, prefix
        self._columns: list[Object] | None = None
        self._headers: list[str] = []
        self._writer = ColumnWriter(_paint(self._headers))
        self._rows: list[list[str]] = []

    def print(self, table: Object, events: list[str] | None = None) -> None:
        """`events`: the watch event type of each row, as a first column."""
        self.add(table, events)
        self.flush()

    def add(self, table: Object, events: list[str] | None = None) -> None:
        """Only the texts of the rows are kept, so that of a long list one page at a time is in memory."""
        rows = self._rows
        columns = table.get("columnDefinitions") or self._columns or []
        shown = [at for at, column in enumerate(columns) if self._wide or not column.get("priority")]
        if columns != self._columns and not self._no_headers:
            header = self._header([columns[at]["name"] for at in shown], is_watch=events is not None)
            self._headers[:] = header
            rows.append(header)
        self._columns = columns
        first = len(shown) if shown == list(range(len(shown))) else -1  # the usual case, a slice
        for number, row in enumerate(table.get("rows") or ()):
            found = row["cells"]
            picked = found[:first] if first >= 0 else [found[at] for at in shown if at < len(found)]
            cells = [cell if type(cell) is str and cell.isprintable() else _cell(cell) for cell in picked]
            rows.append(self._row(cells, row.get("object") or {}, events[number] if events else None))

    def flush(self) -> None:
        self._writer.write(self._rows)
        self._rows = []

    def _header(self, names: list[str], *, is_watch: bool) -> list[str]:
        header = [_cell(name).upper() for name in names]
        if self._with_namespace:
            header.insert(0, "NAMESPACE")
        if is_watch:
            header.insert(0, "EVENT")
        header += [label.rsplit("/", 1)[-1].upper() for label in self._label_columns]
        return [*header, "LABELS"] if self._show_labels else header

    def _row(self, cells: list[str], obj: Object, event: str | None) -> list[str]:
        metadata = obj.get("metadata") or {}
        if self._prefix and cells:
            cells[0] = self._prefix + cells[0]
        if self._with_namespace:
            cells.insert(0, metadata.get("namespace", ""))
        if event is not None:
            cells.insert(0, event)
        if not self._label_columns and not self._show_labels:
            return cells
        labels = metadata.get("labels") or {}
        cells += [labels.get(label, "") for label in self._label_columns]
        if self._show_labels:
            cells.append(",".join(f"{k}={labels[k]}" for k in sorted(labels)) or "<none>")
        return cells


def _paint(headers: list[str]) -> "Callable[[int, str], str] | None":
    """The colours of a table whose headers will be these; None where none are wanted."""
    if not sys.stdout.isatty() and "PINNACE_COLOR" not in os.environ:
        return None
    from pinnace.cli import colours

    if not colours.are_wanted(sys.stdout):
        return None

    def paint(at: int, text: str) -> str:
        header = headers[at] if at < len(headers) else ""
        return colours.BOLD if text == header else colours.of_cell(header, text)

    return paint


def _cell(value: Any) -> str:
    """One line per row, without what could take over a terminal; lists and maps as Go prints them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<none>"
    if isinstance(value, list):
        return f"[{' '.join(map(_cell, value))}]"
    text = str(value)
    if found := _BREAK.search(text):
        text = f"{text[: found.start()]}..."
    return escaped(text)


def plain_table(objects: list[Object]) -> Object:
    """Name and age: what is left when the server makes no tables."""
    from pinnace.cli.ages import age

    columns = [{"name": "Name"}, {"name": "Age"}]
    rows = [
        {"cells": [metadata.get("name", ""), age(metadata.get("creationTimestamp"))], "object": obj}
        for obj in objects
        for metadata in [obj.get("metadata") or {}]
    ]
    return {"kind": "Table", "columnDefinitions": columns, "rows": rows}
