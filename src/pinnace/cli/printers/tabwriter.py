"""Elastic tab stops, as Go's text/tabwriter: cells end with a tab, and neighbouring lines share the width of a column.

`describe` and `rollout history` write through it, so that their output lines up exactly as kubectl's.
"""

Lines = list[list[str]]


def align(text: str, *, narrowest: int = 0, padding: int = 2) -> str:
    lines = [line.split("\t") for line in text.split("\n")]
    out: list[str] = []
    _format(lines, 0, len(lines), [], out, narrowest, padding)
    return "\n".join(out)


def _format(
    lines: Lines, begin: int, end: int, widths: list[int], out: list[str], narrowest: int, padding: int
) -> None:
    """Lines `begin` to `end`: all have their first len(widths) columns laid out already."""
    column, at = len(widths), begin
    while at < end:
        if column >= len(lines[at]) - 1:
            at += 1
            continue
        _write(lines[begin:at], widths, out)
        begin = at
        width = narrowest
        while at < end and column < len(lines[at]) - 1:
            width = max(width, len(lines[at][column]) + padding)
            at += 1
        _format(lines, begin, at, [*widths, width], out, narrowest, padding)
        begin = at
    _write(lines[begin:end], widths, out)


def _write(lines: Lines, widths: list[int], out: list[str]) -> None:
    for cells in lines:
        laid_out = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)]
        out.append("".join(laid_out) + "".join(cells[len(laid_out) :]))
