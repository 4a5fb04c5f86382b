"""test/e2e/apps/replica_set.go and rc.go: replicas, adoption and release, scale, status, collections, failures, life."""

from typing import Any

import pytest

from conformance.workloads import Object, Workload, lone_pod, with_image, workload
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS
from pinnace.testing.simulated_cluster import SimulatedCluster

RS = "[sig-apps] ReplicaSet "
RC = "[sig-apps] ReplicationController "
SERVES = "should serve a basic image on each replica with a public image [Conformance]"
SERVERS = [
    pytest.param("ReplicaSet", marks=pytest.mark.conformance(RS + SERVES)),
    pytest.param("ReplicationController", marks=pytest.mark.conformance(RC + SERVES)),
]
SCALES = [
    pytest.param(
        "ReplicaSet",
        marks=pytest.mark.conformance(
            RS + "Replicaset should have a working scale subresource [Conformance]"
        ),
    ),
    pytest.param(
        "ReplicationController",
        marks=pytest.mark.conformance(
            RC + "should get and update a ReplicationController scale [Conformance]"
        ),
    ),
]


async def start(cluster: SimulatedCluster, kind: str, replicas: int = 1, **spec: Any) -> Workload:
    return await Workload(cluster, workload(kind, "web", replicas, **spec)).start()


@pytest.mark.parametrize("kind", SERVERS)
async def test_every_replica_runs(cluster: SimulatedCluster, kind: str) -> None:
    """That each answers on its port is shown with real containers in tests/e2e/conformance."""
    made = await start(cluster, kind, 3)
    found = await made.until_ready(3)
    assert {(meta.controller_of(pod) or {})["uid"] for pod in found} == {meta.uid(await made.read())}
    assert all(pods.phase(pod) == "Running" and pods.pod_ip(pod) for pod in found)
    status = await made.status()
    assert {
        status[field] for field in ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    } == {3}


async def adopted_and_released(cluster: SimulatedCluster, kind: str) -> None:
    await cluster.create(lone_pod("mine", app="web"))
    made = await start(cluster, kind, 1)
    (pod,) = await made.until_ready(1)
    assert meta.name(pod) == "mine"
    assert (meta.controller_of(pod) or {})["kind"] == kind
    await cluster.client.patch(PODS, "mine", {"metadata": {"labels": {"app": "other"}}}, "default")

    async def released() -> bool:
        return meta.controller_of(await cluster.get(PODS, "mine")) is None

    await cluster.until(released)
    (successor,) = await made.until_ready(1)
    assert meta.name(successor) != "mine"


@pytest.mark.conformance(
    RS + "should adopt matching pods on creation and release no longer matching pods [Conformance]"
)
async def test_a_replica_set_adopts_and_releases(cluster: SimulatedCluster) -> None:
    await adopted_and_released(cluster, "ReplicaSet")


@pytest.mark.conformance(
    RC + "should adopt matching pods on creation [Conformance]",
    RC + "should release no longer matching pods [Conformance]",
)
async def test_a_replication_controller_adopts_and_releases(cluster: SimulatedCluster) -> None:
    await adopted_and_released(cluster, "ReplicationController")


@pytest.mark.parametrize("kind", SCALES)
async def test_the_scale_subresource(cluster: SimulatedCluster, kind: str) -> None:
    made = await start(cluster, kind)
    await made.until_ready(1)
    scale = await cluster.client.get(made.gvr, "web", "default", subresource="scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 1, "selector": "app=web"})
    await cluster.client.update(made.gvr, {**scale, "spec": {"replicas": 2}}, subresource="scale")
    await made.until_ready(2)
    await cluster.client.patch(made.gvr, "web", {"spec": {"replicas": 4}}, "default", subresource="scale")
    await made.until_ready(4)


@pytest.mark.conformance(RS + "should validate Replicaset Status endpoints [Conformance]")
async def test_the_status_subresource(cluster: SimulatedCluster) -> None:
    made = await start(cluster, "ReplicaSet")
    await made.until_ready(1)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    updated = await made.change(lambda obj: obj["status"].update(conditions=[condition]), "status")
    assert updated["status"]["conditions"] == [condition]
    await made.patch({"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}, "status")

    async def kept() -> bool:
        return {c["type"] for c in (await made.status())["conditions"]} == {"StatusPatched", "StatusUpdate"}

    await cluster.holds(kept, seconds=30)


@pytest.mark.conformance(RS + "Replace and Patch tests [Conformance]")
async def test_a_replica_set_is_replaced_and_patched(cluster: SimulatedCluster) -> None:
    made = await start(cluster, "ReplicaSet")
    await made.until_ready(1)
    await made.change(lambda obj: obj["spec"].update(replicas=2))
    await made.until_ready(2)
    change = with_image("two")
    change["metadata"] = {"labels": {"test-rs": "patched"}}
    change["spec"]["replicas"] = 3
    await made.patch(change)
    await made.until_ready(3)
    assert sorted(await made.images()) == ["one", "one", "two"]  # a replica set replaces nothing
    assert meta.labels(await made.read())["test-rs"] == "patched"


@pytest.mark.conformance(RS + "should list and delete a collection of ReplicaSets [Conformance]")
async def test_a_collection_goes_with_its_pods(cluster: SimulatedCluster) -> None:
    made = await start(cluster, "ReplicaSet", 3)
    await made.until_ready(3)
    assert len(await cluster.list(REPLICA_SETS, None, labels="app=web")) == 1
    await cluster.client.delete_collection(REPLICA_SETS, "default", label_selector="app=web")
    await made.until_gone()


@pytest.mark.conformance(
    RC + "should surface a failure condition on a common issue like exceeded quota [Conformance]"
)
async def test_an_exceeded_quota_shows_as_a_condition(cluster: SimulatedCluster) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "2"}},
    }
    await cluster.create(quota)

    async def counted() -> bool:
        status = (await cluster.get(RESOURCE_QUOTAS, "q")).get("status") or {}
        return bool((status.get("hard") or {}).get("pods") == "2")

    await cluster.until(counted)
    made = await start(cluster, "ReplicationController", 3)

    async def failure() -> Object | None:
        return meta.find_condition(await made.read(), "ReplicaFailure")

    async def failed() -> bool:
        found = await failure()
        return (
            found is not None
            and found["reason"] == "FailedCreate"
            and "exceeded quota: q" in found["message"]
        )

    await cluster.until(failed)
    await cluster.client.patch(
        REPLICATION_CONTROLLERS, "web", {"spec": {"replicas": 2}}, "default", subresource="scale"
    )

    async def mended() -> bool:
        return await failure() is None and await made.has_ready(2)

    await cluster.until(mended)


@pytest.mark.conformance(RC + "should test the lifecycle of a ReplicationController [Conformance]")
async def test_the_life_of_a_replication_controller(cluster: SimulatedCluster) -> None:
    made = await start(cluster, "ReplicationController")
    await made.until_ready(1)
    patched = await made.patch({"metadata": {"labels": {"test-rc": "patched"}}})
    assert meta.labels(patched)["test-rc"] == "patched"
    zero = await made.patch({"status": {"readyReplicas": 0, "availableReplicas": 0}}, "status")
    assert zero["status"].get("availableReplicas", 0) == 0
    await made.scale(2)
    await made.until_ready(2)
    found = await cluster.list(REPLICATION_CONTROLLERS, None, labels="test-rc=patched")
    assert [meta.name(one) for one in found] == ["web"]
    await made.change(lambda obj: obj["spec"].update(replicas=1))
    await made.until_ready(1)
    await cluster.client.delete_collection(
        REPLICATION_CONTROLLERS, "default", label_selector="test-rc=patched"
    )
    await cluster.until(lambda: cluster.is_gone(REPLICATION_CONTROLLERS, "web"))
    (orphan,) = await made.pods()  # this kind alone leaves its pods behind when nobody says otherwise
    assert meta.controller_of(orphan) is None
