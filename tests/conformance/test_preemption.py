"""Preemption on simulated nodes: who makes room for whom."""

from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.resources import NODES, PODS
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]

RESOURCE = "scheduling.k8s.io/foo"
FAKE_CPU = "example.com/fakecpu"


async def offer(cluster: SimulatedCluster, resource: str, amount: str) -> list[str]:
    """Every node has so much of an extended resource; returns their names."""
    names = [meta.name(node) for node in await cluster.list(NODES)]
    for name in names:
        amounts = {"capacity": {resource: amount}, "allocatable": {resource: amount}}
        await cluster.client.patch(NODES, name, {"status": amounts}, subresource="status")
    return names


async def add_classes(cluster: SimulatedCluster, **values: int) -> None:
    for name, value in values.items():
        await cluster.create(
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": value,
            }
        )


def spec(priority_class: str, resource: str, amount: str, node: str = "") -> Object:
    amounts = {"requests": {resource: amount}, "limits": {resource: amount}}
    made: Object = {
        "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": amounts}],
        "priorityClassName": priority_class,
        "terminationGracePeriodSeconds": 0,
    }
    if node:
        fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
        required = {"nodeSelectorTerms": [{"matchFields": fields}]}
        made["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return made


def pod(
    name: str, priority_class: str, node: str = "", amount: str = "2", namespace: str = "default"
) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec(priority_class, RESOURCE, amount, node),
    }


async def is_running(cluster: SimulatedCluster, name: str, namespace: str = "default") -> bool:
    return bool((await cluster.get(PODS, name, namespace))["status"]["phase"] == "Running")


async def fill_two_thirds(cluster: SimulatedCluster) -> list[str]:
    """One pod a node: the first of low priority, the others of medium priority."""
    await add_classes(cluster, low=1, medium=100, high=1000)
    made = []
    for number, node in enumerate(await offer(cluster, RESOURCE, "3")):
        one = pod(f"pod{number}", "medium" if number else "low", node)
        await cluster.create(one)
        made.append(meta.name(one))
    for name in made:
        await cluster.until(lambda name=name: is_running(cluster, name))
    return made


async def only_the_first_left(cluster: SimulatedCluster, made: list[str]) -> None:
    assert await cluster.is_gone(PODS, made[0])
    for name in made[1:]:
        assert not meta.is_terminating(await cluster.get(PODS, name))


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works [Conformance]"
)
async def test_a_pod_of_high_priority_takes_the_place_of_the_lowest(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    made = await fill_two_thirds(cluster)
    await cluster.create(pod("preemptor", "high"))
    await cluster.until(lambda: is_running(cluster, "preemptor"))
    await only_the_first_left(cluster, made)
    status = (await cluster.get(PODS, "preemptor"))["status"]
    assert "nominatedNodeName" not in status


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod [Conformance]"
)
async def test_a_critical_pod_takes_the_place_of_the_lowest(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    made = await fill_two_thirds(cluster)
    await cluster.create(pod("critical", "system-cluster-critical", namespace="kube-system"))
    await cluster.until(lambda: is_running(cluster, "critical", "kube-system"))
    await only_the_first_left(cluster, made)


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the preempted pod [Conformance]"
)
async def test_a_preempted_pod_says_by_whom_it_was_disrupted(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await add_classes(cluster, low=1, high=1000)
    nodes = await offer(cluster, RESOURCE, "1")
    victim = pod("victim", "low", nodes[0], amount="1")
    victim["metadata"]["finalizers"] = ["example.com/test-finalizer"]
    await cluster.create(victim)
    await cluster.until(lambda: is_running(cluster, "victim"))
    await cluster.create(pod("preemptor", "high", nodes[0], amount="1"))

    async def disrupted() -> Object | None:
        return meta.find_condition(await cluster.get(PODS, "victim"), "DisruptionTarget")

    condition = await cluster.until(disrupted)
    assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
    assert condition["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    await cluster.until(lambda: is_running(cluster, "preemptor"))
    await cluster.client.patch(PODS, "victim", {"metadata": {"finalizers": None}}, "default")
    await cluster.until(lambda: cluster.is_gone(PODS, "victim"))


def replica_set(name: str, priority_class: str, amount: str, node: str) -> Object:
    labels = {"name": name}
    template = {"metadata": {"labels": labels}, "spec": spec(priority_class, FAKE_CPU, amount, node)}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption running path [Conformance]"
)
async def test_replica_sets_lose_no_more_pods_than_the_stronger_one_needs(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    await add_classes(cluster, p1=1, p2=2, p3=3, p4=4)
    node = (await offer(cluster, FAKE_CPU, "1000"))[0]
    first: dict[str, str] = {}

    async def sole(name: str) -> Object:
        (only,) = await cluster.list(PODS, labels=f"name={name}")
        assert only["status"]["phase"] == "Running"
        return only

    for priority_class, amount in (("p1", "200"), ("p2", "300"), ("p3", "450")):
        await cluster.create(replica_set(priority_class, priority_class, amount, node))
        first[priority_class] = meta.uid(await cluster.until(lambda name=priority_class: sole(name)))
    await cluster.create(replica_set("p4", "p4", "500", node))
    await cluster.until(lambda: sole("p4"))

    async def others_wait() -> bool:
        for name in ("p1", "p2"):
            pods = await cluster.list(PODS, labels=f"name={name}")
            assert len(pods) == 1
            only = pods[0]
            if only["status"]["phase"] != "Pending" or meta.uid(only) == first[name]:
                return False
        return True

    await cluster.until(others_wait)
    assert meta.uid(await sole("p3")) == first["p3"]
