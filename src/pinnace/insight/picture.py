"""Spans as a picture: one bar for each, below each other, in the colour of its part. SVG that needs nothing else."""

from xml.sax.saxutils import escape, quoteattr

from pinnace.insight.span_texts import details, part, sentence
from pinnace.insight.span_tree import clock_time, duration
from pinnace.insight.spans import Node, walk

ROW, TOP, WIDTH, MARGIN = 20, 60, 1400, 20
TEXT_ROOM = 620.0  # pixels at the right that the words of the last bars may need
MOST_ROWS = 500
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2", "#9c755f", "#edc948", "#ff9da7")
_STEPS = tuple(base * 10.0**power for power in range(-4, 5) for base in (1, 2, 5))


def as_svg(roots: list[Node], title: str) -> str:
    rows = list(walk(roots))
    left_out, rows = max(0, len(rows) - MOST_ROWS), rows[:MOST_ROWS]
    begun = min((node.start for _, node in rows), default=0.0)
    ended = max((node.end or node.start for _, node in rows), default=0.0)
    span = max(ended - begun, 1e-4)
    scale = (WIDTH - 2 * MARGIN - TEXT_ROOM) / span
    colours = {
        name: _COLOURS[at % len(_COLOURS)]
        for at, name in enumerate(dict.fromkeys(part(node) for _, node in rows))
    }
    height = TOP + ROW * (len(rows) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="{MARGIN}" y="38" fill="#666666">since {clock_time(begun)}, {duration(span)}</text>',
        *_axis(span, scale, height),
    ]
    for at, (_, node) in enumerate(rows):
        lines += _bar(node, TOP + ROW * at, begun, ended, scale, colours[part(node)])
    if left_out:
        y = TOP + ROW * len(rows) + 14
        lines.append(f'<text x="{MARGIN}" y="{y}" fill="#666666">and {left_out} more spans</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _axis(span: float, scale: float, height: int) -> list[str]:
    step = next((one for one in _STEPS if span / one <= 8), span)
    lines = []
    for at in range(int(span / step) + 1):
        x = MARGIN + at * step * scale
        lines.append(
            f'<line x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{height - ROW}" stroke="#e0e0e0"/>'
        )
        lines.append(
            f'<text x="{x:.1f}" y="{TOP - 14}" fill="#888888" font-size="9">{duration(at * step)}</text>'
        )
    return lines


def _bar(node: Node, y: int, begun: float, ended: float, scale: float, colour: str) -> list[str]:
    x = MARGIN + (node.start - begun) * scale
    width = max(2.0, ((ended if node.end is None else node.end) - node.start) * scale)
    words = sentence(node)
    hover = "\n".join([words, f"at +{duration(node.start - begun)}", *details(node)])
    took = "goes on" if node.seconds is None else duration(node.seconds)
    shade = ' fill-opacity="0.5"' if node.end is None else ""
    return [
        f"<g><title>{escape(hover)}</title>",
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="2" fill={quoteattr(colour)}{shade}/>',
        f'<text x="{x + width + 4:.1f}" y="{y + 14}">{escape(words)} <tspan fill="#888888">{took}</tspan></text></g>',
    ]
