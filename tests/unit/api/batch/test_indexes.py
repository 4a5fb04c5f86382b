"""Sets of completion indexes, against sets of numbers."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.batch.indexes import IndexSet, count

NUMBERS = st.sets(st.integers(0, 40), max_size=30)


@given(NUMBERS, NUMBERS)
def test_sets_behave_as_sets(one, other):
    a, b = IndexSet.of(one), IndexSet.of(other)
    assert len(a) == len(one)
    assert (a | b) == IndexSet.of(one | other)
    assert a.overlap(b) == len(one & other)
    assert [index for index in range(45) if index in a] == sorted(one)
    assert list(islice(a.missing(41), 50)) == [index for index in range(41) if index not in one]


@given(NUMBERS)
def test_text_reads_back_and_is_valid(numbers):
    text = str(IndexSet.of(numbers))
    assert IndexSet.parse(text, 41) == IndexSet.of(numbers)
    assert count(text, 41) == len(numbers)


def test_text_is_as_upstream_writes_it():
    assert str(IndexSet.of([0, 2, 3, 5, 6, 7])) == "0,2,3,5-7"


def test_what_cannot_be_read_or_is_too_high_is_dropped():
    assert str(IndexSet.parse("0,x,2-9,11", 5)) == "0,2-4"
