"""Sets of completion indexes as Jobs write them: `1,3-5,7`, in ascending order."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Interval = tuple[int, int]  # first and last index, both included


class IndexesError(ValueError):
    """Text that names no such set; the message is upstream's."""


def count(text: str, completions: int) -> int:
    """How many indexes `text` names, all below `completions`."""
    total, last = 0, -1
    for first, end in intervals(text, completions):
        if total and last >= first:
            raise IndexesError(f"non-increasing order, previous: {last}, current: {first}")
        total += end - first + 1
        last = end
    return total


def intervals(text: str, completions: int) -> Iterator[Interval]:
    for fragment in text.split(",") if text else ():
        yield _interval(fragment, completions)


def first_common(one: str, other: str, completions: int) -> int | None:
    """The lowest index that both name; fragments that cannot be read are left to `count`."""
    found = [
        max(a_first, b_first)
        for a_first, a_end in _readable(one, completions)
        for b_first, b_end in _readable(other, completions)
        if a_first <= b_end and b_first <= a_end
    ]
    return min(found, default=None)


def _readable(text: str, completions: int) -> list[Interval]:
    found = []
    for fragment in text.split(",") if text else ():
        try:
            found.append(_interval(fragment, completions))
        except IndexesError:
            continue
    return found


def _interval(fragment: str, completions: int) -> Interval:
    parts = fragment.split("-")
    if len(parts) > 2:
        raise IndexesError(
            f"the fragment \"{fragment}\" violates the requirement that an index interval can have at most two parts separated by '-'"
        )
    numbers = [_index(part, completions) for part in parts]
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise IndexesError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise IndexesError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise IndexesError(f'too large index: "{text}"')
    return int(text)


@dataclass(frozen=True, slots=True)
class IndexSet:
    """A set of indexes as ordered intervals that do not touch: its cost is that of its text, not of its size."""

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def parse(cls, text: str, completions: int) -> "IndexSet":
        """What a status says; unlike `count` it drops what cannot be read and indexes that are too high."""
        found = []
        for fragment in text.split(",") if text else ():
            first, _, last = fragment.partition("-")
            if not first.isdecimal() or (last and not last.isdecimal()):
                continue
            if int(first) < completions:
                found.append((int(first), min(int(last or first), completions - 1)))
        return cls(_joined(found))

    @classmethod
    def of(cls, indexes: Iterable[int]) -> "IndexSet":
        return cls(_joined(sorted((index, index) for index in set(indexes))))

    def __or__(self, other: "IndexSet") -> "IndexSet":
        if not other.intervals:
            return self
        return IndexSet(_joined(sorted((*self.intervals, *other.intervals))))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __contains__(self, index: int) -> bool:
        at = bisect_left(self.intervals, index, key=lambda interval: interval[1])
        return at < len(self.intervals) and self.intervals[at][0] <= index

    def __str__(self) -> str:
        """Two neighbours are written apart (`1,2`), three and more as a range."""
        return ",".join(
            str(first) if first == last else f"{first}{',' if last == first + 1 else '-'}{last}"
            for first, last in self.intervals
        )

    def overlap(self, other: "IndexSet") -> int:
        """How many indexes both have."""
        total = mine = theirs = 0
        while mine < len(self.intervals) and theirs < len(other.intervals):
            (a_first, a_last), (b_first, b_last) = self.intervals[mine], other.intervals[theirs]
            total += max(0, min(a_last, b_last) - max(a_first, b_first) + 1)
            mine, theirs = mine + (a_last <= b_last), theirs + (b_last <= a_last)
        return total

    def missing(self, completions: int) -> Iterator[int]:
        """The indexes below `completions` that are not in the set, lowest first."""
        candidate = 0
        for first, last in self.intervals:
            yield from range(candidate, min(first, completions))
            candidate = max(candidate, last + 1)
        yield from range(candidate, completions)


def _joined(ordered: Iterable[Interval]) -> tuple[Interval, ...]:
    found: list[Interval] = []
    for first, last in ordered:
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)
