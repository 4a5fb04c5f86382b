"""Lists from the cache: order, ranges, and the index against a plain look at every object."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api import selector_text
from pinnace.apimachinery import selectors
from pinnace.apiserver.storage.contents import Contents
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.scope import Scope

VALUES = st.sampled_from(["", "a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), VALUES, max_size=2)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["x", "y"]), st.integers(0, 7), st.one_of(st.none(), st.tuples(LABELS, VALUES))
    ),
    max_size=40,
)
SCOPES = st.builds(
    Scope,
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(
        [
            "",
            "app=a",
            "app in (a,b)",
            "app!=a",
            "tier",
            "!tier",
            "app=a,tier=b",
            "app=",
            "app notin (a,b)",
            "app>1",
        ]
    ).map(selector_text.parse),
    st.sampled_from(
        ["", "spec.nodeName=a", "spec.nodeName!=a", "spec.nodeName=", "spec.nodeName=b,metadata.name=3"]
    ).map(selectors.parse_fields),
)


def item(namespace: str, name: str, labels: dict[str, str], node: str) -> Item:
    fields = {"metadata.name": name, "metadata.namespace": namespace}
    if node:
        fields["spec.nodeName"] = node
    raw = orjson.dumps({"metadata": {"name": name}})
    return Item(
        f"/r/{namespace}/{name}", raw, 1, namespace=namespace, name=name, labels=labels, fields=fields
    )


@given(CHANGES, st.lists(SCOPES, min_size=1, max_size=3))
def test_find_agrees_with_looking_at_every_object(
    changes: list[tuple[str, int, tuple[dict[str, str], str] | None]], scopes: list[Scope]
) -> None:
    contents, model = Contents(), dict[str, Item]()
    for namespace, number, state in changes:
        key = f"/r/{namespace}/{number}"
        if state is None:
            assert contents.remove(key) is model.pop(key, None)
        else:
            new = item(namespace, str(number), *state)
            assert contents.put(new) is model.get(key)
            model[key] = new
        for scope in scopes:
            start, end = (
                (f"/r/{scope.namespace}/", f"/r/{scope.namespace}0") if scope.namespace else ("/r/", "/r0")
            )
            expected = [model[key] for key in sorted(model) if scope.selects(model[key])]
            assert contents.find(start, end, scope) == expected
    assert len(contents) == len(model)


def test_find_within_a_range_of_keys() -> None:
    contents = Contents()
    contents.reset(item("x", name, {"app": "a"}, "") for name in "abcde")
    found = contents.find("/r/x/b", "/r/x/d", Scope(labels=selector_text.parse("app=a")))
    assert [one.name for one in found] == ["b", "c"]


def test_labels_that_are_asked_for_rarely_lose_their_index() -> None:
    contents = Contents()
    contents.reset(item("x", f"n{number}", {f"l{number}": "v"}, "") for number in range(50))
    for number in range(50):
        found = contents.find("/r/", "/r0", Scope(labels=selector_text.parse(f"l{number}=v")))
        assert [one.name for one in found] == [f"n{number}"]
