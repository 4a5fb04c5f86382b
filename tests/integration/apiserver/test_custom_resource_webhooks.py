"""Admission webhooks and aggregated groups of custom resources."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from custom_resources import ANYTHING, FOOS, GROUP, change, definition, establish, foo, gone, version
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.extension_server import ExtensionServer, patching, reviewer
from pinnace.testing.wait import eventually

Object = dict[str, Any]
PREFIX = "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] "
MUTATING, VALIDATING = r.MUTATING_WEBHOOK_CONFIGURATIONS, r.VALIDATING_WEBHOOK_CONFIGURATIONS
DATA = {"type": "object", "additionalProperties": {"type": "string"}}
NEWER = GVR(GROUP, "v2", "foos")


def decide(request: Object) -> Object:
    """Denies unwanted data and deletes of it; adds a key after each key that an earlier webhook added."""
    data = ((request.get("object") or request.get("oldObject") or {}).get("data")) or {}
    if request["resource"]["resource"] == "customresourcedefinitions":
        return {"allowed": False, "status": {"message": "the crd contains unwanted label"}}
    if data.get("webhook-e2e-test") == "webhook-disallow":
        return {"allowed": False, "status": {"message": "the custom resource contains unwanted data"}}
    if request["operation"] in ("CREATE", "UPDATE") and "mutation-start" in data:
        stages = ("mutation-stage-1", "mutation-stage-2")
        return patching(*({"op": "add", "path": f"/data/{stage}", "value": "yes"} for stage in stages))
    return {"allowed": True}


@pytest_asyncio.fixture
async def hook(api_server: ApiServerInProcess) -> AsyncGenerator[tuple[ExtensionServer, list[Object]], None]:
    seen: list[Object] = []
    async with ExtensionServer(api_server, "hook", reviewer(decide, seen)) as server:
        yield server, seen


async def register(
    client: RestClient, hook: tuple[ExtensionServer, list[Object]], gvr: GVR, rule: Object, **more: Any
) -> None:
    spec = {
        "name": "x.k8s.io", "rules": [rule], "clientConfig": hook[0].client_config(), "sideEffects": "None",
        "admissionReviewVersions": ["v1"], **more,
    }  # fmt: skip
    kind = r.BY_GVR[gvr].kind
    await client.create(
        gvr, {"kind": kind, "apiVersion": gvr.api_version, "metadata": {"name": "test"}, "webhooks": [spec]}
    )


def rule(
    *operations: str, versions: tuple[str, ...] = ("v1",), group: str = GROUP, resource: str = "foos"
) -> Object:
    return {
        "operations": list(operations),
        "apiGroups": [group],
        "apiVersions": list(versions),
        "resources": [resource],
    }


@pytest.mark.conformance(
    PREFIX + "should be able to deny custom resource creation, update and deletion [Conformance]"
)
async def test_custom_objects_are_denied(hook: Any, rest_client: RestClient) -> None:
    client = rest_client
    await establish(client, definition())
    await client.create(FOOS, foo("old", data={"webhook-e2e-test": "webhook-disallow"}), "default")
    await client.create(FOOS, foo("good", data={"a": "b"}), "default")
    await register(client, hook, VALIDATING, rule("CREATE", "UPDATE", "DELETE"))
    with pytest.raises(
        errors.StatusError, match=r'"x.k8s.io" denied the request: the custom resource contains unwanted data'
    ):
        await client.create(FOOS, foo("bad", data={"webhook-e2e-test": "webhook-disallow"}), "default")
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.patch(FOOS, "good", {"data": {"webhook-e2e-test": "webhook-disallow"}}, "default")
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.delete(FOOS, "old", "default")
    await client.delete(VALIDATING, "test")
    await client.delete(FOOS, "old", "default")


@pytest.mark.conformance(PREFIX + "should deny crd creation [Conformance]")
async def test_definitions_are_denied(hook: Any, rest_client: RestClient) -> None:
    await register(
        rest_client,
        hook,
        VALIDATING,
        rule("CREATE", group="apiextensions.k8s.io", resource="customresourcedefinitions"),
    )
    with pytest.raises(errors.StatusError, match="the crd contains unwanted label"):
        await rest_client.create(r.CUSTOM_RESOURCE_DEFINITIONS, definition())


@pytest.mark.conformance(PREFIX + "should mutate custom resource [Conformance]")
async def test_custom_objects_are_changed(hook: Any, rest_client: RestClient) -> None:
    await establish(rest_client, definition())
    await register(rest_client, hook, MUTATING, rule("CREATE"))
    made = await rest_client.create(FOOS, foo(data={"mutation-start": "yes"}), "default")
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@pytest.mark.conformance(PREFIX + "should mutate custom resource with pruning [Conformance]")
async def test_what_the_schema_does_not_know_is_pruned(hook: Any, rest_client: RestClient) -> None:
    known = {name: {"type": "string"} for name in ("mutation-start", "mutation-stage-1")}
    schema = {"type": "object", "properties": {"data": {"type": "object", "properties": known}}}
    await establish(rest_client, definition(version(schema=schema)))
    await register(rest_client, hook, MUTATING, rule("CREATE"))
    made = await rest_client.create(FOOS, foo(data={"mutation-start": "yes"}), "default")
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}


@pytest.mark.conformance(PREFIX + "should mutate custom resource with different stored version [Conformance]")
async def test_the_stored_version_may_change(hook: Any, rest_client: RestClient) -> None:
    client = rest_client
    first, second = version("v1", ANYTHING), version("v2", ANYTHING, storage=False)
    await establish(client, definition(first, second))
    await register(client, hook, MUTATING, rule("CREATE", "UPDATE", versions=("v1", "v2")))
    await client.create(FOOS, foo(data={"mutation-start": "yes"}), "default")
    await change(client, f"foos.{GROUP}", versions=[{**first, "storage": False}, {**second, "storage": True}])
    dummy = {"data": {"dummy": "test"}}
    patched = await client.patch(FOOS, "a", dummy, "default")
    assert {"mutation-start", "mutation-stage-1", "mutation-stage-2", "dummy"} == set(patched["data"])


async def test_a_webhook_sees_the_version_it_asked_for(hook: Any, rest_client: RestClient) -> None:
    await establish(rest_client, definition(version("v1"), version("v2", storage=False)))
    await register(rest_client, hook, MUTATING, rule("CREATE", versions=("v2",)))
    made = await rest_client.create(FOOS, foo(data={"mutation-start": "yes"}), "default")
    asked = hook[1][-1]["request"]
    assert (asked["resource"]["version"], asked["requestResource"]["version"]) == ("v2", "v1")
    assert asked["object"]["apiVersion"] == f"{GROUP}/v2"
    assert (made["apiVersion"], made["data"]["mutation-stage-1"]) == (f"{GROUP}/v1", "yes")


async def test_custom_groups_have_api_services(rest_client: RestClient) -> None:
    await establish(rest_client, definition())

    async def names() -> set[str]:
        return {item["metadata"]["name"] for item in (await rest_client.list(r.API_SERVICES))["items"]}

    async def there() -> bool:
        return f"v1.{GROUP}" in await names()

    await eventually(there)
    made = await rest_client.get(r.API_SERVICES, f"v1.{GROUP}")
    assert made["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
    assert (made["spec"]["groupPriorityMinimum"], made["spec"]["versionPriority"]) == (1000, 100)
    await rest_client.delete(r.CUSTOM_RESOURCE_DEFINITIONS, f"foos.{GROUP}")
    await gone(rest_client, f"foos.{GROUP}")

    async def absent() -> bool:
        return f"v1.{GROUP}" not in await names()

    await eventually(absent)
