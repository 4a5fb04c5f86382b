"""Spans as a picture: one bar for each, below each other, in the colour of its part. SVG that needs nothing else.

The words of a bar stand at its right, or at its left where the right has no room; what follows from a span is indented below it by a line.
"""

from xml.sax.saxutils import escape, quoteattr

from pinnace.insight.collapse import More, ended, sections, told
from pinnace.insight.span_texts import details, part, sentence
from pinnace.insight.span_tree import clock_time, duration, took_of
from pinnace.insight.spans import Node

ROW, TOP, HEAD, WIDTH, MARGIN = 20, 60, 34, 1400, 20  # HEAD: above the rows of a section
LETTER = 6.2  # pixels of one of the words, on average; what is narrower stays free
TEXT_ROOM = 420.0  # pixels at the right of the last moment
MOST_ROWS = 500
_COLOURS = (
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#b07aa1",
    "#76b7b2",
    "#9c755f",
    "#edc948",
    "#ff9da7",
    "#bab0ac",
    "#8cd17d",
)
_FAILED, _QUIET, _LINE = "#d62728", "#666666", "#c8c8c8"
_STEPS = tuple(base * 10.0**power for power in range(-4, 6) for base in (1, 2, 5))

Row = tuple[Node | More, int]  # with the number of the row that it followed from, -1 for none


def as_svg(roots: list[Node], title: str, *, is_full: bool = False) -> str:
    parts, left_out = _limited([_rows(section, is_full) for section in sections(roots)])
    names = dict.fromkeys(_part(one) for rows in parts for one, _ in rows)
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}
    lines: list[str] = []
    y = TOP
    for rows in parts:
        lines += _section(rows, y, colours)
        y += HEAD + ROW * len(rows) + ROW
    if left_out:
        lines.append(f'<text x="{MARGIN}" y="{y}" fill="{_QUIET}">and {left_out} more rows</text>')
        y += ROW
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="22" font-size="15" font-weight="bold">{escape(_cut(title, WIDTH - 2 * MARGIN, 8.5))}</text>',
        *_legend(colours), *lines, "</svg>",
    ]) + "\n"  # fmt: skip


def _limited(parts: list[list[Row]]) -> tuple[list[list[Row]], int]:
    """As many rows as a picture may have, and how many are left out."""
    kept, room = [], MOST_ROWS
    for rows in parts:
        kept.append(rows[:room])
        room -= len(kept[-1])
    return [rows for rows in kept if rows], sum(map(len, parts)) - sum(map(len, kept))


def _section(rows: list[Row], top: int, colours: dict[str, str]) -> list[str]:
    """What belongs together in time, with an axis of its own."""
    begun = min(one.start for one, _ in rows)
    span = max(max(_end(one) for one, _ in rows) - begun, 1e-4)
    scale = (WIDTH - 2 * MARGIN - TEXT_ROOM) / span
    first = top + HEAD
    lines = [
        f'<text x="{MARGIN}" y="{top + 10}" fill="{_QUIET}">since {clock_time(begun)}, {duration(span)}</text>',
        *_axis(span, scale, first, first + ROW * len(rows)),
    ]
    for at, (one, above) in enumerate(rows):
        if above >= 0:
            lines.append(_branch(rows[above][0], above, one, at, begun, scale, first))
        lines += _bar(one, first + ROW * at, begun, begun + span, scale, colours[_part(one)])
    return lines


def _rows(roots: list[Node], is_full: bool) -> list[Row]:
    rows: list[Row] = []

    def add(one: Node | More, above: int) -> None:
        rows.append((one, above))
        if isinstance(one, Node):
            at = len(rows) - 1
            for child in told(one.children, is_full=is_full):
                add(child, at)

    for root in told(roots, is_full=is_full):
        add(root, -1)
    return rows


def _part(one: Node | More) -> str:
    return one.part if isinstance(one, More) else part(one)


def _end(one: Node | More) -> float:
    return one.end if isinstance(one, More) else ended(one)


def _legend(colours: dict[str, str]) -> list[str]:
    lines, x = [], float(MARGIN)
    for name, colour in colours.items():
        room = 22 + len(name) * LETTER
        if x + room > WIDTH - MARGIN:
            break  # the words of each bar name its part anyway
        lines.append(f'<rect x="{x:.1f}" y="34" width="10" height="10" rx="2" fill={quoteattr(colour)}/>')
        lines.append(f'<text x="{x + 14:.1f}" y="43" fill="{_QUIET}">{escape(name)}</text>')
        x += room + 8
    return lines


def _axis(span: float, scale: float, top: int, bottom: int) -> list[str]:
    step = next((one for one in _STEPS if span / one <= 8), span)
    lines = []
    for at in range(int(span / step) + 1):
        x = MARGIN + at * step * scale
        lines.append(f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#eeeeee"/>')
        lines.append(
            f'<text x="{x:.1f}" y="{top - 9}" fill="#888888" font-size="9">{_tick(at * step)}</text>'
        )
    return lines


def _tick(seconds: float) -> str:
    """`0`, `50 ms`, `0.5 ms`, `2 s`."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms" if seconds else "0"


def _branch(
    above: Node | More, row: int, one: Node | More, at: int, begun: float, scale: float, top: int
) -> str:
    """From the cause down and across to what followed: down where the effect begins, if the cause lasted till then, else where the cause began."""
    x = MARGIN + (above.start - begun) * scale + 3
    y = top + ROW * at + ROW / 2
    to = max(MARGIN + (one.start - begun) * scale, x)
    return (
        f'<path d="M {x:.1f} {top + ROW * row + ROW - 3} V {y:.1f} H {to:.1f}" fill="none" stroke="{_LINE}"/>'
    )


def _bar(one: Node | More, y: int, begun: float, last: float, scale: float, colour: str) -> list[str]:
    x = MARGIN + (one.start - begun) * scale
    end = last if one.end is None else one.end
    width = max(2.0, (end - one.start) * scale)
    if isinstance(one, More):
        words, hover, took = one.text, one.text, duration(one.end - one.start)
        shade, has_failed = ' fill-opacity="0.35"', bool(one.failed)
    else:
        words, has_failed = sentence(one), bool(one.facts.get("error"))
        hover = "\n".join([words, f"at +{duration(one.start - begun)}", *details(one)])
        took = took_of(one.seconds)
        shade = ' fill-opacity="0.5"' if one.end is None else ""
    return [
        f"<g><title>{escape(hover)}</title>",
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="2" fill={quoteattr(_FAILED if has_failed else colour)}{shade}/>',
        f"{_words(words, took, x, width, y, is_red=has_failed)}</g>",
    ]


def _words(words: str, took: str, x: float, width: float, y: int, *, is_red: bool) -> str:
    """At the right of the bar; inside it where the right has less room than the bar itself."""
    right = WIDTH - MARGIN - (x + width + 4)
    is_inside = right < (len(words) + len(took)) * LETTER and width > right
    at, room = (x + 6, width - 8) if is_inside else (x + width + 4, right)
    colour = "#ffffff" if is_inside else _FAILED if is_red else "#222222"
    pale = "#ffffff" if is_inside else "#888888"
    text = _cut(words, room - len(took) * LETTER)
    return f'<text x="{at:.1f}" y="{y + 14}" fill="{colour}">{escape(text)} <tspan fill="{pale}">{took}</tspan></text>'


def _cut(text: str, room: float, letter: float = LETTER) -> str:
    most = max(8, int(room / letter))
    return text if len(text) <= most else f"{text[: most - 1]}…"
