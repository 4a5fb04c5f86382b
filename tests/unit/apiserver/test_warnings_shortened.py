"""Warnings of one answer: all of them, while a head of usual size holds them."""

from pinnace.apiserver.filters.errors import LONGEST_WARNING, MOST_WARNED, shortened


def test_few_warnings_stay_as_they_are() -> None:
    assert list(shortened(["a" * 1000, "b"])) == ["a" * 1000, "b"]


def test_too_many_are_cut_and_the_last_ones_go() -> None:
    cut = list(shortened(f"{number:04}" + "x" * 5000 for number in range(100)))
    assert all(len(text) == LONGEST_WARNING for text in cut)
    assert sum(map(len, cut)) <= MOST_WARNED
    assert cut[0].startswith("0000")
