from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery import errors
from pinnace.apimachinery.patch import merge_patch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("abc", max_size=1), JSON, max_size=4)


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ],
)
def test_examples_of_the_rfc(
    document: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merge_patch.apply(document, patch) == expected


@pytest.mark.parametrize("patch", [[], "x", 1, None])
def test_a_patch_is_an_object(patch: Any) -> None:
    with pytest.raises(errors.BadRequest, match="error decoding patch"):
        merge_patch.apply({}, patch)


@given(OBJECTS, OBJECTS)
def test_idempotent_and_leaves_its_inputs_alone(document: dict[str, Any], patch: dict[str, Any]) -> None:
    before = (repr(document), repr(patch))
    once = merge_patch.apply(document, patch)
    assert merge_patch.apply(once, patch) == once
    assert (repr(document), repr(patch)) == before
