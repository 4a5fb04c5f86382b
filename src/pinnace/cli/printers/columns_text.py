"""Text in columns, as kubectl's tab writer lays it out: three spaces between columns, none behind the last."""

import sys
from collections.abc import Sequence

PADDING, NARROWEST = 3, 6


class ColumnWriter:
    """Remembers widths, so that the rows of a watch line up with those before them."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def write(self, rows: Sequence[Sequence[str]]) -> None:
        sys.stdout.write(self.render(rows))

    def render(self, rows: Sequence[Sequence[str]]) -> str:
        if not rows:
            return ""
        last = max(map(len, rows)) - 1
        widths = self._widths + [0] * max(0, last - len(self._widths))
        for row in rows:
            for at, cell in enumerate(row[:-1]):
                widths[at] = max(widths[at], len(cell) + PADDING, NARROWEST)
        self._widths = widths
        lines = []
        for row in rows:
            lines.append("".join(cell.ljust(widths[at]) for at, cell in enumerate(row[:-1])) + row[-1])
        return "\n".join(lines) + "\n"
