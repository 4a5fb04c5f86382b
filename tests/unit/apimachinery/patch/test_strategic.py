from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.patch import merge_patch, strategic
from pinnace.apimachinery.schema import Schema, SchemaSet

SCHEMAS = SchemaSet()


def schema_of(kind: str, group: str = "") -> Schema:
    found = SCHEMAS.for_gvk(GVK(group, "v1", kind))
    assert found is not None
    return found


POD, DEPLOYMENT = schema_of("Pod"), schema_of("Deployment", "apps")


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": list(containers), **spec}}


def patched_names(original: str, patch: list[Any], order: str | None = None) -> list[str]:
    spec: dict[str, Any] = {"containers": patch}
    if order is not None:
        spec["$setElementOrder/containers"] = [{"name": name} for name in order]
    document = pod(*({"name": name, "image": "old"} for name in original))
    return [c["name"] for c in strategic.apply(document, {"spec": spec}, POD)["spec"]["containers"]]


def test_lists_merge_by_key_at_every_level() -> None:
    document = pod(
        {"name": "web", "image": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        {"name": "side", "image": "s"},
    )
    patch = {"spec": {"containers": [{"name": "web", "image": "b", "env": [{"name": "Y", "value": "3"}]}]}}
    web, side = strategic.apply(document, patch, POD)["spec"]["containers"]
    assert web == {
        "name": "web",
        "image": "b",
        "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "3"}],
    }
    assert side == {"name": "side", "image": "s"}


def test_ports_merge_by_the_patch_merge_key_alone() -> None:
    document = pod({"name": "web", "ports": [{"containerPort": 80, "protocol": "TCP"}]})
    patch = {"spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80, "name": "http"}]}]}}
    (web,) = strategic.apply(document, patch, POD)["spec"]["containers"]
    assert web["ports"] == [{"containerPort": 80, "protocol": "TCP", "name": "http"}]


def test_lists_without_merge_strategy_are_replaced() -> None:
    document = pod({"name": "web", "command": ["a", "b"]}, tolerations=[{"key": "x"}])
    patch = {"spec": {"containers": [{"name": "web", "command": ["c"]}], "tolerations": [{"key": "y"}]}}
    spec = strategic.apply(document, patch, POD)["spec"]
    assert spec["containers"][0]["command"] == ["c"]
    assert spec["tolerations"] == [{"key": "y"}]


def test_null_removes_and_is_dropped_from_new_content() -> None:
    document = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    patch = {"metadata": {"labels": {"a": None, "zz": None}, "annotations": {"x": None, "y": "1"}}}
    assert strategic.apply(document, patch, POD) == {
        "metadata": {"labels": {"b": "2"}, "annotations": {"y": "1"}}
    }


def test_patch_replace_delete_and_merge_on_objects() -> None:
    document = {"spec": {"securityContext": {"runAsUser": 1, "fsGroup": 2}}}

    def context(patch: dict[str, Any]) -> Any:
        return strategic.apply(document, {"spec": {"securityContext": patch}}, POD)["spec"]["securityContext"]

    assert context({"$patch": "replace", "runAsUser": 3}) == {"runAsUser": 3}
    assert context({"$patch": "delete"}) == {}
    assert context({"$patch": "merge", "runAsUser": 3}) == {"runAsUser": 3, "fsGroup": 2}
    with pytest.raises(errors.BadRequest, match="unknown patch type: explode in map: "):
        context({"$patch": "explode"})


def test_patch_directives_on_list_elements() -> None:
    assert patched_names("abc", [{"$patch": "delete", "name": "b"}]) == ["a", "c"]
    assert patched_names("abc", [{"$patch": "replace"}, {"name": "z"}]) == ["z"]
    assert patched_names("abc", [{"$patch": "merge", "name": "d"}]) == ["a", "b", "c", "d"]
    with pytest.raises(errors.BadRequest, match="unknown patch type"):
        patched_names("a", [{"$patch": "explode", "name": "a"}])
    with pytest.raises(errors.BadRequest, match="does not contain declared merge key: name"):
        patched_names("a", [{"$patch": "delete"}])


def test_directives_never_reach_the_document() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"$patch": "delete", "name": "gone"}, {"name": "a", "$retainKeys": ["name"]}],
            "volumes": [{"$patch": "replace"}, {"name": "v", "$patch": "merge"}],
            "$deleteFromPrimitiveList/finalizers": ["x"],
        }
    }
    assert strategic.apply({}, patch, POD) == {
        "spec": {"containers": [{"name": "a"}], "volumes": [{"name": "v"}]}
    }


@pytest.mark.parametrize(
    ("original", "patch", "order", "expected"),
    [
        ("abc", "", "cab", "cab"),
        ("abc", "d", "dabc", "dabc"),
        ("abxc", "", "cab", "xcab"),  # x is the server's own: it stays before c, which it preceded
        ("abc", "d", "cd", "abcd"),
        ("", "ab", "ab", "ab"),
        ("abc", "ca", None, "bca"),
        ("abc", "d", None, "dabc"),
    ],
)
def test_element_order(original: str, patch: str, order: str | None, expected: str) -> None:
    assert "".join(patched_names(original, [{"name": name} for name in patch], order)) == expected


def test_an_order_that_contradicts_the_patch_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="doesn't match"):
        patched_names("ab", [{"name": "b"}, {"name": "a"}], "ab")
    with pytest.raises(errors.BadRequest, match="setElementOrder"):
        strategic.apply(pod(), {"spec": {"$setElementOrder/containers": "x"}}, POD)


def test_primitive_lists_with_merge_strategy() -> None:
    document = {"metadata": {"finalizers": ["a", "b", "c"]}}

    def finalizers(**patch: Any) -> list[str]:
        return strategic.apply(document, {"metadata": patch}, POD)["metadata"]["finalizers"]

    assert sorted(finalizers(finalizers=["d", "a"])) == ["a", "b", "c", "d"]
    assert finalizers(**{"$deleteFromPrimitiveList/finalizers": ["b"]}) == ["a", "c"]
    both: dict[str, Any] = {
        "$deleteFromPrimitiveList/finalizers": ["b"],
        "$setElementOrder/finalizers": ["d", "c", "a"],
        "finalizers": ["d"],
    }
    assert finalizers(**both) == ["d", "c", "a"]
    with pytest.raises(errors.BadRequest, match="invalid patch format of primitive list"):
        finalizers(**{"$deleteFromPrimitiveList/finalizers": [{}]})


def test_retain_keys_clears_the_other_members_of_a_union() -> None:
    document = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(document, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}
    volumes = pod(volumes=[{"name": "v", "emptyDir": {}}])
    change = {
        "spec": {
            "volumes": [
                {
                    "$retainKeys": ["name", "hostPath"],
                    "name": "v",
                    "hostPath": {"path": "/"},
                    "emptyDir": None,
                }
            ]
        }
    }
    assert strategic.apply(volumes, change, POD)["spec"]["volumes"] == [
        {"name": "v", "hostPath": {"path": "/"}}
    ]
    with pytest.raises(errors.BadRequest, match="invalid patch format of retainKeys"):
        strategic.apply(document, {"spec": {"strategy": {"$retainKeys": ["type"], "x": 1}}}, DEPLOYMENT)


def test_a_field_with_replace_strategy_is_replaced_whole() -> None:
    budget = schema_of("PodDisruptionBudget", "policy")
    document = {"spec": {"selector": {"matchLabels": {"a": "1"}}}}
    patch = {"spec": {"selector": {"matchLabels": {"b": "2"}}}}
    assert strategic.apply(document, patch, budget) == patch


@pytest.mark.parametrize("patch", [[], "x", None, 3])
def test_a_patch_is_an_object(patch: Any) -> None:
    with pytest.raises(errors.BadRequest):
        strategic.apply({}, patch, POD)


def test_lists_of_lists_and_missing_keys_are_refused() -> None:
    with pytest.raises(errors.BadRequest, match="lists of lists"):
        strategic.apply(pod({"name": "a"}), {"spec": {"containers": [[1]]}}, POD)
    with pytest.raises(errors.BadRequest, match="does not contain declared merge key: name"):
        strategic.apply(pod({"name": "a"}), {"spec": {"containers": [{"image": "x"}]}}, POD)
    with pytest.raises(errors.BadRequest, match="no plain value"):
        strategic.apply(pod({"name": "a"}), {"spec": {"containers": [{"name": {}}]}}, POD)


KEYS = st.text("abc", min_size=1, max_size=1)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5),
    lambda inner: (
        st.lists(st.integers(0, 3), max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, PLAIN, max_size=4)


@given(OBJECTS, OBJECTS)
def test_without_schema_it_is_a_merge_patch(document: dict[str, Any], patch: dict[str, Any]) -> None:
    assert strategic.apply(document, patch, None) == merge_patch.apply(document, patch)


NAMES = st.lists(st.sampled_from("abcdefg"), unique=True)


@given(NAMES, NAMES)
def test_merging_lists_keeps_everybody_and_the_order_of_the_patch(
    original: list[str], patch: list[str]
) -> None:
    names = patched_names("".join(original), [{"name": name} for name in patch])
    assert sorted(names) == sorted(set(original) | set(patch))
    assert [name for name in names if name in patch] == patch
    others = [name for name in names if name not in patch]
    assert others == [name for name in original if name not in patch]
    assert patched_names("".join(names), [{"name": name} for name in patch]) == names


@pytest.mark.parametrize("names", [[[]], [{}], "type", None, [1]])
def test_retain_keys_holds_names_only(names: Any) -> None:
    with pytest.raises(errors.BadRequest, match="invalid patch format of retainKeys"):
        strategic.apply(
            {"spec": {"strategy": {}}}, {"spec": {"strategy": {"$retainKeys": names}}}, DEPLOYMENT
        )
