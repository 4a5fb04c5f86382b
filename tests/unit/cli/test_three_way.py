"""The patch of a client-side apply."""

from typing import Any

from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.patch import strategic
from pinnace.apimachinery.schema import schemas
from pinnace.cli.three_way import patch_for

DEPLOYMENT = schemas.for_gvk(GVK("apps", "v1", "Deployment"))
Object = dict[str, Any]


def deployment(containers: list[Object], **spec: Any) -> Object:
    return {"metadata": {"name": "web"}, "spec": {**spec, "template": {"spec": {"containers": containers}}}}


def test_nothing_to_do_gives_no_patch() -> None:
    applied = deployment([{"name": "a", "image": "1"}])
    live = deployment([{"name": "a", "image": "1", "imagePullPolicy": "Always"}], replicas=3)
    assert patch_for(applied, applied, live, DEPLOYMENT) == {}


def test_what_the_server_filled_in_stays_and_what_the_manifest_dropped_goes() -> None:
    before = deployment([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}], replicas=2)
    after = deployment([{"name": "a", "image": "2"}])
    live = deployment(
        [{"name": "a", "image": "1", "tty": True}, {"name": "b", "image": "1"}, {"name": "sidecar"}],
        replicas=2,
    )
    patch = patch_for(before, after, live, DEPLOYMENT)
    assert patch["spec"]["replicas"] is None
    assert patch["spec"]["template"]["spec"]["containers"] == [
        {"image": "2", "name": "a"},
        {"$patch": "delete", "name": "b"},
    ]
    merged = strategic.apply(live, patch, DEPLOYMENT)
    names = {c["name"]: c for c in merged["spec"]["template"]["spec"]["containers"]}
    assert names == {"a": {"name": "a", "image": "2", "tty": True}, "sidecar": {"name": "sidecar"}}


def test_lists_of_values_that_merge_keep_the_values_of_others() -> None:
    pod = schemas.for_gvk(GVK("", "v1", "Pod"))
    before, after = {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}}
    live = {"metadata": {"finalizers": ["a", "b", "x"]}}
    patch = patch_for(before, after, live, pod)
    assert sorted(strategic.apply(live, patch, pod)["metadata"]["finalizers"]) == ["b", "c", "x"]


def test_without_a_schema_lists_are_sent_whole() -> None:
    patch = patch_for({"l": [1], "gone": 1}, {"l": [1, 2]}, {"l": [1], "gone": 1, "other": 2}, None)
    assert patch == {"l": [1, 2], "gone": None}
