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
        for at in range(last):
            longest = max(len(row[at]) for row in rows if len(row) > at + 1) + PADDING
            widths[at] = max(widths[at], longest, NARROWEST)
        self._widths = widths
        templates = {
            count: "".join(f"%-{width}s" for width in widths[: count - 1]) + "%s\n"
            for count in set(map(len, rows))
        }
        return "".join([templates[len(row)] % tuple(row) for row in rows])
