"""test/e2e/apps/disruption.go: budgets as objects, what they count, and how they hold evictions up."""

from typing import Any

import pytest

from conformance.workloads import Object, Workload, workload
from pinnace.api import meta
from pinnace.api.resources import POD_DISRUPTION_BUDGETS as BUDGETS
from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import NotFound, TooManyRequests
from pinnace.testing.simulated_cluster import SimulatedCluster

DISRUPTION = "[sig-apps] DisruptionController "


def budget(name: str = "web", **spec: Any) -> Object:
    return {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "labels": {"budget": name}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }  # fmt: skip


async def status(cluster: SimulatedCluster, name: str = "web") -> Object:
    return (await cluster.get(BUDGETS, name)).get("status") or {}


async def allows(cluster: SimulatedCluster, count: int, name: str = "web") -> bool:
    found = await cluster.get(BUDGETS, name)
    said = found.get("status") or {}
    is_seen = said.get("observedGeneration") == found["metadata"]["generation"]
    return bool(is_seen and said["disruptionsAllowed"] == count)


@pytest.mark.conformance(DISRUPTION + "should create a PodDisruptionBudget [Conformance]")
async def test_a_budget_is_made_changed_and_removed(cluster: SimulatedCluster) -> None:
    made = await cluster.create(budget(minAvailable="1%"))
    assert made["spec"]["minAvailable"] == "1%"
    changed = meta.mutable_copy(await cluster.get(BUDGETS, "web"))
    changed["spec"]["minAvailable"] = "2%"
    assert (await cluster.client.update(BUDGETS, changed))["spec"]["minAvailable"] == "2%"
    await cluster.client.patch(BUDGETS, "web", {"spec": {"minAvailable": "3%"}}, "default")
    assert (await cluster.get(BUDGETS, "web"))["spec"]["minAvailable"] == "3%"
    await cluster.client.delete(BUDGETS, "web", "default")
    with pytest.raises(NotFound):
        await cluster.get(BUDGETS, "web")


@pytest.mark.conformance(
    DISRUPTION
    + "Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets [Conformance]"
)
async def test_a_collection_is_listed_and_deleted(cluster: SimulatedCluster) -> None:
    for name, namespace in (("one", "default"), ("two", "default"), ("elsewhere", "kube-system")):
        await cluster.create(budget(name, minAvailable=1), namespace)
    found = await cluster.list(BUDGETS, None)
    assert {meta.name(one) for one in found} == {"one", "two", "elsewhere"}
    assert len(await cluster.list(BUDGETS, "default")) == 2
    await cluster.client.delete_collection(BUDGETS, "default", label_selector="budget in (one, two)")
    assert {meta.name(one) for one in await cluster.list(BUDGETS, None)} == {"elsewhere"}


@pytest.mark.conformance(DISRUPTION + "should observe PodDisruptionBudget status updated [Conformance]")
async def test_a_budget_counts_its_pods(cluster: SimulatedCluster) -> None:
    await cluster.create(budget(minAvailable=1))
    await cluster.until(lambda: allows(cluster, 0))
    made = await Workload(cluster, workload("ReplicaSet", "web", 3)).start()
    await made.until_ready(3)
    await cluster.until(lambda: allows(cluster, 2))
    said = await status(cluster)
    assert (said["currentHealthy"], said["desiredHealthy"], said["expectedPods"]) == (3, 1, 3)
    condition = meta.find_condition(await cluster.get(BUDGETS, "web"), "DisruptionAllowed")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("True", "SufficientPods")


@pytest.mark.conformance(DISRUPTION + "should update/patch PodDisruptionBudget status [Conformance]")
async def test_the_status_of_a_budget(cluster: SimulatedCluster) -> None:
    await cluster.create(budget(minAvailable=1))
    made = await Workload(cluster, workload("ReplicaSet", "web", 2)).start()
    await made.until_ready(2)
    await cluster.until(lambda: allows(cluster, 1))
    now = "2026-01-01T12:00:00Z"
    current = meta.mutable_copy(await cluster.client.get(BUDGETS, "web", "default", subresource="status"))
    current["status"]["disruptedPods"] = {"gone": now}
    updated = await cluster.client.update(BUDGETS, current, subresource="status")
    assert updated["status"]["disruptedPods"] == {"gone": now}
    none = {"status": {"disruptedPods": {"gone": None}}}
    patched = await cluster.client.patch(BUDGETS, "web", none, "default", subresource="status")
    assert not patched["status"].get("disruptedPods")


async def evict(cluster: SimulatedCluster, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "default"}}
    await cluster.client.create(PODS, body, "default", name=pod, subresource="eviction")


@pytest.mark.conformance(
    DISRUPTION + "should block an eviction until the PDB is updated to allow it [Conformance]"
)
async def test_a_budget_blocks_an_eviction_until_it_is_changed(cluster: SimulatedCluster) -> None:
    made = await Workload(cluster, workload("ReplicaSet", "web", 3)).start()
    victim = meta.name((await made.until_ready(3))[0])
    await cluster.create(budget(minAvailable=3))
    await cluster.until(lambda: allows(cluster, 0))
    with pytest.raises(
        TooManyRequests, match="Cannot evict pod as it would violate the pod's disruption budget"
    ):
        await evict(cluster, victim)
    await cluster.client.patch(BUDGETS, "web", {"spec": {"minAvailable": 2}}, "default")
    await cluster.until(lambda: allows(cluster, 1))
    await evict(cluster, victim)
    await cluster.until(lambda: cluster.is_gone(PODS, victim))
    await made.until_ready(3)
    await cluster.client.delete(BUDGETS, "web", "default")
    second = meta.name((await made.pods())[0])
    await cluster.until(lambda: cluster.is_gone(BUDGETS, "web"))
    await evict(cluster, second)
    await cluster.until(lambda: cluster.is_gone(PODS, second))
