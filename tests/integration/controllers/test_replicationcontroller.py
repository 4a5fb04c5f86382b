"""ReplicationControllers against the real API server, on simulated nodes; what the garbage collector does with their pods."""

from typing import Any

import pytest

from integration.controllers.conftest import Start
from integration.controllers.test_cleanup import is_gone
from integration.controllers.test_workloads import items
from pinnace.api import meta
from pinnace.api.resources import POD_DISRUPTION_BUDGETS, PODS, REPLICATION_CONTROLLERS
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
