"""test/e2e/apimachinery/namespace.go: what a namespace takes with it, in which order, and how it is changed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]


@pytest_asyncio.fixture
async def cluster(api_server: ApiServerInProcess) -> AsyncGenerator[Client, None]:
    """An administrator's client of a server with the namespace controller at work."""
    manager = api_server.local_client("system:kube-controller-manager", ())
    config = ControllersConfig(("namespace", "serviceaccount"))
    running = asyncio.create_task(Controllers(manager, RealClock(), config).run())
    yield api_server.rest_client()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def made(client: Client, name: str = "short") -> Object:
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
    namespace = await client.create(r.NAMESPACES, body)

    async def has_account() -> bool:
        return bool((await client.list(r.SERVICE_ACCOUNTS, name))["items"])

    await eventually(has_account)
    return namespace


def pod(name: str, **metadata: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, **metadata}, "spec": spec}


async def is_gone(client: Client, name: str) -> bool:
    try:
        await client.get(r.NAMESPACES, name)
    except errors.NotFound:
        return True
    return False


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted [Conformance]"
)
async def test_pods_go_with_their_namespace(cluster: Client) -> None:
    await made(cluster)
    await cluster.create(r.PODS, pod("p"), "short")
    await cluster.delete(r.NAMESPACES, "short")
    await eventually(lambda: is_gone(cluster, "short"))
    await made(cluster)
    assert (await cluster.list(r.PODS, "short"))["items"] == []


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a namespace is deleted [Conformance]"
)
async def test_services_go_with_their_namespace(cluster: Client) -> None:
    await made(cluster)
    service = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}]},
    }
    await cluster.create(r.SERVICES, service, "short")
    await cluster.delete(r.NAMESPACES, "short")
    await eventually(lambda: is_gone(cluster, "short"))
    await made(cluster)
    assert (await cluster.list(r.SERVICES, "short"))["items"] == []


@pytest.mark.conformance(
    "[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first [Conformance]"
)
async def test_nothing_goes_before_the_last_pod_is_gone(cluster: Client) -> None:
    await made(cluster)
    held = await cluster.create(r.PODS, pod("p", finalizers=["example.com/hold"]), "short")
    config_map = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
    await cluster.create(r.CONFIG_MAPS, config_map, "short")
    await cluster.delete(r.NAMESPACES, "short")

    async def is_reported() -> bool:
        status = (await cluster.get(r.NAMESPACES, "short"))["status"]
        found = {c["type"]: c for c in status.get("conditions") or ()}
        return (
            found.get("NamespaceContentRemaining", {})
            .get("message", "")
            .endswith("pods. has 1 resource instances")
        )

    await eventually(is_reported)
    assert "deletionTimestamp" in (await cluster.get(r.PODS, "p", "short"))["metadata"]
    assert "deletionTimestamp" not in (await cluster.get(r.CONFIG_MAPS, "c", "short"))["metadata"]
    await cluster.patch(r.PODS, held["metadata"]["name"], {"metadata": {"finalizers": None}}, "short")
    await eventually(lambda: is_gone(cluster, "short"))


@pytest.mark.conformance("[sig-api-machinery] Namespaces [Serial] should patch a Namespace [Conformance]")
async def test_a_label_is_patched_in(cluster: Client) -> None:
    await made(cluster)
    await cluster.patch(r.NAMESPACES, "short", {"metadata": {"labels": {"testLabel": "testValue"}}})
    assert (await cluster.get(r.NAMESPACES, "short"))["metadata"]["labels"]["testLabel"] == "testValue"


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace [Conformance]"
)
async def test_a_label_is_updated(cluster: Client) -> None:
    await made(cluster)
    live = await cluster.get(r.NAMESPACES, "short")
    live["metadata"]["labels"]["updated"] = "yes"
    assert (await cluster.update(r.NAMESPACES, live))["metadata"]["labels"]["updated"] == "yes"


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status [Conformance]"
)
async def test_conditions_are_patched_and_updated(cluster: Client) -> None:
    namespace = await made(cluster)
    assert namespace["status"]["phase"] == "Active"
    condition = {
        "type": "StatusPatch",
        "status": "True",
        "reason": "E2E",
        "message": "Patched by an e2e test",
    }
    patched = await cluster.patch(
        r.NAMESPACES, "short", {"status": {"conditions": [condition]}}, subresource="status"
    )
    assert patched["status"]["conditions"][0]["reason"] == "E2E"
    patched["status"]["conditions"].append({**condition, "type": "StatusUpdate"})
    updated = await cluster.update(r.NAMESPACES, patched, subresource="status")
    assert [c["type"] for c in updated["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]
    assert updated["status"]["phase"] == "Active"


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace [Conformance]"
)
async def test_a_finalizer_of_the_spec_comes_and_goes(cluster: Client) -> None:
    namespace = await made(cluster)
    fake = "e2e.example.com/fakeFinalizer"
    namespace["spec"]["finalizers"].append(fake)
    added = await cluster.update(r.NAMESPACES, namespace, subresource="finalize")
    assert added["spec"]["finalizers"] == ["kubernetes", fake]
    added["spec"]["finalizers"].remove(fake)
    removed = await cluster.update(r.NAMESPACES, added, subresource="finalize")
    assert removed["spec"]["finalizers"] == ["kubernetes"]


async def test_nothing_is_created_in_a_namespace_that_goes_away(rest_client: Client) -> None:
    """Without the controller, so that it stays as it is."""
    client = rest_client
    await client.create(
        r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "short"}}
    )
    await client.delete(r.NAMESPACES, "short")
    config_map = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(r.CONFIG_MAPS, config_map, "short")
    assert refused.value.message == (
        'configmaps "c" is forbidden: unable to create new content in namespace short because it is being terminated'
    )
    (cause,) = refused.value.causes
    assert (cause.reason, cause.message, cause.field) == (
        "NamespaceTerminating", "namespace short is being terminated", "metadata.namespace",
    )  # fmt: skip
    with pytest.raises(errors.NotFound, match='namespaces "none" not found'):
        await client.create(r.CONFIG_MAPS, config_map, "none")
    for immortal in ("default", "kube-system", "kube-public"):
        with pytest.raises(errors.Forbidden, match="this namespace may not be deleted"):
            await client.delete(r.NAMESPACES, immortal)
