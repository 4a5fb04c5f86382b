"""test/e2e/apimachinery/custom_resource_definition.go, crd_watch.go and crd_selectable_fields.go."""

import asyncio
import contextlib
from typing import Any

import pytest

from custom_resources import FOOS, GROUP, change, definition, establish, foo, gone, version
from pinnace.api import meta
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS as CRDS
from pinnace.apimachinery.errors import BadRequest
from pinnace.client.informer import Informers
from pinnace.client.interface import JSON_PATCH
from pinnace.client.rest import RestClient
from pinnace.component.clock import RealClock
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.extension_server import ExtensionServer, reviewer
from pinnace.testing.wait import eventually

RESOURCES = "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] "


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition creating/deleting custom resource definition objects works [Conformance]"
)
async def test_a_definition_is_made_and_goes_away(rest_client: RestClient) -> None:
    made = await establish(rest_client, definition())
    assert made["status"]["acceptedNames"]["plural"] == "foos"
    assert made["status"]["storedVersions"] == ["v1"]
    await rest_client.delete(CRDS, "foos.example.com")
    await gone(rest_client, "foos.example.com")


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition listing custom resource definition objects works [Conformance]"
)
async def test_definitions_are_listed_and_deleted_by_label(rest_client: RestClient) -> None:
    labels = {"e2e-test-uuid": "b3b2"}
    for number in range(10):
        plural, kind = f"foos{number}", f"Foo{number}"
        await establish(rest_client, definition(plural=plural, kind=kind, labels=labels))
    await establish(rest_client, definition(plural="others", kind="Other"))
    selector = "e2e-test-uuid=b3b2"
    listed = await rest_client.list(CRDS, label_selector=selector)
    assert sorted(map(meta.name, listed["items"])) == [f"foos{number}.example.com" for number in range(10)]
    await rest_client.delete_collection(CRDS, label_selector=selector)

    async def only_the_other_is_left() -> bool:
        return [meta.name(one) for one in (await rest_client.list(CRDS))["items"]] == ["others.example.com"]

    await eventually(only_the_other_is_left)


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works [Conformance]"
)
async def test_the_status_of_a_definition_is_read_updated_and_patched(rest_client: RestClient) -> None:
    made = await establish(rest_client, definition())
    read = await rest_client.get(CRDS, "foos.example.com", subresource="status")
    assert read["status"] == made["status"]
    condition = {
        "type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test", "lastTransitionTime": None,
    }  # fmt: skip
    read["status"]["conditions"].append(condition)
    updated = await rest_client.update(CRDS, read, subresource="status")
    assert meta.condition_is_true(updated, "StatusUpdate")
    change = {
        "status": {
            "conditions": [{"type": "StatusPatched", "status": "True", "reason": "E2E", "message": ""}]
        }
    }
    patched = await rest_client.patch(CRDS, "foos.example.com", change, subresource="status")
    assert meta.condition_is_true(patched, "StatusPatched")
    assert patched["spec"] == made["spec"]


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents [Conformance]"
)
async def test_definitions_are_in_discovery(rest_client: RestClient) -> None:
    groups = (await rest_client.raw("GET", "/apis"))["groups"]
    group = next(group for group in groups if group["name"] == "apiextensions.k8s.io")
    assert {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"} in group["versions"]
    assert (await rest_client.raw("GET", "/apis/apiextensions.k8s.io"))["versions"] == group["versions"]
    resources = (await rest_client.raw("GET", "/apis/apiextensions.k8s.io/v1"))["resources"]
    names = {resource["name"]: resource["kind"] for resource in resources}
    assert names["customresourcedefinitions"] == "CustomResourceDefinition"
    assert names["customresourcedefinitions/status"] == "CustomResourceDefinition"


def with_defaults(**defaults: str) -> dict[str, Any]:
    properties = {
        name: {"type": "string", **({"default": defaults[name]} if name in defaults else {})}
        for name in ("a", "b")
    }
    return {"type": "object", "properties": properties}


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] custom resource defaulting for requests and from storage works [Conformance]"
)
async def test_defaults_apply_to_requests_and_to_what_is_stored(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version(schema=with_defaults())))
    made = await rest_client.create(FOOS, foo("first"), "default")
    assert "a" not in made
    await change(rest_client, "foos.example.com", versions=[version(schema=with_defaults(a="A"))])

    async def read(name: str) -> dict[str, Any]:
        return await rest_client.get(FOOS, name, "default")

    assert (await read("first"))["a"] == "A"
    second = await rest_client.create(FOOS, foo("second"), "default")
    assert second["a"] == "A"
    await change(rest_client, "foos.example.com", versions=[version(schema=with_defaults(b="B"))])
    first = await read("first")
    assert ("a" in first, first["b"]) == (False, "B")  # never written with the old default
    second = await read("second")
    assert (second["a"], second["b"]) == ("A", "B")  # written when the default was there
    patched = await rest_client.patch(FOOS, "first", {"metadata": {"labels": {"touched": "yes"}}}, "default")
    assert patched["b"] == "B"


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects [Conformance]"
)
async def test_watches_of_custom_objects_see_them_come_change_and_go(rest_client: RestClient) -> None:
    await establish(rest_client, definition(scope="Cluster"))
    for name in ("name1", "name2"):
        made = await rest_client.create(FOOS, foo(name))
        async with contextlib.aclosing(
            rest_client.watch(FOOS, resource_version="0", field_selector=f"metadata.name={name}")
        ) as events:
            assert await next_event(events) == ("ADDED", name)
            await rest_client.patch(FOOS, name, {"dummy": "changed"})
            assert await next_event(events) == ("MODIFIED", name)
            await rest_client.delete(FOOS, name)
            assert await next_event(events) == ("DELETED", name)
        assert made["metadata"]["generation"] == 1


async def next_event(events: Any) -> tuple[str, str]:
    while True:
        kind, obj = await asyncio.wait_for(anext(events), 10)
        if kind != "BOOKMARK":
            return kind, meta.name(obj)


def v1_and_v2(hook: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    joined = {"type": "object", "properties": {"hostPort": text}}
    split = {"type": "object", "properties": {"host": text, "port": text}}
    return definition(
        version("v1", joined, selectableFields=[{"jsonPath": ".hostPort"}]),
        version("v2", split, storage=False, selectableFields=[{"jsonPath": ".host"}, {"jsonPath": ".port"}]),
        conversion={
            "strategy": "Webhook", "webhook": {"clientConfig": hook, "conversionReviewVersions": ["v1"]},
        },
    )  # fmt: skip


def converted(obj: dict[str, Any], wanted: str) -> dict[str, Any]:
    """v1 has host and port in one field, v2 in two."""
    new = {**obj, "apiVersion": wanted}
    if wanted.endswith("/v2"):
        new["host"], _, new["port"] = new.pop("hostPort", ":").partition(":")
    else:
        new["hostPort"] = f"{new.pop('host', '')}:{new.pop('port', '')}"
    return new


def convert(request: dict[str, Any]) -> dict[str, Any]:
    objects = [converted(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
    return {"result": {"status": "Success"}, "convertedObjects": objects}


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector [Conformance]"
)
async def test_custom_objects_are_selected_by_fields_of_either_version(
    api_server: ApiServerInProcess, rest_client: RestClient
) -> None:
    v2 = FOOS._replace(version="v2")
    async with ExtensionServer(api_server, "hook", reviewer(convert)) as server:
        await establish(rest_client, v1_and_v2(server.client_config("/convert")))
        await rest_client.create(FOOS, foo("one", hostPort="host1:80"), "default")
        for name, port in (("two", "8080"), ("three", "80")):
            body = foo(name, api_version=f"{GROUP}/v2", host="host2", port=port)
            await rest_client.create(v2, body, "default")

        async def names(gvr: Any, selector: str) -> list[str]:
            listed = await rest_client.list(gvr, "default", field_selector=selector)
            return sorted(map(meta.name, listed["items"]))

        assert await names(FOOS, "hostPort=host1:80") == ["one"]
        assert await names(FOOS, "hostPort=host2:80") == ["three"]
        assert await names(v2, "host=host2") == ["three", "two"]
        assert await names(v2, "host=host2,port=80") == ["three"]
        assert await names(v2, "host!=host2") == ["one"]
        with pytest.raises(BadRequest):
            await rest_client.list(FOOS, "default", field_selector="host=host2")
        version_now = (await rest_client.list(v2, "default"))["metadata"]["resourceVersion"]
        async with contextlib.aclosing(
            rest_client.watch(
                v2, "default", resource_version=version_now, field_selector="host=host2,port=80"
            )
        ) as events:
            await rest_client.patch(v2, "two", {"port": "80"}, "default")
            assert await next_event(events) == ("ADDED", "two")
            await rest_client.patch(FOOS, "three", {"hostPort": "host3:80"}, "default")
            assert await next_event(events) == ("DELETED", "three")
            await rest_client.delete(v2, "two", "default")
            assert await next_event(events) == ("DELETED", "two")
        await rest_client.delete_collection(v2, "default", field_selector="host=host3")
        assert await names(FOOS, "") == ["one"]


async def test_informers_follow_custom_objects(rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    informers = Informers(rest_client, RealClock())
    running = asyncio.create_task(informers.run())
    informer = informers.of(FOOS)
    await informer.wait_synced()
    await rest_client.create(FOOS, foo("a"), "default")
    await eventually(lambda: informer.lister.get("a", "default"))
    await rest_client.patch(
        FOOS, "a", [{"op": "add", "path": "/x", "value": 1}], "default", content_type=JSON_PATCH
    )
    await eventually(lambda: (informer.lister.get("a", "default") or {}).get("x") == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
