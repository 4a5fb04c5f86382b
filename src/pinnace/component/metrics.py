"""Numbers for monitoring, and their text: what every part counts with, and how a scrape shows it (Prometheus text, OpenMetrics).

Counting is an addition to a plain attribute. Names, labels and help are put to the numbers only when somebody scrapes.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def exponential(first: float, factor: float, count: int) -> tuple[float, ...]:
    return tuple(float(f"{first * factor**step:.9g}") for step in range(count))


class Histogram:
    """`counts[i]` are the values up to `bounds[i]` that the bounds before do not hold; the last are all others."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: list[float]) -> None:
        """The same for many values, which are sorted in place: a small part of the time of one after the other."""
        values.sort()
        done = 0
        for place, bound in enumerate(self.bounds):
            at = bisect_right(values, bound, done)
            self.counts[place] += at - done
            done = at
        self.counts[-1] += len(values) - done
        self.total += sum(values)

    @property
    def count(self) -> int:
        return sum(self.counts)


Sample = tuple[tuple[str, ...], "float | Histogram"]


class Family(NamedTuple):
    """`kind` is gauge, counter or histogram; the name of a counter is whole (`..._total`)."""

    name: str
    help: str
    kind: str
    labels: tuple[str, ...]
    samples: Iterable[Sample]


Source = Callable[[], Iterable[Family]]
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def media_type(accept: str) -> str:
    """OpenMetrics for who prefers it, the classic text for all others."""
    best, chosen = 0.0, TEXT
    for clause in accept.split(","):
        media, *parameters = (part.strip().lower() for part in clause.split(";"))
        found = {"application/openmetrics-text": OPENMETRICS, "text/plain": TEXT}.get(media)
        weight = next((_weight(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if found and weight > best:
            best, chosen = weight, found
    return chosen


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def render(families: Iterable[Family], media: str = TEXT) -> bytes:
    """Families without samples are left out; those of one name are joined."""
    joined: dict[str, tuple[Family, list[Sample]]] = {}
    for family in families:
        joined.setdefault(family.name, (family, []))[1].extend(family.samples)
    lines: list[str] = []
    for name in sorted(joined):
        family, samples = joined[name]
        if samples:
            lines += _family(family, samples, is_open=media == OPENMETRICS)
    if media == OPENMETRICS:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def _family(family: Family, samples: list[Sample], *, is_open: bool) -> Iterator[str]:
    title = sample = family.name
    if (
        is_open and family.kind == "counter"
    ):  # there, every sample of a counter ends in _total, and its title does not
        title = family.name.removesuffix("_total")
        sample = f"{title}_total"
    text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {title} {text}\n# TYPE {title} {family.kind}\n"
    order = sorted(range(len(family.labels)), key=family.labels.__getitem__)
    for values, value in samples:
        labels = ",".join(f'{family.labels[at]}="{values[at].translate(_ESCAPES)}"' for at in order)
        if isinstance(value, Histogram):
            yield from _histogram(sample, labels, value)
        else:
            yield f"{sample}{{{labels}}} {number(value)}\n" if labels else f"{sample} {number(value)}\n"


def _histogram(name: str, labels: str, histogram: Histogram) -> Iterator[str]:
    running, before = 0, f"{labels}," if labels else ""
    for bound, count in zip((*histogram.bounds, math.inf), histogram.counts, strict=True):
        running += count
        yield f'{name}_bucket{{{before}le="{number(bound)}"}} {running}\n'
    braced = f"{{{labels}}}" if labels else ""
    yield f"{name}_sum{braced} {number(histogram.total)}\n{name}_count{braced} {running}\n"


def number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
