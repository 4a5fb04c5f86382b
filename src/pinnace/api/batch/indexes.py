"""Sets of completion indexes as Jobs write them: `1,3-5,7`, in ascending order."""

from collections.abc import Iterator

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
