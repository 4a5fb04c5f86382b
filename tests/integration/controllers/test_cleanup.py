"""Cascading deletion, namespaces, accounts and backends of Services against the real API server."""

from typing import Any

from integration.controllers.conftest import Start
from integration.controllers.test_workloads import deployment, items, rolled_out
from pinnace.api import meta
from pinnace.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from pinnace.apimachinery.errors import NotFound
from pinnace.client.interface import Client
from pinnace.testing.wait import eventually

WORKLOADS = ("deployment", "replicaset", "garbage-collector")


async def is_gone(client: Client, gvr: Any, name: str, namespace: str | None = "default") -> bool:
    try:
        await client.get(gvr, name, namespace)
    except NotFound:
        return True
    return False


async def nothing_left(client: Client) -> bool:
    return not any([await items(client, gvr) for gvr in (DEPLOYMENTS, REPLICA_SETS, PODS)])


async def test_foreground_deletion_ends_with_the_owner(start: Start) -> None:
    client = await start(*WORKLOADS)
    await client.create(DEPLOYMENTS, deployment(3))
    await eventually(lambda: rolled_out(client, "one", 3))
    await client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Foreground")
    assert meta.is_terminating(await client.get(DEPLOYMENTS, "web", "default"))
    await eventually(lambda: is_gone(client, DEPLOYMENTS, "web"))
    assert await nothing_left(client)


async def test_a_namespace_goes_with_all_its_content(start: Start) -> None:
    client = await start(root_ca="-----BEGIN CERTIFICATE-----")
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})

    async def furnished() -> bool:
        return not await is_gone(client, SERVICE_ACCOUNTS, "default", "x") and not (
            await is_gone(client, CONFIG_MAPS, "kube-root-ca.crt", "x")
        )

    await eventually(furnished)
    body = deployment(2)
    body["metadata"]["namespace"] = "x"
    await client.create(DEPLOYMENTS, body)

    async def runs() -> bool:
        d = await client.get(DEPLOYMENTS, "web", "x")
        return bool((d.get("status") or {}).get("availableReplicas") == 2)

    await eventually(runs)
    await client.delete(NAMESPACES, "x")
    await eventually(lambda: is_gone(client, NAMESPACES, "x", None), within=60)
    assert (await client.list(PODS, "x"))["items"] == []


async def test_backends_of_a_service_follow_its_pods(start: Start) -> None:
    client = await start(*WORKLOADS, "endpoints", "endpointslice")
    await client.create(DEPLOYMENTS, deployment(3))
    await client.create(SERVICES, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    })  # fmt: skip

    async def addresses() -> tuple[int, int]:
        slices = (
            await client.list(ENDPOINT_SLICES, "default", label_selector="kubernetes.io/service-name=web")
        )["items"]
        ready = [e for s in slices for e in s["endpoints"] or () if e["conditions"]["ready"]]
        endpoints = await client.get(ENDPOINTS, "web", "default")
        return len(ready), sum(len(s.get("addresses") or ()) for s in endpoints.get("subsets") or ())

    async def are(count: int) -> bool:
        return not await is_gone(client, ENDPOINTS, "web") and await addresses() == (count, count)

    await eventually(lambda: are(3))
    await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")
    await eventually(lambda: are(1))
    await client.delete(SERVICES, "web", "default")
    await eventually(lambda: is_gone(client, ENDPOINTS, "web"))

    async def no_slices() -> bool:
        found = await client.list(ENDPOINT_SLICES, "default", label_selector="kubernetes.io/service-name=web")
        return not found["items"]

    await eventually(no_slices)
