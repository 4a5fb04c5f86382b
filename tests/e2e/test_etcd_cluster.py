"""Two API servers over three members of etcd, under load, while leaders and a server are killed: nothing acknowledged is lost."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from etcd_server import EtcdCluster
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.rest import RestClient
from pinnace.testing.wait import eventually
from server_process import RETRIED, Server

pytestmark = pytest.mark.e2e


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[tuple[EtcdCluster, list[Server]], None]:
    etcd = EtcdCluster(tmp_path / "etcd")
    servers = [
        Server(tmp_path, name, etcd.urls, "--controllers=-*", "--disable-scheduler")
        for name in ("one", "two")
    ]
    try:
        await asyncio.to_thread(etcd.start)
        for server in servers:
            await server.start()
        yield etcd, servers
    finally:
        for server in servers:
            await server.close()
        etcd.kill()


def config_map(name: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"count": "0"}}


class Load:
    """Writers that keep a record of what was acknowledged; each stays with one server and moves when it is gone."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers
        self.created: set[str] = set()
        self.counted: dict[str, int] = {}
        self.stopped = False

    def client(self, preferred: int) -> RestClient:
        server = self.servers[preferred]
        if server._process is None:
            server = self.servers[1 - preferred]
        assert server.client is not None
        return server.client

    async def write(self, worker: int) -> None:
        preferred, number = worker % 2, 0
        while not self.stopped:
            name = f"w{worker}-{number}"
            try:
                await self.client(preferred).create(r.CONFIG_MAPS, config_map(name), "default")
            except errors.AlreadyExists:  # an earlier attempt whose answer was lost
                pass
            except RETRIED:
                await asyncio.sleep(0.05)
                continue
            self.created.add(name)
            number += 1
            await self.increment(preferred, f"counter-{worker % 4}")

    async def increment(self, preferred: int, name: str) -> None:
        """One guarded increment; what was not acknowledged may or may not have happened."""
        try:
            current = await self.client(preferred).get(r.CONFIG_MAPS, name, "default")
            value = int(current["data"]["count"]) + 1
            await self.client(preferred).update(r.CONFIG_MAPS, {**current, "data": {"count": str(value)}})
        except (errors.Conflict, *RETRIED):
            return
        self.counted[name] = self.counted.get(name, 0) + 1


async def names_at(server: Server) -> dict[str, str]:
    assert server.client is not None
    listed = await server.client.list(r.CONFIG_MAPS, "default")
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in listed["items"]}


async def test_leaders_and_a_server_die_under_load_and_nothing_acknowledged_is_lost(
    cluster: tuple[EtcdCluster, list[Server]],
) -> None:
    etcd, servers = cluster
    load = Load(servers)
    client = servers[1].client
    assert client is not None
    for number in range(4):
        await client.create(r.CONFIG_MAPS, config_map(f"counter-{number}"), "default")
    writers = [asyncio.create_task(load.write(worker)) for worker in range(8)]

    async def more(count: int) -> None:
        goal = len(load.created) + count
        await eventually(lambda: len(load.created) >= goal, within=60)

    await more(100)
    for _ in range(2):  # a leader dies, another takes over, the dead one comes back
        leader = await asyncio.to_thread(etcd.leader)
        leader.kill()
        await more(50)
        await asyncio.to_thread(leader.start)
    servers[0].kill()
    await more(50)
    await servers[0].start()
    await more(50)
    load.stopped = True
    await asyncio.gather(*writers)

    one, two = await names_at(servers[0]), await names_at(servers[1])
    assert load.created - set(one) == set()
    assert one == two  # the watch caches agree, resource versions included
    for name, count in load.counted.items():
        counter = await client.get(r.CONFIG_MAPS, name, "default")
        assert int(counter["data"]["count"]) >= count
