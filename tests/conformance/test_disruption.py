"""test/e2e/apps/disruption.go: budgets as objects, what they count, and how they hold evictions up."""

from typing import Any

import pytest

from conformance.workloads import Object, Workload, lone_pod, workload
from custom_resources import FOOS, definition, foo, version
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS, EVENTS, PODS
from pinnace.api.resources import POD_DISRUPTION_BUDGETS as BUDGETS
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


# --- beyond upstream's suite


async def pods_of_a_foo(cluster: SimulatedCluster, replicas: int, count: int, **served: Any) -> None:
    """A custom resource that controls pods, as an operator would make them."""
    await cluster.create(definition(version(**served)))

    async def established() -> bool:
        found = await cluster.get(CUSTOM_RESOURCE_DEFINITIONS, "foos.example.com")
        return meta.condition_is_true(found, "Established")

    await cluster.until(established)
    owner = await cluster.client.create(FOOS, foo(spec={"replicas": replicas}), "default")
    for number in range(count):
        pod = lone_pod(f"p{number}", app="web")
        pod["metadata"]["ownerReferences"] = [meta.owner_reference(owner, block_owner_deletion=False)]
        await cluster.create(pod)

    async def all_ready() -> bool:
        return all(map(pods.is_ready, await cluster.list(PODS)))

    await cluster.until(all_ready)


async def test_the_scale_of_a_custom_resource_counts(cluster: SimulatedCluster) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    await pods_of_a_foo(cluster, 6, 5, subresources={"scale": scale})
    await cluster.create(budget(maxUnavailable="50%"))
    await cluster.until(lambda: allows(cluster, 2))
    said = await status(cluster)
    assert (said["expectedPods"], said["desiredHealthy"], said["currentHealthy"]) == (6, 3, 5)
    await evict(cluster, "p0")
    await cluster.until(lambda: allows(cluster, 1))
    await cluster.client.patch(FOOS, "a", {"spec": {"replicas": 4}}, "default")
    await cluster.advance(10)
    cluster.pods.not_ready("p1")  # something happens to the pods: the scale is asked for again
    await cluster.until(lambda: expects(cluster, 4))


async def expects(cluster: SimulatedCluster, count: int) -> bool:
    return bool((await status(cluster))["expectedPods"] == count)


async def test_pods_of_something_without_a_scale_are_not_evicted(cluster: SimulatedCluster) -> None:
    await pods_of_a_foo(cluster, 2, 2)
    await cluster.create(budget(maxUnavailable=1))

    async def failed() -> bool:
        condition = meta.find_condition(await cluster.get(BUDGETS, "web"), "DisruptionAllowed")
        return condition is not None and (condition["status"], condition["reason"], condition["message"]) == (
            "False", "SyncFailed", "foos.example.com does not implement the scale subresource",
        )  # fmt: skip

    await cluster.until(failed)
    with pytest.raises(TooManyRequests):
        await evict(cluster, "p0")
    events = {e["reason"] for e in await cluster.list(EVENTS) if e["involvedObject"]["name"] == "web"}
    assert "CalculateExpectedPodCountFailed" in events


async def test_a_pod_that_nobody_came_for_is_no_target_any_more(cluster: SimulatedCluster) -> None:
    await cluster.create(lone_pod("p", app="web"))

    async def target() -> Object:
        return pods.get_condition(await cluster.get(PODS, "p"), "DisruptionTarget") or {}

    async def ready() -> bool:
        return pods.is_ready(await cluster.get(PODS, "p"))

    await cluster.until(ready)
    current = meta.mutable_copy(await cluster.get(PODS, "p"))
    moment = current["status"]["conditions"][0]["lastTransitionTime"]
    current["status"]["conditions"].append(
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "lastTransitionTime": moment,
        }
    )
    await cluster.client.update(PODS, current, subresource="status")

    async def is_target() -> bool:
        return (await target()).get("status") == "True"

    await cluster.holds(is_target, seconds=115)
    await cluster.advance(10)
    assert (await target())["status"] == "False"


async def test_a_stateful_set_is_drained_as_far_as_its_budget_allows(cluster: SimulatedCluster) -> None:
    made = await Workload(cluster, workload("StatefulSet", "web", 3, serviceName="web")).start()
    await made.until_ready(3)
    await cluster.create(budget(maxUnavailable=1))
    await cluster.until(lambda: allows(cluster, 1))
    await evict(cluster, "web-1")
    with pytest.raises(TooManyRequests):
        await evict(cluster, "web-0")
    await made.until_ready(3)
    await cluster.until(lambda: allows(cluster, 1))


@pytest.mark.parametrize(
    ("policy", "spared"), [("IfHealthyBudget", True), ("AlwaysAllow", False), (None, True)]
)
async def test_unhealthy_pods_go_as_the_policy_says(
    cluster: SimulatedCluster, policy: str | None, spared: bool
) -> None:
    """While the budget is not met, pods that are not ready are held back or let go."""
    await cluster.create(budget(minAvailable=2, **({"unhealthyPodEvictionPolicy": policy} if policy else {})))
    made = await Workload(cluster, workload("ReplicaSet", "web", 2)).start()
    first, second = (meta.name(pod) for pod in await made.until_ready(2))
    cluster.pods.not_ready("app=web")
    await cluster.until(lambda: is_healthy(cluster, 0))
    if spared:
        with pytest.raises(TooManyRequests):
            await evict(cluster, first)
    else:
        await evict(cluster, first)
        await cluster.until(lambda: cluster.is_gone(PODS, first))
    cluster.pods.ready(second)
    await cluster.until(lambda: is_healthy(cluster, 1 if spared else 2))


async def is_healthy(cluster: SimulatedCluster, count: int) -> bool:
    return bool((await status(cluster)).get("currentHealthy") == count)
