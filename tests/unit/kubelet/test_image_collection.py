from dataclasses import replace
from pathlib import Path

from pinnace.client.events import EventRecorder
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.image_collection import ImageCollector
from pinnace.kubelet.image_records import ImageRecords
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from pinnace.testing.fake_runtime import FakeRuntime


class World:
    def __init__(self, tmp_path: Path, *, high: int) -> None:
        self.clock = FakeClock()
        self.runtime = FakeRuntime(self.clock, ["old:1", "used:1", "pinnace.local/pause:1"])
        config = KubeletConfig("n", "192.0.2.1", tmp_path, tmp_path)
        config = replace(config, image_gc_high_threshold_percent=high, image_gc_low_threshold_percent=0)
        recorder = EventRecorder(FakeClient(), self.clock, "kubelet")
        self.collector = ImageCollector(
            config, self.clock, self.runtime, recorder, {"kind": "Node", "name": "n"}, ImageRecords(tmp_path)
        )

    async def use(self, image: str) -> None:
        box = await self.runtime.run_sandbox({"metadata": {"name": "p", "namespace": "d", "uid": "u"}})
        await self.runtime.create_container(box, {"metadata": {"name": "c"}, "image": {"image": image}}, {})

    async def names(self) -> list[str]:
        return [name for one in await self.runtime.list_images() for name in one.repo_tags]


async def test_unused_images_go_when_the_disk_is_full(tmp_path: Path) -> None:
    world = World(tmp_path, high=0)
    await world.use("used:1")
    await world.collector.collect()
    assert "old:1" in await world.names()  # too fresh
    await world.clock.advance(130)
    await world.collector.collect()
    assert await world.names() == ["used:1", "pinnace.local/pause:1"]


async def test_nothing_goes_below_the_threshold(tmp_path: Path) -> None:
    world = World(tmp_path, high=101)
    await world.collector.collect()
    await world.clock.advance(130)
    await world.collector.collect()
    assert "old:1" in await world.names()


async def test_eviction_removes_all_that_is_unused(tmp_path: Path) -> None:
    world = World(tmp_path, high=101)
    await world.collector.remove_unused()
    assert await world.names() == ["pinnace.local/pause:1"]
