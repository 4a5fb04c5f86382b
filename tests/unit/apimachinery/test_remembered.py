"""Remembered answers: found by value, bounded, nothing long."""

from pinnace.apimachinery.remembered import Remembered


def test_an_equal_value_finds_the_answer_under_its_own_name_only() -> None:
    known: Remembered[int] = Remembered()
    known.put(known.key("f", {"a": [1, "x"]}), 7)
    assert known.get(known.key("f", {"a": [1, "x"]})) == 7
    assert known.get(known.key("g", {"a": [1, "x"]})) is None
    assert known.get(known.key("f", {"a": [True, "x"]})) is None, "true is not 1"


def test_the_oldest_makes_room_and_long_values_are_not_kept() -> None:
    known: Remembered[int] = Remembered(entries=2, longest=10)
    for number in range(3):
        known.put(known.key("f", number), number)
    assert [known.get(known.key("f", number)) for number in range(3)] == [None, 1, 2]
    long = known.key("f", "x" * 20)
    assert known.put(long, 5) == 5
    assert known.get(long) is None
