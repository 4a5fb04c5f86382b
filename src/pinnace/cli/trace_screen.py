"""The tree of `trace --follow` at a terminal: drawn over itself as it grows, its end when it is longer than the screen."""

import os
from importlib import import_module
from typing import Any, TextIO

from pinnace.cli import colours
from pinnace.cli.harmless import shown

UP_AND_CLEAR = "\x1b[{}A\r\x1b[J"


class Screen:
    def __init__(self, stream: TextIO, *, is_full: bool) -> None:
        self._stream, self._is_full = stream, is_full
        self._drawn = 0  # lines that are on the screen

    def draw(self, roots: list[Any]) -> None:
        columns, rows = self._size()
        lines = self._lines(roots, columns)
        self._replace(lines[-max(1, rows - 1) :])

    def finish(self, roots: list[Any]) -> None:
        """The whole tree stays, also what did not fit."""
        self._replace(self._lines(roots, self._size()[0]))

    def _lines(self, roots: list[Any], columns: int) -> list[str]:
        tree = import_module("pinnace.insight.span_tree").as_text(roots, width=columns, is_full=self._is_full)
        return [shown(line)[:columns] if columns > 0 else shown(line) for line in tree]

    def _replace(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if colours.are_wanted(self._stream):
            text = colours.of_trace(text)
        self._stream.write((UP_AND_CLEAR.format(self._drawn) if self._drawn else "") + text)
        self._stream.flush()
        self._drawn = len(lines)

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24
