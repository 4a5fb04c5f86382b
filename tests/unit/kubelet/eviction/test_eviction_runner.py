import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pinnace.client.events import EventRecorder
from pinnace.kubelet.eviction_runner import Eviction
from pinnace.kubelet.stats.cgroups import CgroupFiles
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.kubelet.stats.usage import Memory, Usage
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.kubelet.edge_host import EdgeHost

GIB = 1024**3


class Node:
    """A machine of 10 GiB whose pods use a gigabyte each."""

    def __init__(self, host: EdgeHost) -> None:
        self._host = host
        self.base = 0

    def node_usage(self) -> Usage:
        pods = sum(bool(containers) for containers in self._host.found.values())
        return Usage(0, Memory(working_set=self.base + pods * GIB))

    def meminfo(self) -> dict[str, int]:
        return {"MemTotal": 10 * GIB}

    def processes(self) -> tuple[int, int]:
        return 100, 32768


class Groups(CgroupFiles):
    def __init__(self) -> None:
        super().__init__({})

    def usage(self, path: str) -> Usage | None:
        return Usage(0, Memory(working_set=GIB))


class World:
    def __init__(self, tmp: Path, **config: Any) -> None:
        self.clock = FakeClock()
        self.host = EdgeHost(tmp, **{"eviction_hard": {"memory.available": "2Gi"}, **config})
        self.node = Node(self.host)
        self.client = FakeClient()
        self.events = EventRecorder(self.client, self.clock, "kubelet")
        stats = StatsProvider(self.host, self.clock, cgroups=Groups(), proc=self.node)  # type: ignore[arg-type]
        self.eviction = Eviction(self.host, self.clock, self.events, stats)  # type: ignore[arg-type]

    async def event_texts(self) -> list[tuple[str, str]]:
        await self.events.flush()
        return [
            (body["reason"], body["message"]) for verb, _, _, body in self.client.calls if verb == "create"
        ]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    tasks = [asyncio.create_task(world.events.run()), asyncio.create_task(world.eviction.run())]
    yield world
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_node_with_room_keeps_its_pods_and_says_so(world: World) -> None:
    world.host.add("web")
    await world.clock.advance(60)
    assert world.host.evicted == []
    assert {kind: one["status"] for kind, one in world.host.conditions.items()} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False",
    }  # fmt: skip


async def test_pods_go_one_after_another_until_there_is_room(world: World) -> None:
    for name in ("a", "b", "c"):
        world.host.add(name)
    world.node.base = 6 * GIB
    await world.clock.advance(11)
    assert len(world.host.evicted) == 1
    _, message, conditions = world.host.evicted[0]
    assert message == (
        "The node was low on resource: memory. Threshold quantity: 2Gi, available: 1Gi. "
        "Container c was using 1Gi, request is 0, has larger consumption of memory. "
    )
    assert conditions[0]["reason"] == "TerminationByKubelet"
    assert world.host.conditions["MemoryPressure"]["reason"] == "KubeletHasInsufficientMemory"
    texts = await world.event_texts()
    assert texts[0] == ("EvictionThresholdMet", "Attempting to reclaim memory")
    assert texts[1] == ("Evicted", message)
    assert world.eviction.refuses(world.host.pods.by_name("default", "b") or {}) is not None


async def test_the_condition_stays_for_the_transition_period(world: World) -> None:
    world.host.add("a")
    world.node.base = 8 * GIB
    await world.clock.advance(11)
    await world.clock.advance(280)
    assert world.host.conditions["MemoryPressure"]["status"] == "True"
    await world.clock.advance(30)
    assert world.host.conditions["MemoryPressure"]["status"] == "False"


async def test_a_pod_whose_status_is_behind_is_not_evicted_twice(world: World) -> None:
    """Its containers have ended, and its worker has not said yet that it failed."""
    world.host.add("web")
    world.node.base = 9 * GIB
    while not world.host.evicted:
        await world.clock.advance(1)
    world.host.statuses["uid-web"] = {"phase": "Running"}
    await world.clock.advance(60)
    assert len(world.host.evicted) == 1


async def test_an_empty_dir_above_its_limit_evicts_its_pod(world: World, tmp_path: Path) -> None:
    world.host.add("big", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
    world.host.add("small", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
    directory = world.host.volume_dir("uid-big", "kubernetes.io~empty-dir", "v")
    directory.mkdir(parents=True)
    (directory / "data").write_bytes(b"x" * 3_000_000)
    await _advance(world)
    assert [(uid, message) for uid, message, _ in world.host.evicted] == [
        ("uid-big", 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ')
    ]
    assert world.host.counts.evictions == {"emptydirfs.limit": 1}


async def _advance(world: World) -> None:
    for _ in range(200):  # the walk over the directory runs in a real thread
        await world.clock.advance(1)
        if world.host.evicted:
            return
        await asyncio.sleep(0.005)


async def test_disk_is_reclaimed_before_pods_go(tmp_path: Path) -> None:
    world = World(tmp_path, eviction_hard={"nodefs.available": "99%"})
    world.host.add("web")
    reclaimed = []

    async def reclaim() -> None:
        reclaimed.append(True)
        world.eviction._thresholds = ()

    world.eviction._reclaim_disk = reclaim
    assert await world.eviction.synchronize() == []
    assert reclaimed == [True]
    assert world.host.evicted == []


async def test_a_soft_threshold_waits_and_gives_the_pod_time(tmp_path: Path) -> None:
    world = World(
        tmp_path, eviction_hard={}, eviction_soft={"memory.available": "2Gi"},
        eviction_soft_grace_seconds={"memory.available": 60.0}, eviction_max_pod_grace_period=20,
    )  # fmt: skip
    world.host.add("a", terminationGracePeriodSeconds=15)
    world.node.base = 8 * GIB
    assert await world.eviction.synchronize() == []
    assert world.host.conditions["MemoryPressure"]["status"] == "True"
    await world.clock.advance(61)
    assert await world.eviction.synchronize() == ["uid-a"]
    assert world.host.graces == [15]


async def test_pods_that_come_near_to_what_is_not_reserved_go(world: World) -> None:
    world.host.add("a")
    world.host.all_pods_memory = GIB  # and the pods use as much
    assert await world.eviction.synchronize() == ["uid-a"]
    assert "Threshold quantity: 2Gi, available: 0. " in world.host.evicted[0][1]
