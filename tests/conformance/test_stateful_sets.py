"""test/e2e/apps/statefulset.go: order, halting, parallel scaling, canaries, phased updates, roll-backs, evictions, the API."""

from dataclasses import replace
from typing import Any

import pytest

from conformance.workloads import Object, Record, Workload, lone_pod, recorded, with_image, workload
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from pinnace.kubelet.simulated.behaviour import RUNS_ON, Behaviour
from pinnace.testing.simulated_cluster import SimulatedCluster

BASIC = "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] "


async def start(cluster: SimulatedCluster, replicas: int = 3, **spec: Any) -> Workload:
    """A set of this size, every pod of which is ready."""
    made = await Workload(
        cluster, workload("StatefulSet", "ss", replicas, serviceName="test", **spec)
    ).start()
    await made.until_ready(replicas)
    return made


async def revisions(ss: Workload) -> list[str]:
    """Of the pods, by ordinal."""
    return [meta.labels(pod)["controller-revision-hash"] for pod in await ss.pods()]


async def until_updated(ss: Workload, image: str) -> Object:
    """The rollout is complete: every pod has the image, and the status names one revision."""

    async def complete() -> bool:
        status = await ss.status()
        return (
            set(await ss.images()) == {image}
            and await ss.has_ready(3)
            and status["currentRevision"] == status["updateRevision"]
        )

    await ss.cluster.until(complete)
    return await ss.status()


async def roll(ss: Workload, image: str) -> Record:
    """Another image, while pod 1 is not ready until everybody has seen that this holds the update up."""
    cluster = ss.cluster
    cluster.pods.not_ready("ss-1")
    await cluster.until(lambda: ready_count(ss, 2))
    await ss.patch(with_image(image))
    before = await ss.images()

    async def held_up() -> bool:
        return await ss.images() == before

    await cluster.until(lambda: has_two_revisions(ss), within=5)
    await cluster.holds(held_up, seconds=60)
    async with recorded(cluster) as record:
        cluster.pods.ready("ss-1")
        await until_updated(ss, image)
    return record


async def has_two_revisions(ss: Workload) -> bool:
    status = await ss.status()
    return bool(status["currentRevision"] != status["updateRevision"])


async def ready_count(ss: Workload, count: int) -> bool:
    return (await ss.status()).get("readyReplicas", 0) == count


@pytest.mark.conformance(
    BASIC + "should perform rolling updates and roll backs of template modifications [Conformance]"
)
async def test_rolling_updates_and_roll_backs(cluster: SimulatedCluster) -> None:
    ss = await start(cluster)
    first = await ss.status()
    assert first["currentRevision"] == first["updateRevision"]
    assert await revisions(ss) == [first["currentRevision"]] * 3
    record = await roll(ss, "two")
    assert record.names("DELETED") == record.names("ADDED") == ["ss-2", "ss-1", "ss-0"]
    second = await ss.status()
    assert second["currentRevision"] != first["currentRevision"]
    assert await revisions(ss) == [second["currentRevision"]] * 3
    record = await roll(ss, "one")
    assert record.names("DELETED") == record.names("ADDED") == ["ss-2", "ss-1", "ss-0"]
    third = await ss.status()
    assert third["currentRevision"] == first["currentRevision"]
    assert await revisions(ss) == [first["currentRevision"]] * 3
    numbers = {meta.name(r): r["revision"] for r in await cluster.list(CONTROLLER_REVISIONS)}
    assert numbers == {second["currentRevision"]: 2, first["currentRevision"]: 3}


def partition(number: int) -> Object:
    return {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}}}


@pytest.mark.conformance(
    BASIC + "should perform canary updates and phased rolling updates of template modifications [Conformance]"
)
async def test_canaries_and_phases(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, **partition(3)["spec"])

    async def images_are(*wanted: str) -> bool:
        return await ss.images() == list(wanted) and await ss.has_ready(3)

    await ss.patch(with_image("two"))
    await cluster.until(lambda: has_two_revisions(ss), within=5)
    await cluster.holds(lambda: images_are("one", "one", "one"), seconds=60)
    before = await ss.status()
    assert before["currentRevision"] != before["updateRevision"]
    await ss.patch(partition(2))
    await cluster.until(lambda: images_are("one", "one", "two"))
    assert await revisions(ss) == [before["currentRevision"]] * 2 + [before["updateRevision"]]
    uids = [meta.uid(pod) for pod in await ss.pods()]
    for name in ("ss-0", "ss-2"):
        await cluster.client.delete(PODS, name, "default")
    await cluster.until(lambda: images_are("one", "one", "two"))
    assert [meta.uid(pod) == uid for pod, uid in zip(await ss.pods(), uids, strict=True)] == [
        False,
        True,
        False,
    ]
    for part, wanted in ((1, ("one", "two", "two")), (0, ("two", "two", "two"))):
        await ss.patch(partition(part))
        await cluster.until(lambda wanted=wanted: images_are(*wanted))
    after = await until_updated(ss, "two")
    assert after["currentRevision"] == before["updateRevision"]


@pytest.mark.conformance(
    BASIC
    + "Scaling should happen in predictable order and halt if any stateful pod is unhealthy [Slow] [Conformance]"
)
async def test_scaling_is_ordered_and_halts(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1)

    async def pods_are(*names: str) -> bool:
        return [meta.name(pod) for pod in await ss.pods()] == list(names)

    async with recorded(cluster) as record:
        cluster.pods.not_ready("ss-0")
        await cluster.until(lambda: ready_count(ss, 0))
        await ss.scale(3)
        await cluster.holds(lambda: pods_are("ss-0"), seconds=600)
        cluster.pods.ready("ss-0")
        await ss.until_ready(3)
        assert record.names("ADDED") == ["ss-1", "ss-2"]
        cluster.pods.not_ready("app=ss")
        await cluster.until(lambda: ready_count(ss, 0))
        await ss.scale(0)
        await cluster.holds(lambda: pods_are("ss-0", "ss-1", "ss-2"), seconds=600)
        cluster.pods.ready("app=ss")
        await ss.until_ready(0)
        assert record.names("DELETED") == ["ss-2", "ss-1", "ss-0"]


@pytest.mark.conformance(
    BASIC + "Burst scaling should run to completion even with unhealthy pods [Slow] [Conformance]"
)
async def test_burst_scaling_does_not_wait(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1, podManagementPolicy="Parallel")
    cluster.pods.not_ready("ss-0")
    await cluster.until(lambda: ready_count(ss, 0))
    await ss.scale(3)

    async def all_run() -> bool:
        return [pods.phase(pod) for pod in await ss.pods()] == ["Running"] * 3 and await ready_count(ss, 2)

    await cluster.until(all_run, within=5)
    cluster.pods.not_ready("app=ss")
    await cluster.until(lambda: ready_count(ss, 0))
    await ss.scale(0)
    await cluster.until(lambda: ss.has_ready(0), within=5)


@pytest.mark.conformance(BASIC + "Should recreate evicted statefulset [Conformance]")
async def test_a_pod_that_the_node_does_not_take_is_made_again(cluster: SimulatedCluster) -> None:
    """While another pod is in its place, the node refuses the set's pod again and again."""
    await cluster.create(lone_pod("in-the-way"))

    def refused(pod: Object) -> Behaviour | None:
        if meta.labels(pod).get("app") == "ss" and cluster.nodes.informers.of(PODS).lister.get(
            "in-the-way", "default"
        ):
            return replace(
                RUNS_ON, evicted="Pod was rejected: Node didn't have free ports for the requested pod ports"
            )
        return None

    cluster.pods.behave(refused)
    ss = Workload(cluster, workload("StatefulSet", "ss", 1, serviceName="test"))
    async with recorded(cluster) as record:
        await ss.start()
        await cluster.until(lambda: record.count(("DELETED", "ss-0")) >= 2)
        assert record.names("ADDED").count("ss-0") >= 2
        await cluster.client.delete(PODS, "in-the-way", "default")
    (pod,) = await ss.until_ready(1)
    assert pods.phase(pod) == "Running"


@pytest.mark.conformance(BASIC + "should have a working scale subresource [Conformance]")
async def test_the_scale_subresource(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1)
    scale = await cluster.client.get(STATEFUL_SETS, "ss", "default", subresource="scale")
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 1, 1)
    assert scale["status"]["selector"] == "app=ss"
    await cluster.client.update(STATEFUL_SETS, {**scale, "spec": {"replicas": 2}}, subresource="scale")
    assert (await ss.read())["spec"]["replicas"] == 2
    await cluster.client.patch(STATEFUL_SETS, "ss", {"spec": {"replicas": 4}}, "default", subresource="scale")
    await ss.until_ready(4)
    scale = await cluster.client.get(STATEFUL_SETS, "ss", "default", subresource="scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (4, 4)


@pytest.mark.conformance(BASIC + "should list, patch and delete a collection of StatefulSets [Conformance]")
async def test_a_collection_is_listed_patched_and_deleted(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1)
    await ss.patch({**with_image("two"), "metadata": {"labels": {"test-ss": "patched"}}})
    await ss.scale(2)
    await cluster.until(lambda: ss.has_ready(2))
    await cluster.until(lambda: images_all(ss, "two"))
    found = await cluster.list(STATEFUL_SETS, None, labels="test-ss=patched")
    assert [(meta.name(one), one["spec"]["replicas"]) for one in found] == [("ss", 2)]
    await cluster.client.delete_collection(STATEFUL_SETS, "default", label_selector="test-ss=patched")
    await ss.until_gone()
    await cluster.until(lambda: no_revisions(cluster))


async def images_all(ss: Workload, image: str) -> bool:
    return set(await ss.images()) == {image}


async def no_revisions(cluster: SimulatedCluster) -> bool:
    return not await cluster.list(CONTROLLER_REVISIONS)


@pytest.mark.conformance(BASIC + "should validate Statefulset Status endpoints [Conformance]")
async def test_the_status_subresource(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}

    def add(obj: Object) -> None:
        obj["status"]["conditions"] = [*obj["status"].get("conditions", ()), condition]

    updated = await ss.change(add, "status")
    assert updated["status"]["conditions"] == [condition]
    patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    patched = await ss.patch(patch, "status")
    assert {"StatusPatched"} <= {c["type"] for c in patched["status"]["conditions"]}

    async def kept() -> bool:
        return "StatusPatched" in {c["type"] for c in (await ss.status())["conditions"]}

    await cluster.holds(kept, seconds=30)
    assert (await ss.status())["readyReplicas"] == 1
