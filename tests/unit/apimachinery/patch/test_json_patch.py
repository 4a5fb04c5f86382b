import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery import errors
from pinnace.apimachinery.patch import json_patch

DOCUMENT: dict[str, Any] = {"a": {"b": [1, 2, 3]}, "a/b": 1, "m~n": 2, "flag": True, "none": None}


def op(name: str, path: str, **rest: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **{key.rstrip("_"): value for key, value in rest.items()}}


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        (op("add", "/a/b/1", value=9), ("a", "b"), [1, 9, 2, 3]),
        (op("add", "/a/b/-", value=9), ("a", "b"), [1, 2, 3, 9]),
        (op("add", "/a/b/3", value=9), ("a", "b"), [1, 2, 3, 9]),
        (op("add", "/a/c", value={"x": 1}), ("a", "c", "x"), 1),
        (op("remove", "/a/b/0"), ("a", "b"), [2, 3]),
        (op("replace", "/a~1b", value=5), ("a/b",), 5),
        (op("replace", "/m~0n", value=5), ("m~n",), 5),
        (op("replace", "/a/b/2", value=5), ("a", "b"), [1, 2, 5]),
        (op("move", "/c", from_="/a/b"), ("c",), [1, 2, 3]),
        (op("move", "/a/b/0", from_="/a/b/2"), ("a", "b"), [3, 1, 2]),
        (op("copy", "/c", from_="/a/b/0"), ("c",), 1),
        (op("test", "/a/b", value=[1, 2, 3]), ("a", "b"), [1, 2, 3]),
        (op("test", "/nowhere", value=None), ("flag",), True),
        (op("replace", "/a/x", value=1), ("a", "x"), 1),
        (op("copy", "/x", from_="/nowhere"), ("x",), None),
        (op("add", "/x"), ("x",), None),
        (op("add", "/a/b/01", value=9), ("a", "b"), [1, 9, 2, 3]),
        (op("add", "/a/b/-1", value=9), ("a", "b"), [1, 2, 3, 9]),
        (op("replace", "/a/b/-1", value=9), ("a", "b"), [1, 2, 9]),
        (op("add", "x/new", value=1), ("new",), 1),
        (op("replace", "", value={"new": 1}), ("new",), 1),
    ],
)
def test_operations(operation: dict[str, Any], path: tuple[str, ...], expected: Any) -> None:
    result: Any = json_patch.apply(DOCUMENT, [operation])
    for step in path:
        result = result[step]
    assert result == expected


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (
            op("replace", "/spec/x", value=1),
            "replace operation does not apply: doc is missing path: /spec/x: missing value",
        ),
        (
            op("replace", "/a/b/3", value=1),
            "replace operation does not apply: doc is missing key: /a/b/3: missing value",
        ),
        (
            op("add", "/x/y", value=1),
            'add operation does not apply: doc is missing path: "/x/y": missing value',
        ),
        (op("remove", "/x"), "Unable to remove nonexistent key: x"),
        (op("remove", "/a/b/3"), "invalid index: 3"),
        (op("add", "/a/b/9", value=1), "invalid index: 9"),
        (
            op("add", "/a/b/x", value=1),
            "error in add for path: '/a/b/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (op("remove", "/a/b/-4"), "invalid index: -4"),
        (op("replace", "/a/b/-", value=1), "doc is missing key: /a/b/-"),
        (op("test", "/flag", value=1), "testing value /flag failed"),
        (op("test", "/nowhere", value=1), "testing value /nowhere failed: test failed"),
        (op("test", "/x/y", value=1), "test operation does not apply: is missing path: /x/y: missing value"),
        (
            op("move", "/x", from_="/nowhere"),
            "error in move for path: 'nowhere': Unable to remove nonexistent key",
        ),
        (op("move", "/a/b/0", from_="/a"), "doc is missing destination path: /a/b/0"),
        (op("copy", "/x", from_="/x/y"), "copy operation does not apply: doc is missing from path: /x/y"),
        (op("copy", "/x"), "failed to decode from"),
        (op("add", "x", value=1), 'doc is missing path: "x"'),
        ({"op": "add"}, "add operation failed to decode path: missing value"),
        (
            {"op": "replace"},
            "replace operation failed to decode path: operation missing path field: missing value",
        ),
        ({}, "Unexpected kind: unknown"),
        (op("remove", ""), "missing path"),
        (op("frobnicate", "/x"), "Unexpected kind: frobnicate"),
    ],
)
def test_what_does_not_apply_is_invalid(operation: dict[str, Any], reason: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        json_patch.apply(DOCUMENT, [operation])
    assert caught.value.message.startswith("the server rejected our request due to an error in our request: ")
    assert reason in caught.value.message


@pytest.mark.parametrize("operations", [{}, None, "x", [1], [[]]])
def test_what_is_no_list_of_operations_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(errors.BadRequest):
        json_patch.apply(DOCUMENT, operations)


def test_the_document_must_stay_an_object() -> None:
    with pytest.raises(errors.BadRequest):
        json_patch.apply(DOCUMENT, [op("replace", "", value=[])])


def test_too_many_operations() -> None:
    with pytest.raises(errors.RequestEntityTooLarge, match="is 10000, got 10001"):
        json_patch.apply({}, [op("test", "/x", value=None)] * 10_001)


def test_all_or_nothing_and_inputs_untouched() -> None:
    before = repr(DOCUMENT)
    value: dict[str, Any] = {}
    result = json_patch.apply(DOCUMENT, [op("add", "/x", value=value), op("add", "/x/y", value=1)])
    assert result["x"] == {"y": 1}
    assert value == {}
    assert result["a"] is not DOCUMENT["a"]
    with pytest.raises(errors.Invalid):
        json_patch.apply(DOCUMENT, [op("remove", "/a"), op("remove", "/a")])
    assert repr(DOCUMENT) == before


KEYS = st.text("ab/~", min_size=1, max_size=3)
VALUES = st.recursive(
    st.integers(-3, 3) | st.booleans() | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), KEYS, VALUES)
def test_add_then_test_then_remove_is_as_before(document: dict[str, Any], key: str, value: Any) -> None:
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    added = json_patch.apply(document, [op("add", path, value=value), op("test", path, value=value)])
    assert added[key] == value
    document.pop(key, None)
    assert json_patch.apply(added, [op("remove", path)]) == document


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.data())
def test_move_there_and_back(document: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(document)))
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    back = json_patch.apply(
        document, [op("move", "/elsewhere", from_=path), op("move", path, from_="/elsewhere")]
    )
    assert back == document


def test_copies_of_copies_do_not_fill_the_memory() -> None:
    """Each doubles the document: thirty-two short operations would make gigabytes."""
    doubling = [op("copy", f"/x/{number}", from_="/x") for number in range(32)]
    with pytest.raises(errors.Invalid, match="accumulated size increase of copy is"):
        json_patch.apply({"x": {"y": "z" * 100}}, doubling)
    assert json_patch.apply({"x": {"y": 1}}, doubling[:2]) == {
        "x": {"y": 1, "0": {"y": 1}, "1": {"y": 1, "0": {"y": 1}}}
    }


def test_what_was_copied_or_added_is_no_longer_what_it_came_from() -> None:
    added: dict[str, Any] = {"k": 1}
    operations = [
        op("add", "/x", value=added), op("copy", "/y", from_="/x"), op("replace", "/x/k", value=2),
        op("add", "/z", value=added), op("add", "/z/k", value=3),
    ]  # fmt: skip
    assert json_patch.apply({}, operations) == {"x": {"k": 2}, "y": {"k": 1}, "z": {"k": 3}}
    assert added == {"k": 1}


def test_ten_thousand_operations_on_a_long_list_take_no_copy_of_it_each() -> None:
    begin = time.perf_counter()
    json_patch.apply({"x": [0] * 500_000}, [op("replace", "/x/7", value=1)] * 10_000)
    assert time.perf_counter() - begin < 3


@pytest.mark.parametrize("index", ["²", "٣", "9" * 5000])
def test_odd_numbers_are_no_index(index: str) -> None:
    with pytest.raises(errors.Invalid, match=r"strconv\.Atoi: parsing"):
        json_patch.apply({"x": [1]}, [op("remove", f"/x/{index}")])
