"""ReplicationControllers against the real API server, on simulated nodes; what the garbage collector does with their pods."""

from typing import Any

import pytest

from integration.controllers.conftest import Start
from integration.controllers.test_cleanup import is_gone
from integration.controllers.test_workloads import items
from pinnace.api import meta
from pinnace.api.core.pods import is_ready
from pinnace.api.resources import POD_DISRUPTION_BUDGETS, PODS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS
from pinnace.client.interface import Client
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def controller(name: str = "rc", replicas: int = 2, **template: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "one"}], **template}
    return {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"name": name}, "template": {"metadata": {"labels": {"name": name}}, "spec": spec}},
    }  # fmt: skip


def lone_pod(name: str, labels: dict[str, str]) -> Object:
    spec = {"containers": [{"name": "c", "image": "one"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": labels}, "spec": spec}  # fmt: skip


async def is_steady(client: Client, name: str, replicas: int) -> bool:
    status = (await client.get(REPLICATION_CONTROLLERS, name, "default")).get("status") or {}
    return bool(status.get("replicas") == replicas and status.get("availableReplicas", 0) == replicas)


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should serve a basic image on each replica with a public image [Conformance]"
)
async def test_every_replica_runs_and_is_counted(start: Start) -> None:
    client = await start("replicationcontroller")
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=3))
    await eventually(lambda: is_steady(client, "rc", 3))
    pods = await items(client, PODS)
    assert len(pods) == 3
    assert all(is_ready(pod) for pod in pods)
    assert {(meta.controller_of(pod) or {})["kind"] for pod in pods} == {"ReplicationController"}
    assert all(meta.name(pod).startswith("rc-") for pod in pods)
    status = (await client.get(REPLICATION_CONTROLLERS, "rc", "default"))["status"]
    assert status == {
        "replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, "observedGeneration": 1,
    }  # fmt: skip


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should adopt matching pods on creation [Conformance]"
)
async def test_a_pod_without_owner_is_adopted(start: Start) -> None:
    client = await start("replicationcontroller")
    await client.create(PODS, lone_pod("mine", {"name": "rc"}))
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=1))
    await eventually(lambda: is_steady(client, "rc", 1))
    (pod,) = await items(client, PODS)
    assert meta.name(pod) == "mine"
    assert (meta.controller_of(pod) or {})["name"] == "rc"


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should release no longer matching pods [Conformance]"
)
async def test_a_pod_that_no_longer_matches_is_released_and_replaced(start: Start) -> None:
    client = await start("replicationcontroller")
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=1))
    await eventually(lambda: is_steady(client, "rc", 1))
    (pod,) = await items(client, PODS)
    await client.patch(PODS, meta.name(pod), {"metadata": {"labels": {"name": "other"}}}, "default")

    async def is_released() -> bool:
        found = await client.get(PODS, meta.name(pod), "default")
        return meta.controller_of(found) is None and len(await items(client, PODS)) == 2

    await eventually(is_released)


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should get and update a ReplicationController scale [Conformance]"
)
async def test_the_scale_is_read_and_changed(start: Start) -> None:
    client = await start("replicationcontroller")
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=1))
    await eventually(lambda: is_steady(client, "rc", 1))
    scale = await client.get(REPLICATION_CONTROLLERS, "rc", "default", subresource="scale")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 1, "selector": "name=rc"}
    scale["spec"]["replicas"] = 2
    answer = await client.update(REPLICATION_CONTROLLERS, scale, subresource="scale")
    assert answer["spec"] == {"replicas": 2}
    await eventually(lambda: is_steady(client, "rc", 2))
    await client.patch(
        REPLICATION_CONTROLLERS, "rc", {"spec": {"replicas": 0}}, "default", subresource="scale"
    )
    await eventually(lambda: is_steady(client, "rc", 0))


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota [Conformance]"
)
async def test_an_exceeded_quota_shows_as_a_condition_until_the_controller_asks_for_less(
    start: Start,
) -> None:
    client = await start("replicationcontroller", "resourcequota")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": {"pods": "2"}}}  # fmt: skip
    await client.create(RESOURCE_QUOTAS, quota)

    async def is_counted() -> bool:
        status = (await client.get(RESOURCE_QUOTAS, "q", "default")).get("status") or {}
        return bool((status.get("hard") or {}).get("pods") == "2")

    await eventually(is_counted)
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=3))

    async def condition() -> Object | None:
        return meta.find_condition(
            await client.get(REPLICATION_CONTROLLERS, "rc", "default"), "ReplicaFailure"
        )

    async def has_failed() -> bool:
        found = await condition()
        return found is not None and "exceeded quota: q" in found["message"]

    await eventually(has_failed)
    await client.patch(
        REPLICATION_CONTROLLERS, "rc", {"spec": {"replicas": 2}}, "default", subresource="scale"
    )

    async def is_mended() -> bool:
        return await condition() is None and await is_steady(client, "rc", 2)

    await eventually(is_mended)


async def test_pods_that_cannot_be_made_show_as_a_condition_until_they_can(start: Start) -> None:
    client = await start("replicationcontroller")
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=1, serviceAccountName="nobody"))

    async def condition() -> Object | None:
        return meta.find_condition(
            await client.get(REPLICATION_CONTROLLERS, "rc", "default"), "ReplicaFailure"
        )

    async def has_failed() -> bool:
        found = await condition()
        return found is not None and found["reason"] == "FailedCreate" and "nobody" in found["message"]

    await eventually(has_failed)
    mended = {"spec": {"template": {"spec": {"serviceAccountName": "default", "serviceAccount": "default"}}}}
    await client.patch(REPLICATION_CONTROLLERS, "rc", mended, "default")

    async def is_mended() -> bool:
        return await condition() is None and await is_steady(client, "rc", 1)

    await eventually(is_mended)


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should test the lifecycle of a ReplicationController [Conformance]"
)
async def test_created_patched_read_and_deleted_as_a_collection(start: Start) -> None:
    client = await start("replicationcontroller", "garbage-collector")
    rc = controller(replicas=1)
    rc["metadata"]["labels"] = {"test": "lifecycle"}
    await client.create(REPLICATION_CONTROLLERS, rc)
    await eventually(lambda: is_steady(client, "rc", 1))
    patched = await client.patch(
        REPLICATION_CONTROLLERS, "rc", {"metadata": {"labels": {"more": "yes"}}}, "default"
    )
    assert patched["metadata"]["labels"] == {"test": "lifecycle", "more": "yes"}
    status = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
    answer = await client.patch(REPLICATION_CONTROLLERS, "rc", status, "default", subresource="status")
    assert answer["status"].get("readyReplicas", 0) == 0
    await client.patch(REPLICATION_CONTROLLERS, "rc", {"spec": {"replicas": 2}}, "default")
    await eventually(lambda: is_steady(client, "rc", 2))
    listed = await client.list(REPLICATION_CONTROLLERS, label_selector="test=lifecycle")
    assert [meta.name(item) for item in listed["items"]] == ["rc"]
    await client.delete_collection(REPLICATION_CONTROLLERS, "default", label_selector="test=lifecycle")
    await eventually(lambda: is_gone(client, REPLICATION_CONTROLLERS, "rc"))


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning [Conformance]"
)
async def test_pods_go_with_their_controller(start: Start) -> None:
    client = await start("replicationcontroller", "garbage-collector")
    await client.create(REPLICATION_CONTROLLERS, controller())
    await eventually(lambda: is_steady(client, "rc", 2))
    await client.delete(REPLICATION_CONTROLLERS, "rc", "default", propagation_policy="Background")
    assert await is_gone(client, REPLICATION_CONTROLLERS, "rc")
    await eventually(lambda: _no_pods(client))


async def _no_pods(client: Client) -> bool:
    return not await items(client, PODS)


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Serial] [Conformance]"
)
async def test_orphaned_pods_stay(start: Start) -> None:
    client = await start("replicationcontroller", "garbage-collector")
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=10))
    await eventually(lambda: is_steady(client, "rc", 10))
    await client.delete(REPLICATION_CONTROLLERS, "rc", "default", propagation_policy="Orphan")
    await eventually(lambda: is_gone(client, REPLICATION_CONTROLLERS, "rc"))
    pods = await items(client, PODS)
    assert len(pods) == 10
    assert not any(pod["metadata"].get("ownerReferences") or meta.is_terminating(pod) for pod in pods)


async def test_a_delete_that_says_nothing_orphans_the_pods(start: Start) -> None:
    """Core/v1 ReplicationControllers and batch/v1 Jobs, for the sake of clients older than the garbage collector."""
    client = await start("replicationcontroller", "garbage-collector")
    await client.create(REPLICATION_CONTROLLERS, controller())
    await eventually(lambda: is_steady(client, "rc", 2))
    await client.delete(REPLICATION_CONTROLLERS, "rc", "default")
    await eventually(lambda: is_gone(client, REPLICATION_CONTROLLERS, "rc"))
    assert [pod["metadata"].get("ownerReferences") for pod in await items(client, PODS)] == [None, None]


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so [Serial] [Conformance]"
)
async def test_a_controller_that_is_deleted_in_the_foreground_goes_after_its_pods(start: Start) -> None:
    client = await start("replicationcontroller", "garbage-collector")
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=10))
    await eventually(lambda: is_steady(client, "rc", 10))
    await client.delete(REPLICATION_CONTROLLERS, "rc", "default", propagation_policy="Foreground")
    waiting = await client.get(REPLICATION_CONTROLLERS, "rc", "default")
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    await eventually(lambda: is_gone(client, REPLICATION_CONTROLLERS, "rc"))
    assert await items(client, PODS) == []


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial] [Conformance]"
)
async def test_pods_with_another_owner_outlive_the_one_that_waits_for_them(start: Start) -> None:
    client = await start("replicationcontroller", "garbage-collector")
    await client.create(REPLICATION_CONTROLLERS, controller("leaving", replicas=10))
    stays = await client.create(REPLICATION_CONTROLLERS, controller("staying", replicas=0))
    await eventually(lambda: is_steady(client, "leaving", 10))
    shared = {meta.name(pod) for pod in (await items(client, PODS))[:5]}
    reference = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "name": "staying",
        "uid": meta.uid(stays),
    }
    for name in shared:
        await client.patch(PODS, name, {"metadata": {"ownerReferences": [reference]}}, "default")
    await client.delete(REPLICATION_CONTROLLERS, "leaving", "default", propagation_policy="Foreground")
    await eventually(lambda: is_gone(client, REPLICATION_CONTROLLERS, "leaving"))
    left = await items(client, PODS)
    assert {meta.name(pod) for pod in left} == shared
    assert not any(meta.is_terminating(pod) for pod in left)
    assert [[owner["name"] for owner in pod["metadata"]["ownerReferences"]] for pod in left] == [
        ["staying"]
    ] * 5


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should not be blocked by dependency circle [Conformance]"
)
async def test_owners_in_a_circle_all_go(start: Start) -> None:
    client = await start("garbage-collector")
    made = {name: await client.create(PODS, lone_pod(name, {})) for name in ("one", "two", "three")}
    for owner, name in (("three", "one"), ("one", "two"), ("two", "three")):
        reference = meta.owner_reference(made[owner])
        await client.patch(PODS, name, {"metadata": {"ownerReferences": [reference]}}, "default")
    await client.delete(PODS, "one", "default", grace_period_seconds=0, propagation_policy="Background")
    await eventually(lambda: _no_pods(client))


async def test_a_budget_counts_the_replicas_of_a_replication_controller(start: Start) -> None:
    client = await start("replicationcontroller", "disruption")
    budget = {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b", "namespace": "default"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"name": "rc"}}},
    }  # fmt: skip
    await client.create(POD_DISRUPTION_BUDGETS, budget)
    await client.create(REPLICATION_CONTROLLERS, controller(replicas=3))

    async def is_counted() -> bool:
        status = (await client.get(POD_DISRUPTION_BUDGETS, "b", "default"))["status"]
        return bool(status["expectedPods"] == 3 and status["disruptionsAllowed"] == 1)

    await eventually(is_counted)
