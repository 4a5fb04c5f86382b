"""ReplicationControllers against the real API server, on simulated nodes; what the garbage collector does with their pods."""

from typing import Any

from integration.controllers.conftest import Start
from pinnace.api import meta
from pinnace.api.resources import POD_DISRUPTION_BUDGETS, REPLICATION_CONTROLLERS
from pinnace.client.interface import Client
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def controller(name: str = "rc", replicas: int = 2, **template: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "one"}], **template}
    return {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"name": name}, "template": {"metadata": {"labels": {"name": name}}, "spec": spec}},
    }  # fmt: skip


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
