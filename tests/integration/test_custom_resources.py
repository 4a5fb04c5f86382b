"""Custom resources against the real API server: their subresources, versions, forms, and what happens as definitions change."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest
import yaml

from custom_resources import FOOS, change, definition, establish, foo, gone, version
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS as CRDS
from pinnace.apimachinery import errors
from pinnace.apimachinery.protobuf import codec
from pinnace.client.interface import APPLY_PATCH, STRATEGIC_MERGE_PATCH
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.wait import eventually

from .conftest import Kubectl

REPLICAS = {"type": "integer", "minimum": 0}
SCALED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"replicas": {**REPLICAS, "default": 1}, "size": {"type": "string"}}},
        "status": {
            "type": "object", "properties": {"replicas": REPLICAS, "selector": {"type": "string"}, "ready": {"type": "boolean"}},
        },
    },
}  # fmt: skip
SUBRESOURCES = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector",
    },
}  # fmt: skip


def with_subresources(**more: Any) -> dict[str, Any]:
    return definition(version(schema=SCALED, subresources=SUBRESOURCES, **more))


async def test_the_status_has_a_door_of_its_own(rest_client: RestClient) -> None:
    await establish(rest_client, with_subresources())
    made = await rest_client.create(FOOS, foo(spec={"size": "s"}, status={"ready": True}), "default")
    assert "status" not in made
    status = {**made, "status": {"ready": True}, "spec": {"size": "ignored"}}
    updated = await rest_client.update(FOOS, status, subresource="status")
    assert (updated["status"], updated["spec"]["size"]) == ({"ready": True}, "s")
    assert updated["metadata"]["generation"] == 1
    changed = await rest_client.update(FOOS, {**updated, "spec": {"size": "m"}, "status": {}})
    assert (changed["status"], changed["metadata"]["generation"]) == ({"ready": True}, 2)
    with pytest.raises(errors.Invalid, match=r"status.ready in body must be of type boolean"):
        await rest_client.patch(FOOS, "a", {"status": {"ready": "yes"}}, "default", subresource="status")


async def test_without_the_subresource_the_status_is_a_field_as_any_other(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version(schema=SCALED)))
    made = await rest_client.create(FOOS, foo(status={"ready": True}), "default")
    assert made["status"] == {"ready": True}
    changed = await rest_client.patch(FOOS, "a", {"status": {"ready": False}}, "default")
    assert changed["metadata"]["generation"] == 2
    with pytest.raises(errors.NotFound):
        await rest_client.get(FOOS, "a", "default", subresource="status")


async def test_a_custom_object_is_scaled(rest_client: RestClient, kubectl: Kubectl) -> None:
    await establish(rest_client, with_subresources())
    await rest_client.create(FOOS, foo(spec={}), "default")
    await rest_client.patch(
        FOOS, "a", {"status": {"replicas": 2, "selector": "a=b"}}, "default", subresource="status"
    )
    scale = await rest_client.get(FOOS, "a", "default", subresource="scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale", {"replicas": 1}, {"replicas": 2, "selector": "a=b"},
    )  # fmt: skip
    await kubectl("scale", "foo", "a", "--replicas=4")
    scaled = await rest_client.get(FOOS, "a", "default")
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (4, 2)
    with pytest.raises(errors.Invalid):
        await rest_client.patch(FOOS, "a", {"spec": {"replicas": -1}}, "default", subresource="scale")


COLUMNS = [
    {"name": "Size", "type": "string", "jsonPath": ".spec.size"},
    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
    {"name": "Labels", "type": "string", "jsonPath": ".metadata.labels.app", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


async def test_printer_columns_are_what_kubectl_prints(rest_client: RestClient, kubectl: Kubectl) -> None:
    body = with_subresources(additionalPrinterColumns=COLUMNS)
    body["spec"]["names"] |= {"shortNames": ["fo"], "categories": ["all"]}
    await establish(rest_client, body)
    await rest_client.create(FOOS, foo(spec={"size": "big"}), "default")
    lines = (await kubectl("get", "fo")).out.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "REPLICAS", "AGE"]
    assert lines[1].split()[:3] == ["a", "big", "1"]
    wide = (await kubectl("get", "foos", "-o", "wide")).out
    assert wide.splitlines()[0].split() == ["NAME", "SIZE", "REPLICAS", "LABELS", "AGE"]
    assert "foo.example.com/a" in (await kubectl("get", "all")).out


ITEMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "keyed": {
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"],
                              "properties": {"name": {"type": "string"}, "value": {"type": "string"}}},
                },
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "plain": {"type": "array", "items": {"type": "string"}},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            },
        }
    },
}  # fmt: skip


async def apply(client: RestClient, manager: str, force: bool = False, **spec: Any) -> dict[str, Any]:
    body = yaml.safe_dump(foo(spec=spec)).encode()
    return await client.patch(
        FOOS, "a", body, "default", content_type=APPLY_PATCH, field_manager=manager, force=force
    )


async def test_applies_merge_as_the_schema_says(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version(schema=ITEMS)))
    await apply(rest_client, "one", keyed=[{"name": "x", "value": "1"}], set=["a"], whole={"k": "v"})
    merged = await apply(rest_client, "two", keyed=[{"name": "y", "value": "2"}], set=["b"])
    assert merged["spec"]["keyed"] == [{"name": "x", "value": "1"}, {"name": "y", "value": "2"}]
    assert sorted(merged["spec"]["set"]) == ["a", "b"]
    with pytest.raises(errors.Conflict, match=r'conflict with "one": .spec.whole'):
        await apply(rest_client, "two", keyed=[{"name": "y", "value": "2"}], set=["b"], whole={"l": "w"})
    left = await apply(rest_client, "one", keyed=[])
    assert left["spec"]["keyed"] == [{"name": "y", "value": "2"}]
    assert left["spec"]["set"] == ["b"]
    with pytest.raises(errors.Invalid, match='Duplicate value: "b"'):
        await rest_client.patch(FOOS, "a", {"spec": {"set": ["b", "b"]}}, "default")


async def test_what_was_wrong_before_may_stay_so(rest_client: RestClient) -> None:
    text = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
        },
    }
    await establish(rest_client, definition(version(schema=text)))
    await rest_client.create(FOOS, foo(spec={"a": "wrong", "b": "1"}), "default")
    strict = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "a": {"type": "string", "enum": ["right"]}, "b": {"type": "string"}}}}}  # fmt: skip
    await change(rest_client, "foos.example.com", versions=[version(schema=strict)])
    changed = await rest_client.patch(FOOS, "a", {"spec": {"b": "2"}}, "default")
    assert changed["spec"] == {"a": "wrong", "b": "2"}
    with pytest.raises(errors.Invalid, match='Unsupported value: "other": supported values: "right"'):
        await rest_client.patch(FOOS, "a", {"spec": {"a": "other"}}, "default")


async def test_rules_judge_transitions(rest_client: RestClient) -> None:
    spec = {
        "type": "object",
        "properties": {"size": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "must not shrink"}],
    }
    await establish(rest_client, definition(version(schema={"type": "object", "properties": {"spec": spec}})))
    await rest_client.create(FOOS, foo(spec={"size": 2}), "default")
    await rest_client.patch(FOOS, "a", {"spec": {"size": 3}}, "default")
    with pytest.raises(errors.Invalid, match='spec: Invalid value: "object": must not shrink'):
        await rest_client.patch(FOOS, "a", {"spec": {"size": 1}}, "default")


async def test_the_end_of_a_definition_takes_its_objects_along(rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    held = foo("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await rest_client.create(FOOS, held, "default")
    await rest_client.create(FOOS, foo("free"), "default")
    deleted = await rest_client.delete(CRDS, "foos.example.com")
    assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]

    async def in_progress() -> bool:
        found = await rest_client.get(CRDS, "foos.example.com")
        condition = meta.find_condition(found, "Terminating") or {}
        names = [meta.name(one) for one in (await rest_client.list(FOOS))["items"]]
        return (condition.get("reason"), names) == ("InstanceDeletionInProgress", ["held"])

    await eventually(in_progress)
    with pytest.raises(errors.MethodNotSupported):
        await rest_client.create(FOOS, foo("late"), "default")
    await rest_client.patch(FOOS, "held", {"metadata": {"finalizers": None}}, "default")
    await gone(rest_client, "foos.example.com")


async def test_a_watch_ends_with_its_definition(rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    await rest_client.create(FOOS, foo(), "default")
    seen = []

    async def follow() -> None:
        async for event in rest_client.watch(FOOS, resource_version="0"):
            seen.append((event.type, meta.name(event.object)))

    watching = asyncio.create_task(follow())
    await eventually(lambda: ("ADDED", "a") in seen)
    await rest_client.delete(CRDS, "foos.example.com")
    await gone(rest_client, "foos.example.com")
    await asyncio.wait_for(watching, 10)
    with pytest.raises(errors.NotFound):
        await rest_client.list(FOOS)


async def test_a_definition_may_come_again_with_another_scope(rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    await rest_client.create(FOOS, foo(), "default")
    await rest_client.delete(CRDS, "foos.example.com")
    await gone(rest_client, "foos.example.com")
    await establish(rest_client, definition(scope="Cluster"))
    assert (await rest_client.list(FOOS))["items"] == []
    made = await rest_client.create(FOOS, foo())
    assert "namespace" not in made["metadata"]


async def test_names_are_given_once_in_a_group(rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    second = await rest_client.create(CRDS, definition(plural="fooz", kind="Foo"))

    async def refused() -> dict[str, Any] | None:
        found = await rest_client.get(CRDS, meta.name(second))
        return meta.find_condition(found, "NamesAccepted")

    condition = await eventually(refused)
    assert (condition["status"], condition["message"]) == ("False", '"FooList" is already in use')
    with pytest.raises(errors.NotFound):
        await rest_client.list(FOOS._replace(resource="fooz"))
    await rest_client.delete(CRDS, "foos.example.com")
    await gone(rest_client, "foos.example.com")
    await eventually(lambda: accepted(rest_client, meta.name(second)))


async def accepted(client: RestClient, name: str) -> bool:
    return meta.condition_is_true(await client.get(CRDS, name), "Established")


async def test_a_stored_version_is_removed_only_when_nothing_lies_in_it(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version("v1"), version("v2", storage=False)))
    await change(rest_client, "foos.example.com", versions=[version("v1", storage=False), version("v2")])
    current = await rest_client.get(CRDS, "foos.example.com")
    assert current["status"]["storedVersions"] == ["v1", "v2"]
    assert current["metadata"]["generation"] == 2
    with pytest.raises(errors.Invalid, match="v1 was previously a storage version"):
        await change(rest_client, "foos.example.com", versions=[version("v2")])
    await rest_client.patch(
        CRDS, "foos.example.com", {"status": {"storedVersions": ["v2"]}}, subresource="status"
    )
    await change(rest_client, "foos.example.com", versions=[version("v2")])
    with pytest.raises(errors.NotFound):
        await rest_client.list(FOOS)


async def test_a_custom_resource_has_an_api_service(rest_client: RestClient) -> None:
    await establish(rest_client, definition())

    async def registered() -> bool:
        names = [meta.name(one) for one in (await rest_client.list(r.API_SERVICES))["items"]]
        return "v1.example.com" in names

    await eventually(registered)
    await rest_client.delete(CRDS, "foos.example.com")

    async def removed() -> bool:
        return not await registered()

    await eventually(removed)


async def test_a_deprecated_version_warns(rest_client: RestClient, kubectl: Kubectl) -> None:
    await establish(rest_client, definition(version(deprecated=True)))
    assert "Warning: example.com/v1 Foo is deprecated" in (await kubectl("get", "foos")).err
    await change(
        rest_client,
        "foos.example.com",
        versions=[version(deprecated=True, deprecationWarning="use bars instead")],
    )
    assert "Warning: use bars instead" in (await kubectl("get", "foos")).err


async def test_content_types(api_server: ApiServerInProcess, rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    await rest_client.create(FOOS, foo(), "default")
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    path, protobuf = FOOS.path("default"), "application/vnd.kubernetes.protobuf"
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as http:
        async with http.post(path, data=b"k8s\0", headers={"Content-Type": protobuf}) as answer:
            assert answer.status == 415
        async with http.get(path, headers={"Accept": protobuf}) as answer:
            assert answer.status == 406
        metadata = f"{protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        async with http.get(path, headers={"Accept": metadata}) as answer:
            assert (answer.status, answer.content_type) == (200, protobuf)
        async with http.get(path, headers={"Accept": "application/yaml"}) as answer:
            assert yaml.safe_load(await answer.text())["items"][0]["kind"] == "Foo"
    with pytest.raises(errors.UnsupportedMediaType):
        await rest_client.patch(FOOS, "a", {}, "default", content_type=STRATEGIC_MERGE_PATCH)


async def test_definitions_travel_in_protobuf(
    api_server: ApiServerInProcess, rest_client: RestClient
) -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {
                    "n": {"type": "integer", "minimum": 0, "default": 3, "enum": [0, 3]},
                    "m": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 5}},
                    "l": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                },
                "x-kubernetes-validations": [{"rule": "!has(self.n) || self.n < 5"}],
            }
        },
    }
    body = definition(version(schema=schema, subresources={"status": {}}, additionalPrinterColumns=COLUMNS))
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    headers = {"Content-Type": codec.MEDIA_TYPE, "Accept": codec.MEDIA_TYPE}
    async with (
        aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as http,
        http.post(CRDS.path(), data=codec.encode_object(body), headers=headers) as answer,
    ):
        assert answer.status == 201
        made = codec.decode_object(await answer.read())
    assert made["spec"]["versions"] == body["spec"]["versions"]
    assert (await rest_client.get(CRDS, "foos.example.com"))["spec"]["versions"] == body["spec"]["versions"]


async def test_unknown_fields_of_a_definition_are_found_wherever_they_are(kubectl: Kubectl) -> None:
    inner = {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {"type": "string", "typo": 1}},
    }
    body = definition(version(schema={"type": "object", "properties": {"a": inner}}))
    refused = await kubectl("create", "-f", "-", stdin=yaml.safe_dump(body), code=1)
    path = "spec.versions[0].schema.openAPIV3Schema.properties.a.items.additionalProperties.typo"
    assert f'unknown field "{path}"' in refused.err


async def test_lists_come_in_pages_also_with_field_selectors(rest_client: RestClient) -> None:
    schema = {"type": "object", "properties": {"color": {"type": "string"}}}
    await establish(
        rest_client, definition(version(schema=schema, selectableFields=[{"jsonPath": ".color"}]))
    )
    for number in range(9):
        await rest_client.create(FOOS, foo(f"n{number}", color="red" if number % 3 else "blue"), "default")
    found, token = [], ""
    while True:
        page = await rest_client.list(
            FOOS, "default", field_selector="color=red", limit=2, continue_token=token
        )
        found += [meta.name(one) for one in page["items"]]
        assert len(page["items"]) <= 2
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert found == ["n1", "n2", "n4", "n5", "n7", "n8"]


async def test_owners_and_owned_may_be_custom_objects_from_the_start(api_server: ApiServerInProcess) -> None:
    from pinnace.component.clock import RealClock
    from pinnace.controllers.catalog import ControllersConfig
    from pinnace.controllers.controllers import Controllers

    client = api_server.local_client()
    manager = api_server.local_client("system:kube-controller-manager", ())
    controllers = Controllers(manager, RealClock(), ControllersConfig(("garbage-collector", "namespace")))
    running = asyncio.create_task(controllers.run())
    try:
        await establish(client, definition())
        owner = await client.create(FOOS, foo("owner"), "default")
        reference = meta.owner_reference(owner)
        owned = foo("owned")
        owned["metadata"]["ownerReferences"] = [reference]
        await client.create(FOOS, owned, "default")
        settings = {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": "c", "ownerReferences": [reference]},
        }
        await client.create(r.CONFIG_MAPS, settings, "default")
        await client.delete(FOOS, "owner", "default", propagation_policy="Background")

        async def all_gone() -> bool:
            left = (await client.list(FOOS, "default"))["items"] + (
                await client.list(r.CONFIG_MAPS, "default")
            )["items"]
            return not [one for one in left if meta.name(one) in ("owned", "c")]

        await eventually(all_gone)
        await client.create(
            r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "brief"}}
        )
        await client.create(FOOS, foo("inside"), "brief")
        await client.delete(r.NAMESPACES, "brief")

        async def namespace_gone() -> bool:
            with contextlib.suppress(errors.NotFound):
                await client.get(r.NAMESPACES, "brief")
                return False
            return True

        await eventually(namespace_gone)
        assert (await client.list(FOOS, "brief"))["items"] == []
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "schema",
    [
        5, "x", [], {"type": 5}, {"properties": []}, {"type": "object", "properties": {"a": None}},
        {"type": "object", "properties": {"a": 5}}, {"type": "object", "properties": {"a": {"items": 5, "type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": "x"}}},
        {"type": "object", "allOf": [None]}, {"type": "object", "allOf": 5}, {"type": "object", "not": []},
        {"type": "object", "x-kubernetes-validations": [None]}, {"type": "object", "x-kubernetes-validations": 5},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": 5}}},
        {"type": "object", "properties": {"a": {"type": "string", "enum": 5}}},
        {"type": "object", "properties": {"a": {"type": "number", "minimum": "x"}}},
        {"type": "object", "required": 5}, {"type": "object", "required": [None]},
    ],
)  # fmt: skip
async def test_hostile_schemas_are_refused_with_a_4xx(rest_client: RestClient, schema: Any) -> None:
    body = definition()
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    with contextlib.suppress(errors.BadRequest, errors.Invalid):
        await establish(rest_client, body)
        await rest_client.create(FOOS, foo(a=1), "default")
