"""Two whole control planes on one etcd: one runs controllers and scheduler, and the other takes over when it is killed."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from etcd_server import EtcdServer, etcd
from pinnace.api.resources import DEPLOYMENTS, EVENTS, LEASES, REPLICA_SETS
from pinnace.client.rest import RestClient
from pinnace.testing.wait import eventually
from server_process import Server

__all__ = ["etcd"]

QUICK = (
    "--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms",
)  # fmt: skip
LOCKS = ("kube-controller-manager", "kube-scheduler")


@pytest_asyncio.fixture
async def servers(etcd: EtcdServer, tmp_path: Path) -> AsyncGenerator[list[Server], None]:
    made = [
        Server(tmp_path, name, etcd.url, "--etcd-prefix", f"/{tmp_path.name}", *QUICK)
        for name in ("one", "two")
    ]
    try:
        for server in made:
            await server.start()
        yield made
    finally:
        for server in made:
            await server.close()


def client_of(server: Server) -> RestClient:
    assert server.client is not None
    return server.client


async def led_by(server: Server) -> set[str]:
    """The leases that this server holds, by its own word."""
    text: str = await client_of(server).raw("GET", "/metrics")
    return {lock for lock in LOCKS if f'leader_election_master_status{{name="{lock}"}} 1' in text}


async def works(server: Server) -> bool:
    """Whether its controllers have metrics: those that wait for the lease do not run at all."""
    return "workqueue_adds_total" in await client_of(server).raw("GET", "/metrics")


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "x"}]},
            },
        },
    }


async def rolled_out(client: RestClient, name: str) -> bool:
    await client.create(DEPLOYMENTS, deployment(name), "default")

    async def has_set() -> bool:
        found = await client.list(REPLICA_SETS, "default", label_selector=f"app={name}")
        return len(found["items"]) == 1

    await eventually(has_set, within=30)
    return True


@pytest.mark.slow
async def test_one_server_works_and_the_other_takes_over_when_it_is_killed(servers: list[Server]) -> None:
    first, second = servers

    async def first_leads_alone() -> bool:
        return await led_by(first) == set(LOCKS) and await works(first)

    await eventually(first_leads_alone, within=60)
    assert await led_by(second) == set()
    assert not await works(second)
    assert await rolled_out(client_of(second), "before")
    holders = {
        name: (await client_of(second).get(LEASES, name, "kube-system"))["spec"]["holderIdentity"]
        for name in LOCKS
    }

    await asyncio.to_thread(first.kill)

    async def second_leads() -> bool:
        return await led_by(second) == set(LOCKS) and await works(second)

    await eventually(second_leads, within=30)
    assert await rolled_out(client_of(second), "after")
    for name in LOCKS:
        spec = (await client_of(second).get(LEASES, name, "kube-system"))["spec"]
        assert spec["holderIdentity"] != holders[name]
        assert spec["leaseTransitions"] >= 1

    async def told() -> bool:
        events = (await client_of(second).list(EVENTS, "kube-system"))["items"]
        texts = {(event["source"]["component"], event["message"]) for event in events}
        return all((name, f"{holders[name]} became leader") in texts for name in LOCKS)

    await eventually(told, within=60)


@pytest.mark.slow
async def test_a_server_that_is_stopped_hands_over_at_once(servers: list[Server]) -> None:
    first, second = servers

    async def first_leads() -> bool:
        return await led_by(first) == set(LOCKS)

    await eventually(first_leads, within=60)
    client = client_of(second)
    assert first._process is not None
    first._process.terminate()
    await asyncio.to_thread(first._process.wait, 15)
    leases = [await client.get(LEASES, name, "kube-system") for name in LOCKS]
    assert all(
        lease["spec"]["holderIdentity"] == "" or lease["spec"]["leaseTransitions"] > 0 for lease in leases
    )

    async def second_leads() -> bool:
        return await led_by(second) == set(LOCKS)

    await eventually(second_leads, within=60)
