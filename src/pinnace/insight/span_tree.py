"""Trees of spans as text: when, how long, and what followed from what."""

from collections.abc import Iterator
from datetime import UTC, datetime

from pinnace.insight.span_texts import details, sentence
from pinnace.insight.spans import Node

MOST_ALIKE = 20  # children of one kind below one span


def as_text(roots: list[Node]) -> list[str]:
    begun = min(root.start for root in roots)
    lines = [f"{'AT':>12}  {'TOOK':>10}  since {clock_time(begun)}"]
    for root in roots:
        lines += _lines(root, begun, "", "")
    return lines


def _lines(node: Node, begun: float, first: str, rest: str) -> Iterator[str]:
    took = "goes on" if node.seconds is None else duration(node.seconds) if node.seconds else ""
    yield f"{'+' + duration(node.start - begun):>12}  {took:>10}  {first}{sentence(node)}"
    children, left_out = _first_alike(node.children)
    for line in details(node):
        yield f"{'':>12}  {'':>10}  {rest}{'│   ' if children else '    '}{line}"
    for at, child in enumerate(children):
        is_last = at == len(children) - 1 and not left_out
        corner, below = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _lines(child, begun, rest + corner, rest + below)
    for at, text in enumerate(left_out):
        yield f"{'':>12}  {'':>10}  {rest}{'└─ ' if at == len(left_out) - 1 else '├─ '}{text}"


def _first_alike(children: list[Node]) -> tuple[list[Node], list[str]]:
    """Of very many of one kind the first, and how many there are besides."""
    counts: dict[tuple[str, str, str], int] = {}
    shown: list[Node] = []
    for child in children:
        kind = child.part, child.name, child.about.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= MOST_ALIKE:
            shown.append(child)
    texts = [
        f"{part}: {name} of {count - MOST_ALIKE} more of {kind} (-o json shows them)"
        for (part, name, kind), count in counts.items()
        if count > MOST_ALIKE
    ]
    return shown, texts


def duration(seconds: float) -> str:
    """`0.4 ms`, `812.0 ms`, `1.204 s`, `75 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.3f} s" if seconds < 60 else f"{seconds:.0f} s"


def clock_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"
