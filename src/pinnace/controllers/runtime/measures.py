"""What single controllers count of their own work, under upstream's names, beside what `metrics` tells of every queue.

A measure has a sample once something was counted; until then it costs nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pinnace.api.meta import Object
from pinnace.component.metrics import Family, Histogram


class Measure(NamedTuple):
    """With `bounds` a histogram, else a counter."""

    name: str
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Passes:
    """Passes over an object, by labels of the object (None: not measured), their result, and what they did to pods."""

    total: Measure
    duration: Measure
    labels: Callable[[Object], tuple[str, ...] | None]


class Measures:
    __slots__ = ("_counters", "_histograms")

    def __init__(self) -> None:
        self._counters: dict[Measure, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[Measure, dict[tuple[str, ...], Histogram]] = {}

    def count(self, measure: Measure, labels: tuple[str, ...], by: int = 1) -> None:
        found = self._counters.setdefault(measure, {})
        found[labels] = found.get(labels, 0) + by

    def observe(self, measure: Measure, labels: tuple[str, ...], value: float) -> None:
        found = self._histograms.setdefault(measure, {})
        if labels not in found:
            found[labels] = Histogram(measure.bounds)
        found[labels].observe(value)

    def families(self) -> Iterator[Family]:
        for one, counted in self._counters.items():
            yield Family(one.name, one.help, "counter", one.labels, list(counted.items()))
        for one, observed in self._histograms.items():
            yield Family(one.name, one.help, "histogram", one.labels, list(observed.items()))
