"""Documents of extension servers beside our own."""

from typing import Any

from pinnace.apiserver.aggregation import documents
from pinnace.apiserver.aggregation.documents import Fetched
from pinnace.apiserver.aggregation.openapi import merged_v2, with_places
from pinnace.apiserver.aggregation.registrations import Registered, local_service, registered
from pinnace.apiserver.aggregation.transport import identity_headers, is_identity_header
from pinnace.apiserver.authn.user import User

Object = dict[str, Any]


def known(*services: Registered) -> dict[tuple[str, str], Registered]:
    return {(one.group, one.version): one for one in services}


def local(group: str, version: str = "v1") -> Registered:
    return registered(local_service(group, version, "2026-01-01T00:00:00Z", is_custom=False))


def remote(
    group: str, version: str, priority: int = 100, of_version: int = 10, *, available: bool = True
) -> Registered:
    spec = {"group": group, "version": version, "groupPriorityMinimum": priority, "versionPriority": of_version,
            "service": {"namespace": "n", "name": "s"}}  # fmt: skip
    status = {"conditions": [{"type": "Available", "status": str(available)}]}
    return registered({"metadata": {"name": f"{version}.{group}"}, "spec": spec, "status": status})


BASE = {
    "kind": "APIGroupList",
    "groups": [
        {
            "name": "apps",
            "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"version": "v1"},
        }
    ],
}


def test_groups_stand_by_their_priority() -> None:
    found = documents.group_list(
        BASE, known(local("apps"), remote("low.io", "v1"), remote("high.io", "v1", 20000))
    )
    assert [group["name"] for group in found["groups"]] == ["high.io", "apps", "low.io"]


def test_a_group_of_two_servers_has_the_versions_of_both() -> None:
    one = remote("apps", "v2", of_version=500)
    found = documents.group(BASE["groups"][0], "apps", known(local("apps"), one))  # type: ignore[index]
    assert found is not None
    assert [entry["version"] for entry in found["versions"]] == ["v2", "v1"]
    assert found["preferredVersion"]["version"] == "v2"
    assert documents.group(None, "nowhere.io", known(one)) is None


def test_a_server_that_was_never_asked_is_stale_and_empty() -> None:
    base = {"kind": "APIGroupDiscoveryList", "items": []}
    found = documents.aggregated(base, known(remote("a.io", "v1", available=False)), {})
    assert found["items"][0]["versions"] == [{"version": "v1", "freshness": "Stale"}]


def test_another_server_takes_over_a_version() -> None:
    ours = {"version": "v1", "resources": [{"resource": "old"}], "freshness": "Current"}
    base = {"items": [{"metadata": {"name": "m.io"}, "versions": [ours]}]}
    fetched = {("m.io", "v1"): Fetched(({"resource": "new"},))}
    found = documents.aggregated(base, known(remote("m.io", "v1")), fetched)
    assert found["items"][0]["versions"] == [
        {"version": "v1", "resources": [{"resource": "new"}], "freshness": "Current"}
    ]


def test_plain_lists_become_aggregated_ones() -> None:
    listed = {
        "groupVersion": "a.io/v1",
        "resources": [
            {"name": "things/status", "kind": "Thing", "namespaced": True, "verbs": ["get"]},
            {
                "name": "things",
                "singularName": "thing",
                "kind": "Thing",
                "namespaced": True,
                "verbs": ["get"],
                "shortNames": ["t"],
            },
        ],
    }
    kind = {"group": "a.io", "version": "v1", "kind": "Thing"}
    assert documents.from_legacy(listed) == (
        {
            "resource": "things", "responseKind": kind, "scope": "Namespaced", "singularResource": "thing",
            "verbs": ["get"], "shortNames": ["t"],
            "subresources": [{"subresource": "status", "responseKind": kind, "verbs": ["get"]}],
        },
    )  # fmt: skip


def test_definitions_of_the_same_name_are_kept_apart() -> None:
    own = {"paths": {"/api": {}}, "definitions": {"Meta": {"type": "object"}, "Same": {"type": "string"}}}
    other = {
        "paths": {"/apis/a.io/v1/x": {"$ref": "#/definitions/Meta"}, "/apis/b.io/v1/y": {}},
        "definitions": {
            "Meta": {
                "properties": {
                    "again": {"$ref": "#/definitions/Meta"},
                    "same": {"$ref": "#/definitions/Same"},
                }
            },
            "Same": {"type": "string"},
        },
    }
    found = merged_v2(own, other, "/apis/a.io/v1")
    assert sorted(found["paths"]) == ["/api", "/apis/a.io/v1/x"]
    assert found["paths"]["/apis/a.io/v1/x"] == {"$ref": "#/definitions/Meta_v2"}
    assert found["definitions"]["Meta"] == {"type": "object"}
    assert found["definitions"]["Meta_v2"]["properties"]["again"] == {"$ref": "#/definitions/Meta_v2"}
    assert set(found["definitions"]) == {"Meta", "Meta_v2", "Same"}
    assert merged_v2(own, other, "/apis/c.io/v1") is own


def test_the_index_lists_the_places_of_others() -> None:
    found = with_places({"paths": {"api/v1": {}}}, {"apis/a.io/v1": {"serverRelativeURL": "/x"}})
    assert list(found["paths"]) == ["api/v1", "apis/a.io/v1"]


def test_identity_travels_in_headers() -> None:
    user = User("jane", ("a", "b"), "7", {"acme.com/key": ("x", "y")})
    assert identity_headers(user) == [
        ("X-Remote-User", "jane"), ("X-Remote-Uid", "7"), ("X-Remote-Group", "a"), ("X-Remote-Group", "b"),
        ("X-Remote-Extra-acme.com%2Fkey", "x"), ("X-Remote-Extra-acme.com%2Fkey", "y"),
    ]  # fmt: skip
    assert all(map(is_identity_header, ("x-remote-user", "X-Remote-Extra-Any", "Authorization")))
    assert not is_identity_header("Accept")


def test_a_line_break_in_a_name_does_not_become_a_header() -> None:
    user = User("jane\r\nX-Remote-Group: system:masters", ("a\nb",), "", {"k": ("v\0",)})
    assert all(not set(value) & set("\r\n\0") for _, value in identity_headers(user))
