import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from pinnace.kubelet.cri.runtime import ContainerStats
from pinnace.kubelet.stats.cgroups import CgroupFiles
from pinnace.kubelet.stats.proc import Proc
from pinnace.kubelet.stats.prometheus import cadvisor_metrics, resource_metrics
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.kubelet.stats.summary import summary
from pinnace.kubelet.stats.usage import Memory, Network, Usage
from pinnace.testing.fake_clock import FakeClock
from unit.kubelet.edge_host import EdgeHost

T = TypeVar("T")
SECOND = 1_000_000_000


class Groups(CgroupFiles):
    """Containers burn a quarter of a core, pods half of one."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__({})
        self._clock, self.reads = clock, 0

    def usage(self, path: str) -> Usage | None:
        self.reads += 1
        share = 4 if path.count("/") > 3 else 2
        return Usage(int(self._clock.monotonic() * SECOND / share), Memory(2000, 1500, 1000))

    def processes(self, path: str) -> int | None:
        return 3


class World:
    def __init__(self, tmp: Path) -> None:
        self.clock, self.host = FakeClock(), EdgeHost(tmp)
        self.groups = Groups(self.clock)
        self.stats = StatsProvider(self.host, self.clock, cgroups=self.groups, proc=Proc())  # type: ignore[arg-type]

    async def passing(self, awaitable: Awaitable[T]) -> T:
        """Await while time passes; what runs in threads needs real turns of the loop."""
        task = asyncio.ensure_future(awaitable)
        for _ in range(500):
            if task.done():
                break
            await self.clock.advance(0.1)
            await asyncio.sleep(0.002)
        return await task


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.host.add("web", "c", volumes=[{"name": "v", "emptyDir": {}}])
    return world


async def test_the_first_answer_has_rates_already(world: World) -> None:
    sample = await world.passing(world.stats.sample())
    assert sample.pods[0].usage.cpu_nanocores == pytest.approx(SECOND // 2, rel=1e-6)
    assert sample.pods[0].containers[0].usage.cpu_nanocores == pytest.approx(SECOND // 4, rel=1e-6)


async def test_a_fresh_sample_is_not_measured_again(world: World) -> None:
    first = await world.passing(world.stats.sample())
    reads = world.groups.reads
    assert await world.passing(world.stats.sample()) is first
    assert world.groups.reads == reads


async def test_a_pod_that_started_since_the_last_sample_has_rates_too(world: World) -> None:
    await world.passing(world.stats.sample())
    world.host.add("late", "c")
    sample = await world.passing(world.stats.sample())
    assert {len(pod.containers) for pod in sample.pods} == {1}
    rates = [pod.containers[0].usage.cpu_nanocores for pod in sample.pods]
    assert len(rates) == 2
    assert all(rates)  # how much depends on when the reading thread got its turn


async def test_without_questions_nothing_is_measured(world: World) -> None:
    await world.clock.advance(3600)
    assert world.groups.reads == 0


async def test_the_summary_has_upstreams_names(world: World) -> None:
    labels = {"io.kubernetes.pod.uid": "uid-web"}
    world.host.stats = [
        ContainerStats("web-c", "c", labels, writable_layer_bytes=77, writable_layer_inodes=2)
    ]
    directory = world.host.volume_dir("uid-web", "kubernetes.io~empty-dir", "v")
    directory.mkdir(parents=True)
    (directory / "file").write_bytes(b"x" * 10_000)
    body = await world.passing(summary(world.host, world.stats))  # type: ignore[arg-type]
    node, pod = body["node"], body["pods"][0]
    assert node["nodeName"] == "node-1"
    assert set(node["memory"]) == {
        "time", "usageBytes", "workingSetBytes", "rssBytes", "pageFaults", "majorPageFaults", "availableBytes",
    }  # fmt: skip
    assert node["fs"]["capacityBytes"] > 0
    assert node["runtime"]["imageFs"]["usedBytes"] == 5000
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "uid-web"}
    assert pod["cpu"]["usageNanoCores"] == pytest.approx(SECOND // 2, rel=1e-6)
    assert pod["containers"][0]["rootfs"]["usedBytes"] == 77
    assert pod["containers"][0]["memory"]["workingSetBytes"] == 1500
    assert pod["volume"][0]["name"] == "v"
    assert pod["volume"][0]["usedBytes"] >= 10_000
    assert pod["ephemeral-storage"]["usedBytes"] >= 10_077
    assert pod["process_stats"] == {"process_count": 3}


async def test_only_cpu_and_memory_leaves_the_rest_out(world: World) -> None:
    body = await world.passing(summary(world.host, world.stats, only_cpu_and_memory=True))  # type: ignore[arg-type]
    assert set(body["node"]) == {"nodeName", "cpu", "memory"}
    assert set(body["pods"][0]) == {"podRef", "startTime", "containers", "cpu", "memory"}


async def test_prometheus_text_has_upstreams_names(world: World) -> None:
    await world.clock.advance(8)
    sample = await world.passing(world.stats.quick_sample())
    text = resource_metrics(sample)
    stamp = int(sample.time.timestamp() * 1000)
    labels = 'container="c",namespace="default",pod="web"'
    assert f"container_cpu_usage_seconds_total{{{labels}}} 2.0 {stamp}\n" in text
    assert f"container_memory_working_set_bytes{{{labels}}} 1500 {stamp}\n" in text
    assert f'pod_cpu_usage_seconds_total{{namespace="default",pod="web"}} 4.0 {stamp}\n' in text
    assert "# TYPE node_memory_working_set_bytes gauge\n" in text
    assert text.endswith("resource_scrape_error 0\n")
    shown = cadvisor_metrics(sample, {"uid-web": [Network("eth0", 1, 0, 2, 0)]}, 4)
    assert 'interface="eth0",name="",namespace="default",pod="web"} 1 ' in shown
    assert "machine_cpu_cores 4\n" in shown
