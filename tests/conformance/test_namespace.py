"""test/e2e/apimachinery/namespace.go: what a namespace takes with it, in which order, and how it is changed."""

from typing import Any

import pytest

from conformance.workloads import lone_pod
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.core import pods
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Client
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
NAMESPACES = "[sig-api-machinery] Namespaces [Serial] should "
C = " [Conformance]"


async def made(cluster: SimulatedCluster, name: str = "short") -> Object:
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
    namespace = await cluster.create(body)
    await cluster.until(lambda: cluster.list(r.SERVICE_ACCOUNTS, name))
    return namespace


async def gone(cluster: SimulatedCluster, name: str = "short") -> None:
    await cluster.until(lambda: cluster.is_gone(r.NAMESPACES, name))


async def is_empty_afterwards(cluster: SimulatedCluster, gvr: GVR) -> bool:
    """The namespace, made again, has nothing of the old one."""
    await cluster.client.delete(r.NAMESPACES, "short")
    await gone(cluster)
    await made(cluster)
    return await cluster.list(gvr, "short") == []


@pytest.mark.conformance(NAMESPACES + "ensure that all pods are removed when a namespace is deleted" + C)
async def test_pods_go_with_their_namespace(cluster: SimulatedCluster) -> None:
    await made(cluster)
    await cluster.create(lone_pod("p"), "short")

    async def runs() -> bool:
        return pods.is_ready(await cluster.get(r.PODS, "p", "short"))

    await cluster.until(runs)
    assert await is_empty_afterwards(cluster, r.PODS)


@pytest.mark.conformance(NAMESPACES + "ensure that all services are removed when a namespace is deleted" + C)
async def test_services_go_with_their_namespace(cluster: SimulatedCluster) -> None:
    await made(cluster)
    spec = {"selector": {"foo": "bar"}, "ports": [{"port": 80, "targetPort": 80}]}
    await cluster.create(
        {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}, "spec": spec}, "short"
    )
    assert await is_empty_afterwards(cluster, r.SERVICES)


async def test_many_namespaces_go_at_once(cluster: SimulatedCluster) -> None:
    """Upstream's own, outside the conformance suite: a hundred of them, all gone within 150 s."""
    names = [f"nslifetest-{number}" for number in range(100)]
    for name in names:
        await cluster.create({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
    for name in names:
        await cluster.client.delete(r.NAMESPACES, name)

    async def all_gone() -> bool:
        return not {meta.name(one) for one in await cluster.list(r.NAMESPACES)} & set(names)

    await cluster.until(all_gone, within=150)


@pytest.mark.conformance(
    "[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first" + C
)
async def test_nothing_goes_before_the_last_pod_is_gone(cluster: SimulatedCluster) -> None:
    await made(cluster)
    held = lone_pod("p")
    held["metadata"]["finalizers"] = ["e2e.example.com/finalizer"]
    await cluster.create(held, "short")
    await cluster.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}, "short")
    await cluster.client.delete(r.NAMESPACES, "short")

    async def only_the_pod_goes() -> bool:
        namespace = await cluster.get(r.NAMESPACES, "short")
        found = meta.find_condition(namespace, "NamespaceContentRemaining") or {}
        return (
            namespace["status"]["phase"] == "Terminating"
            and found.get("message", "").endswith("pods. has 1 resource instances")
            and meta.is_terminating(await cluster.get(r.PODS, "p", "short"))
            and not meta.is_terminating(await cluster.get(r.CONFIG_MAPS, "c", "short"))
        )

    await cluster.until(only_the_pod_goes)
    await cluster.holds(only_the_pod_goes, seconds=300)
    await cluster.client.patch(r.PODS, "p", {"metadata": {"finalizers": None}}, "short")
    await gone(cluster)


@pytest.mark.conformance(NAMESPACES + "patch a Namespace" + C)
async def test_a_label_is_patched_in(cluster: SimulatedCluster) -> None:
    await made(cluster)
    await cluster.client.patch(r.NAMESPACES, "short", {"metadata": {"labels": {"testLabel": "testValue"}}})
    assert (await cluster.get(r.NAMESPACES, "short"))["metadata"]["labels"]["testLabel"] == "testValue"


@pytest.mark.conformance(NAMESPACES + "apply an update to a Namespace" + C)
async def test_a_label_is_updated(cluster: SimulatedCluster) -> None:
    await made(cluster)
    live = meta.mutable_copy(await cluster.get(r.NAMESPACES, "short"))
    live["metadata"]["labels"]["updated"] = "yes"
    assert (await cluster.client.update(r.NAMESPACES, live))["metadata"]["labels"]["updated"] == "yes"


@pytest.mark.conformance(NAMESPACES + "apply changes to a namespace status" + C)
async def test_conditions_are_patched_and_updated(cluster: SimulatedCluster) -> None:
    """No controller of the cluster takes them away."""
    namespace = await made(cluster)
    assert namespace["status"]["phase"] == "Active"
    condition = {
        "type": "StatusPatch",
        "status": "True",
        "reason": "E2E",
        "message": "Patched by an e2e test",
    }
    change = {"status": {"conditions": [condition]}}
    patched = await cluster.client.patch(r.NAMESPACES, "short", change, subresource="status")
    assert patched["status"]["conditions"][0]["reason"] == "E2E"
    more = meta.mutable_copy(patched)
    more["status"]["conditions"].append({**condition, "type": "StatusUpdate"})
    await cluster.client.update(r.NAMESPACES, more, subresource="status")

    async def both_stay() -> bool:
        status = (await cluster.get(r.NAMESPACES, "short"))["status"]
        kinds = [one["type"] for one in status["conditions"]]
        return kinds == ["StatusPatch", "StatusUpdate"] and status["phase"] == "Active"

    await cluster.holds(both_stay, seconds=60)


@pytest.mark.conformance(NAMESPACES + "apply a finalizer to a Namespace" + C)
async def test_a_finalizer_of_the_spec_comes_and_goes(cluster: SimulatedCluster) -> None:
    namespace = meta.mutable_copy(await made(cluster))
    fake = "e2e.example.com/fakeFinalizer"
    namespace["spec"]["finalizers"].append(fake)
    added = await cluster.client.update(r.NAMESPACES, namespace, subresource="finalize")
    assert added["spec"]["finalizers"] == ["kubernetes", fake]
    fewer = meta.mutable_copy(await cluster.get(r.NAMESPACES, "short"))
    fewer["spec"]["finalizers"].remove(fake)
    await cluster.client.update(r.NAMESPACES, fewer, subresource="finalize")
    assert (await cluster.get(r.NAMESPACES, "short"))["spec"]["finalizers"] == ["kubernetes"]


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
