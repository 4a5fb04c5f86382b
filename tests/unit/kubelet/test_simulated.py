import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import LEASES, NODES, PODS
from pinnace.apimachinery.errors import NotFound
from pinnace.kubelet.simulated import SimulatedNodes
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock


def bound(name: str, node: str) -> dict:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "x"}]}, "status": {"phase": "Pending"},
    }  # fmt: skip


@asynccontextmanager
async def running(client: FakeClient, count: int = 2) -> AsyncIterator[FakeClock]:
    clock = FakeClock()
    task = asyncio.create_task(SimulatedNodes(client, clock, count).run())
    await clock.advance(0.5)
    try:
        yield clock
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nodes_are_registered_and_keep_their_leases_fresh() -> None:
    client = FakeClient()
    async with running(client) as clock:
        assert [meta.name(n) for n in (await client.list(NODES))["items"]] == ["sim-0", "sim-1"]
        before = (await client.get(LEASES, "sim-1", "kube-node-lease"))["spec"]["renewTime"]
        await clock.advance(10)
        assert (await client.get(LEASES, "sim-1", "kube-node-lease"))["spec"]["renewTime"] > before


async def test_pods_on_these_nodes_run_and_others_do_not() -> None:
    client = FakeClient([bound("ours", "sim-1"), bound("other", "elsewhere")])
    async with running(client):
        ours = await client.get(PODS, "ours", "default")
        assert pods.is_ready(ours)
        assert ours["status"]["podIP"].startswith("10.42.")
        assert pods.phase(await client.get(PODS, "other", "default")) == "Pending"


async def test_deleted_pods_go() -> None:
    leaving = bound("p", "sim-0")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    client = FakeClient([leaving])
    async with running(client):
        with pytest.raises(NotFound):
            await client.get(PODS, "p", "default")


async def test_a_deleted_node_stays_away() -> None:
    client = FakeClient()
    async with running(client) as clock:
        await client.delete(NODES, "sim-0")
        await client.delete(LEASES, "sim-0", "kube-node-lease")
        await clock.advance(30)
        assert [meta.name(n) for n in (await client.list(NODES))["items"]] == ["sim-1"]


async def test_pods_of_jobs_succeed_after_a_second() -> None:
    job = bound("work", "sim-0")
    job["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "j", "uid": "1", "controller": True}]
    job["spec"]["restartPolicy"] = "Never"
    client = FakeClient([job])
    async with running(client) as clock:
        assert pods.phase(await client.get(PODS, "work", "default")) == "Running"
        await clock.advance(1.5)
        done = await client.get(PODS, "work", "default")
        assert pods.phase(done) == "Succeeded"
        assert not pods.is_ready(done)


async def test_a_pod_becomes_ready_when_its_gates_open() -> None:
    gated = bound("gated", "sim-0")
    gated["spec"]["readinessGates"] = [{"conditionType": "example.com/open"}]
    client = FakeClient([gated])
    async with running(client) as clock:
        found = await client.get(PODS, "gated", "default")
        assert (pods.phase(found), pods.is_ready(found)) == ("Running", False)
        opened = [*found["status"]["conditions"], {"type": "example.com/open", "status": "True"}]
        await client.patch(PODS, "gated", {"status": {"conditions": opened}}, "default", subresource="status")
        await clock.advance(0.1)
        assert pods.is_ready(await client.get(PODS, "gated", "default"))
