"""test/e2e/apimachinery/garbage_collector.go: what goes with its owner, what outlives it, in which order."""

from typing import Any

import pytest

from conformance.workloads import STRATEGIC, Workload, lone_pod, recorded, workload
from pinnace.api import meta
from pinnace.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
GARBAGE = "[sig-api-machinery] Garbage collector should "
C = " [Conformance]"
MANY = 20  # upstream: as many as the nodes take, 10 to 100


async def start(cluster: SimulatedCluster, kind: str, name: str, replicas: int) -> Workload:
    made = await Workload(cluster, workload(kind, name, replicas)).start()
    await made.until_ready(replicas)
    return made


async def delete(cluster: SimulatedCluster, of: Workload, policy: str) -> None:
    """Guarded by the uid, as upstream's test frame does."""
    uid = meta.uid(await of.read())
    await cluster.client.delete(of.gvr, of.name, "default", propagation_policy=policy, uid=uid)


async def none_left(cluster: SimulatedCluster) -> bool:
    return not any([await cluster.list(gvr) for gvr in (DEPLOYMENTS, REPLICA_SETS, PODS)])


def owners(obj: Object) -> list[str]:
    return [one["name"] for one in obj["metadata"].get("ownerReferences") or ()]


@pytest.mark.conformance(GARBAGE + "delete pods created by rc when not orphaning" + C)
async def test_pods_go_with_their_controller(cluster: SimulatedCluster) -> None:
    controller = await Workload(cluster, workload("ReplicationController", "simple", 2)).start()
    await cluster.until(lambda: cluster.list(PODS))
    await delete(cluster, controller, "Background")
    assert await cluster.is_gone(REPLICATION_CONTROLLERS, "simple")
    await cluster.until(lambda: none_left(cluster))


@pytest.mark.conformance(GARBAGE + "orphan pods created by rc if delete options say so [Serial]" + C)
async def test_orphaned_pods_stay(cluster: SimulatedCluster) -> None:
    controller = await start(cluster, "ReplicationController", "simple", MANY)
    before = {meta.uid(pod) for pod in await cluster.list(PODS)}
    await delete(cluster, controller, "Orphan")
    await cluster.until(lambda: cluster.is_gone(REPLICATION_CONTROLLERS, "simple"))

    async def stay() -> bool:
        pods = await cluster.list(PODS)
        return {meta.uid(p) for p in pods} == before and not any(map(meta.is_terminating, pods))

    await cluster.holds(stay, seconds=60)
    assert not any(map(owners, await cluster.list(PODS)))


async def test_a_delete_that_says_nothing_orphans_the_pods(cluster: SimulatedCluster) -> None:
    """Core/v1 ReplicationControllers and batch/v1 Jobs, for the sake of clients older than the garbage collector."""
    await start(cluster, "ReplicationController", "simple", 2)
    await cluster.client.delete(REPLICATION_CONTROLLERS, "simple", "default")
    await cluster.until(lambda: cluster.is_gone(REPLICATION_CONTROLLERS, "simple"))
    assert [owners(pod) for pod in await cluster.list(PODS)] == [[], []]


@pytest.mark.conformance(GARBAGE + "delete RS created by deployment when not orphaning" + C)
async def test_sets_and_pods_go_with_their_deployment(cluster: SimulatedCluster) -> None:
    deployment = await start(cluster, "Deployment", "simple", 2)
    assert len(await cluster.list(REPLICA_SETS)) == 1
    await delete(cluster, deployment, "Background")
    assert await cluster.is_gone(DEPLOYMENTS, "simple")
    await cluster.until(lambda: none_left(cluster))


@pytest.mark.conformance(
    GARBAGE + "orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan" + C
)
async def test_orphaned_sets_keep_their_pods_and_are_adopted(cluster: SimulatedCluster) -> None:
    deployment = await start(cluster, "Deployment", "simple", 2)
    before = {meta.uid(pod) for pod in await cluster.list(PODS)}
    await delete(cluster, deployment, "Orphan")
    await cluster.until(lambda: cluster.is_gone(DEPLOYMENTS, "simple"))

    async def set_stays() -> bool:
        (left,) = await cluster.list(REPLICA_SETS)
        return not owners(left) and not meta.is_terminating(left)

    await cluster.holds(set_stays, seconds=60)
    pods = await cluster.list(PODS)
    assert {meta.uid(pod) for pod in pods} == before
    assert {tuple(owners(pod)) for pod in pods} == {(meta.name((await cluster.list(REPLICA_SETS))[0]),)}
    await start(cluster, "Deployment", "simple", 2)
    assert [owners(one) for one in await cluster.list(REPLICA_SETS)] == [["simple"]]
    assert {meta.uid(pod) for pod in await cluster.list(PODS)} == before


@pytest.mark.conformance(
    GARBAGE + "keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]" + C
)
async def test_a_controller_that_is_deleted_in_the_foreground_goes_last(cluster: SimulatedCluster) -> None:
    controller = await start(cluster, "ReplicationController", "simple", MANY)
    async with recorded(cluster) as record:
        await delete(cluster, controller, "Foreground")
        assert (await controller.read())["metadata"]["finalizers"] == ["foregroundDeletion"]

        async def is_gone() -> bool:
            """Never before its pods."""
            gone = await cluster.is_gone(REPLICATION_CONTROLLERS, "simple")
            if gone and await cluster.list(PODS):
                pytest.fail("the controller is gone before its pods are")
            return gone

        await cluster.until(is_gone)
        await cluster.settle()
        assert len(record.names("DELETED")) == MANY
        assert record.names("ADDED") == []


@pytest.mark.conformance(
    GARBAGE
    + "not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]"
    + C
)
async def test_pods_with_another_owner_outlive_the_one_that_waits(cluster: SimulatedCluster) -> None:
    leaving = await start(cluster, "ReplicationController", "to-be-deleted", MANY)
    staying = await start(cluster, "ReplicationController", "to-stay", 0)
    shared = {meta.name(pod) for pod in (await leaving.pods())[: MANY // 2]}
    stayer = {"apiVersion": "v1", "kind": "ReplicationController", "name": "to-stay"}
    for name in shared:
        reference = {**stayer, "uid": meta.uid(await staying.read())}
        change = {"metadata": {"ownerReferences": [reference]}}
        patched = await cluster.client.patch(PODS, name, change, "default", content_type=STRATEGIC)
        assert sorted(owners(patched)) == ["to-be-deleted", "to-stay"]
    await delete(cluster, leaving, "Foreground")
    await cluster.until(lambda: cluster.is_gone(REPLICATION_CONTROLLERS, "to-be-deleted"))

    async def half_stays() -> bool:
        pods = await cluster.list(PODS)
        return {meta.name(p) for p in pods} == shared and not any(map(meta.is_terminating, pods))

    await cluster.holds(half_stays, seconds=60)
    assert {tuple(owners(pod)) for pod in await cluster.list(PODS)} == {("to-stay",)}


@pytest.mark.conformance(GARBAGE + "not be blocked by dependency circle" + C)
async def test_owners_in_a_circle_all_go(cluster: SimulatedCluster) -> None:
    made = {name: await cluster.create(lone_pod(name)) for name in ("pod1", "pod2", "pod3")}
    for name, owner in (("pod1", "pod3"), ("pod2", "pod1"), ("pod3", "pod2")):
        reference = meta.owner_reference(made[owner])
        await cluster.client.patch(PODS, name, {"metadata": {"ownerReferences": [reference]}}, "default")
    await cluster.client.delete(PODS, "pod1", "default", propagation_policy="Foreground")
    await cluster.until(lambda: none_left(cluster))
