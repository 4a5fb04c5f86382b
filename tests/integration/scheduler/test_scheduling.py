"""The scheduler on the real API server: binding subresource, status patch, events, field by field."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest_asyncio

from pinnace.api import meta
from pinnace.api.resources import EVENTS, NODES, PODS, SERVICE_ACCOUNTS
from pinnace.component.clock import RealClock
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def node(name: str, cpu: str = "2") -> Object:
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def pod(name: str, cpu: str = "100m", **spec: Any) -> Object:
    container = {"name": "c", "image": "app", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [container], **spec}}  # fmt: skip


async def add_node(client: Any, one: Object) -> None:
    """Admission taints a new node until it is ready; the node lifecycle controller is not here to lift that."""
    made = meta.mutable_copy(await client.create(NODES, one))
    made["spec"].pop("taints", None)
    await client.update(NODES, made)


@pytest_asyncio.fixture
async def scheduler(api_server: ApiServerInProcess) -> AsyncGenerator[Scheduler, None]:
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await api_server.local_client().create(SERVICE_ACCOUNTS, account, "default")
    client = api_server.local_client("system:kube-scheduler", ("system:authenticated",))
    scheduler = Scheduler(client, RealClock(), SchedulerConfig(seed=1))
    task = asyncio.create_task(scheduler.run())
    yield scheduler
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_binds_with_the_rights_of_the_scheduler(
    api_server: ApiServerInProcess, scheduler: Scheduler
) -> None:
    client = api_server.local_client()
    await add_node(client, node("n1"))
    await client.create(PODS, pod("web"))

    async def bound() -> bool:
        return bool((await client.get(PODS, "web", "default"))["spec"].get("nodeName") == "n1")

    await eventually(bound)
    condition = meta.find_condition(await client.get(PODS, "web", "default"), "PodScheduled")
    assert condition is not None
    assert condition["status"] == "True"

    async def event() -> Object | None:
        items = (await client.list(EVENTS, "default"))["items"]
        return next((e for e in items if e["reason"] == "Scheduled"), None)

    found = await eventually(event)
    assert found is not None
    assert found["message"] == "Successfully assigned default/web to n1"
    assert found["source"]["component"] == "default-scheduler"


async def test_says_why_not_and_tries_again_when_there_is_room(
    api_server: ApiServerInProcess, scheduler: Scheduler
) -> None:
    client = api_server.local_client()
    await add_node(client, node("n1", cpu="1"))
    await client.create(PODS, pod("big", cpu="1500m"))

    async def refused() -> Object | None:
        found = meta.find_condition(await client.get(PODS, "big", "default"), "PodScheduled")
        return found if found and found["status"] == "False" else None

    condition = await eventually(refused)
    assert condition is not None
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith(
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available:"
    )
    await add_node(client, node("n2"))

    async def bound() -> bool:
        return bool((await client.get(PODS, "big", "default"))["spec"].get("nodeName") == "n2")

    await eventually(bound)
