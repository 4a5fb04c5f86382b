"""Server-side apply over the wire: owners, conflicts, subresources."""

from typing import Any

import pytest

from custom_resources import FOOS, definition, establish, foo
from integration.conftest import Answered, Wire
from pinnace.testing.api_server import ApiServerInProcess

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def deployment(**spec: Any) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "i",
        "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
    }
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def config_map(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, **more}


async def apply(wire: Wire, path: str, body: Any, manager: str = "me", query: str = "") -> Answered:
    return await wire("PATCH", f"{path}?fieldManager={manager}{query}", body, "apply")


async def owners(wire: Wire, path: str) -> dict[tuple[str, ...], Any]:
    entries = (await wire("GET", path)).body["metadata"].get("managedFields", [])
    return {
        (entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")): entry[
            "fieldsV1"
        ]
        for entry in entries
    }


async def scale(wire: Wire, replicas: int, manager: str, query: str = "") -> Answered:
    body = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d"},
        "spec": {"replicas": replicas},
    }
    return await apply(wire, f"{DEPLOYMENTS}/d/scale", body, manager, query)


async def test_ports_are_owned_by_all_their_keys(wire: Wire) -> None:
    assert (await apply(wire, f"{DEPLOYMENTS}/d", deployment())).status == 201
    owned = await owners(wire, f"{DEPLOYMENTS}/d")
    template = owned["me", "Apply", "apps/v1", ""]["f:spec"]["f:template"]
    container = template["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert container["f:ports"] == {
        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
        'k:{"containerPort":80,"protocol":"UDP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}},
    }


async def test_who_applies_a_scale_owns_the_replicas(wire: Wire) -> None:
    await apply(wire, f"{DEPLOYMENTS}/d", deployment(replicas=1))
    refused = await scale(wire, 3, "scaler")
    assert refused.message == '409 Conflict: Apply failed with 1 conflict: conflict with "me": .spec.replicas'
    scaled = await scale(wire, 3, "scaler", "&force=true")
    assert (scaled.status, scaled.body["kind"], scaled.body["spec"]) == (200, "Scale", {"replicas": 3})
    assert "managedFields" not in scaled.body["metadata"]
    owned = await owners(wire, f"{DEPLOYMENTS}/d")
    assert owned["scaler", "Apply", "apps/v1", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owned["me", "Apply", "apps/v1", ""]["f:spec"]

    refused = await apply(wire, f"{DEPLOYMENTS}/d", deployment(replicas=1))
    assert refused.message == (
        '409 Conflict: Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas'
    )
    version = (await wire("GET", f"{DEPLOYMENTS}/d")).body["metadata"]["resourceVersion"]
    assert (await scale(wire, 3, "scaler")).body["metadata"]["resourceVersion"] == version  # nothing to write


async def test_an_update_of_a_scale_takes_the_replicas(wire: Wire) -> None:
    await apply(wire, f"{DEPLOYMENTS}/d", deployment(replicas=1))
    body = {"metadata": {"name": "d"}, "spec": {"replicas": 2}}
    assert (await wire("PUT", f"{DEPLOYMENTS}/d/scale?fieldManager=hand", body)).status == 200
    owned = await owners(wire, f"{DEPLOYMENTS}/d")
    assert owned["hand", "Update", "apps/v1", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owned["me", "Apply", "apps/v1", ""]["f:spec"]
    for wrong, told in (
        ({"metadata": {}, "spec": {}}, "400 BadRequest: the name of the object (d based on URL) was undeterminable: name must be provided"),
        ({"metadata": {"name": "e"}}, "400 BadRequest: the name of the object (e) does not match the name on the URL (d)"),
    ):  # fmt: skip
        assert (await wire("PUT", f"{DEPLOYMENTS}/d/scale", wrong)).message == told
    stranger = {"metadata": {"name": "d", "uid": "x"}, "spec": {"replicas": 3}}
    refused = await wire("PUT", f"{DEPLOYMENTS}/d/scale", stranger)
    assert refused.message.startswith(
        '409 Conflict: Operation cannot be fulfilled on deployments/scale.apps "d": Precondition failed: UID in precondition: x'
    )


async def test_creation_needs_a_name_and_no_uid(wire: Wire) -> None:
    for metadata in ({}, {"generateName": "a"}):
        refused = await apply(wire, f"{CONFIG_MAPS}/a", config_map(metadata=metadata))
        assert refused.message == (
            "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"
        )
    refused = await apply(wire, f"{CONFIG_MAPS}/a", config_map(metadata={"name": "a", "uid": "u"}))
    assert refused.message == (
        '409 Conflict: Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid u, '
        "and no existing object was found"
    )
    assert (await wire("GET", f"{CONFIG_MAPS}/a")).status == 404


async def test_clients_can_clear_the_books(wire: Wire) -> None:
    await apply(wire, f"{CONFIG_MAPS}/a", config_map(data={"k": "v"}))
    kept = await wire(
        "PUT", f"{CONFIG_MAPS}/a", config_map(metadata={"name": "a", "managedFields": []}, data={"k": "w"})
    )
    assert len(kept.body["metadata"]["managedFields"]) == 1  # a client that knows nothing of them
    cleared = await wire("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"managedFields": [{}]}}, "merge")
    assert "managedFields" not in cleared.body["metadata"]
    changed = await wire("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "w"}}, "merge")
    assert "managedFields" not in changed.body["metadata"]  # only an apply begins them again
    refused = await apply(wire, f"{CONFIG_MAPS}/a", config_map(data={"k": "x"}))
    assert refused.message == (
        '409 Conflict: Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.k'
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"manager": "x", "operation": "Fly", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}},
        {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV2", "fieldsV1": {"f:data": {}}},
        {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {}}},
        {"manager": "x", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}},
        {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"data": {}}},
        {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": 3}},
    ],
)  # fmt: skip
async def test_entries_that_cannot_be_read_are_passed_over(wire: Wire, entry: dict[str, Any]) -> None:
    await apply(wire, f"{CONFIG_MAPS}/a", config_map(data={"k": "v"}))
    before = await owners(wire, f"{CONFIG_MAPS}/a")
    answer = await wire("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"managedFields": [entry]}}, "merge")
    assert answer.status == 200
    assert await owners(wire, f"{CONFIG_MAPS}/a") == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"manager": "m" * 129}, "metadata.managedFields[0].manager: Too long: may not be more than 128 bytes"),
        ({"manager": "a\tb"}, 'metadata.managedFields[0].manager: Invalid value: "a\\tb": invalid character U+0009 (at position 1)'),
        ({"subresource": "s" * 257}, "metadata.managedFields[0].subresource: Too long: may not be more than 256 bytes"),
    ],
)  # fmt: skip
async def test_names_in_entries_are_judged(wire: Wire, change: dict[str, str], told: str) -> None:
    entry = {
        "manager": "x",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:x": {}},
    }
    body = config_map(metadata={"name": "a", "managedFields": [{**entry, **change}]})
    refused = await wire("POST", CONFIG_MAPS, body)
    assert refused.message == f'422 Invalid: ConfigMap "a" is invalid: {told}'


async def test_parents_in_custom_objects_are_owned(wire: Wire, api_server: ApiServerInProcess) -> None:
    """They have no Go types whose structs are always there."""
    await establish(api_server.rest_client(), definition())
    body = {**foo(spec={"x": 1}), "metadata": {"name": "t", "labels": {"a": "b"}}}
    await wire("POST", FOOS.path("default") + "?fieldManager=m", body)
    owned = await owners(wire, FOOS.path("default", "t"))
    (tree,) = owned.values()
    assert tree == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {".": {}, "f:x": {}}}
