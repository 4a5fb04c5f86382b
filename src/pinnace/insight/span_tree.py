"""Trees of spans as text: when, how long, and what followed from what."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

from pinnace.insight.collapse import More, sections, told
from pinnace.insight.span_texts import details, sentence
from pinnace.insight.spans import Node

COLUMNS = 26  # of the two times
LEAST_TEXT = 24  # columns that words get beside the branches, however narrow the screen is


def as_text(roots: list[Node], *, width: int = 0, is_full: bool = False) -> list[str]:
    """`width`: of the screen, where long lines are to be broken; 0: they stay."""
    lines: list[str] = []
    for section in sections(roots):
        begun = section[0].start
        lines += [""] if lines else []
        lines.append(f"{'AT':>12}  {'TOOK':>10}  since {clock_time(begun)}")
        for root in told(section, is_full=is_full):
            lines += _lines(root, begun, "", "", width, is_full)
    return lines


def _lines(
    node: Node | More, begun: float, first: str, rest: str, width: int, is_full: bool
) -> Iterator[str]:
    if isinstance(node, More):
        took = duration(node.end - node.start)
        yield from _broken(
            f"{'+' + duration(node.start - begun):>12}  {took:>10}  ", first, rest, node.text, width
        )
        return
    took = took_of(node.seconds)
    children = told(node.children, is_full=is_full)
    beside = rest + ("│   " if children else "    ")
    yield from _broken(
        f"{'+' + duration(node.start - begun):>12}  {took:>10}  ", first, beside, sentence(node), width
    )
    for line in details(node):
        yield from _broken(" " * COLUMNS, beside, beside, line, width)
    for at, child in enumerate(children):
        corner, below = ("└─ ", "   ") if at == len(children) - 1 else ("├─ ", "│  ")
        yield from _lines(child, begun, rest + corner, rest + below, width, is_full)


def _broken(columns: str, first: str, rest: str, text: str, width: int) -> Iterator[str]:
    """One line, or several where the screen ends."""
    room = max(width - len(columns) - max(len(first), len(rest)), LEAST_TEXT)
    if not width or len(text) <= room:
        yield f"{columns}{first}{text}"
        return
    pieces = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    yield f"{columns}{first}{pieces[0]}"
    for piece in pieces[1:]:
        yield f"{'':{COLUMNS}}{rest}{piece}"


def duration(seconds: float) -> str:
    """`0.4 ms`, `812.0 ms`, `1.204 s`, `1m15.2s`, `2h03m`."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:04.1f}s" if minutes < 60 else f"{minutes // 60:.0f}h{minutes % 60:02.0f}m"


def took_of(seconds: float | None) -> str:
    """Nothing for a moment."""
    return "goes on" if seconds is None else duration(seconds) if seconds >= 0.00005 else ""


def clock_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"
