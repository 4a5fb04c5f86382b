"""Which fields two objects differ in, as validation would write them."""

import pytest

from pinnace.apiserver.admission.examination import changed_fields


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1}}, []),
        ({"spec": {"a": 1}}, {"spec": {"a": 2, "b": 1}}, ["spec.a", "spec.b"]),
        ({"spec": {"a": 1}}, {"spec": {}}, ["spec.a"]),
        ({"m": {}}, {"m": {"example.com/x": "y"}}, ["m[example.com/x]"]),
        ({"l": [{"n": 1}, {"n": 2}]}, {"l": [{"n": 1}, {"n": 3}]}, ["l[1].n"]),
        ({"l": [1]}, {"l": [1, 2, 3]}, ["l[1]", "l[2]"]),
        ({"l": [1, 2]}, {"l": [2]}, ["l"]),
        ({"a": {"b": 1}}, {"a": None}, ["a"]),
    ],
)
def test_changed_fields(before: object, after: object, fields: list[str]) -> None:
    assert list(changed_fields(before, after)) == fields
