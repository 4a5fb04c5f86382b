import orjson
import pytest

from pinnace.api.resources import PODS, TABLE, Resource
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.discovery import Discovery, aggregated_version, version_order

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = V2.replace("v=v2", "v=v2beta1")


def document(path: str, accept: str = "") -> dict:
    answer = Discovery(TABLE).answer(path, accept)
    assert answer is not None
    return orjson.loads(answer.body)


def by_name(resources: list[dict]) -> dict[str, dict]:
    return {resource["name"]: resource for resource in resources}


def test_core_list_as_upstream() -> None:
    core = document("/api/v1")
    assert (core["kind"], core["groupVersion"]) == ("APIResourceList", "v1")
    found = by_name(core["resources"])
    assert found["pods"] == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["po"],
        "categories": ["all"],
        "storageVersionHash": "xPOwRZ+Yhw8=",
    }
    assert found["pods/eviction"]["group"] == "policy"
    assert found["pods/log"]["verbs"] == ["get"]
    assert "storageVersionHash" not in found["bindings"]
    assert list(found) == sorted(found)


def test_events_of_both_groups_have_the_hash_of_their_common_storage() -> None:
    core = by_name(document("/api/v1")["resources"])["events"]
    grouped = by_name(document("/apis/events.k8s.io/v1")["resources"])["events"]
    assert core["storageVersionHash"] == grouped["storageVersionHash"] == "r2yiGXH7wu8="


def test_groups() -> None:
    assert document("/api")["versions"] == ["v1"]
    groups = [entry["name"] for entry in document("/apis")["groups"]]
    assert groups[:2] == ["apiregistration.k8s.io", "apps"]
    assert groups[-1] == "metrics.k8s.io"
    assert document("/apis/apps")["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}


@pytest.mark.parametrize(
    "path", ["/apis/nope", "/apis/apps/v9", "/api/v2", "/api/v1/pods", "/", "", "/apis//v1"]
)
def test_other_paths_have_no_document(path: str) -> None:
    assert Discovery(TABLE).answer(path) is None


def test_aggregated() -> None:
    core = document("/api", V2)
    assert core["apiVersion"] == "apidiscovery.k8s.io/v2"
    (item,) = core["items"]
    assert item["metadata"] == {"creationTimestamp": None}
    pods = next(one for one in item["versions"][0]["resources"] if one["resource"] == "pods")
    assert pods["responseKind"] == {"group": "", "version": "", "kind": "Pod"}
    assert pods["scope"] == "Namespaced"
    eviction = next(one for one in pods["subresources"] if one["subresource"] == "eviction")
    assert eviction["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    assert document("/apis", V2BETA1)["apiVersion"] == "apidiscovery.k8s.io/v2beta1"


def test_aggregated_answer_can_be_revalidated() -> None:
    answer = Discovery(TABLE).answer("/apis", V2)
    assert answer is not None
    assert answer.content_type == V2
    assert answer.is_known_to(answer.etag)
    assert not answer.is_known_to('"other"')
    assert not answer.is_known_to("")


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("", ""),
        ("application/json", ""),
        (f"{V2},{V2BETA1},application/json", "v2"),
        (f"{V2BETA1},application/json", "v2beta1"),
        (f"application/json, {V2}", ""),
        (
            f"application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,{V2}",
            "v2",
        ),
        ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json", ""),
    ],
)
def test_accept(accept: str, version: str) -> None:
    assert aggregated_version(accept) == version


def test_versions_by_stability_then_number() -> None:
    names = ["v1alpha1", "v1", "v2beta1", "v2", "v1beta2", "v10", "nightly"]
    assert sorted(names, key=version_order) == [
        "v10",
        "v2",
        "v1",
        "v2beta1",
        "v1beta2",
        "v1alpha1",
        "nightly",
    ]


def test_rows_added_at_run_time_appear() -> None:
    crd = Resource(GVR("example.com", "v1beta1", "widgets"), "Widget")
    answer = Discovery([*TABLE, crd]).answer("/apis/example.com")
    assert answer is not None
    assert orjson.loads(answer.body)["preferredVersion"]["version"] == "v1beta1"
    assert PODS in {row.gvr for row in TABLE}
