"""A controller whose `run` failed is started again on the same informers: it hears of each change once, and has lost nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.resources import CONFIG_MAPS, PODS
from pinnace.apimachinery.gvk import GVR
from pinnace.client.informer import Informers
from pinnace.component.tasks import keep_running
from pinnace.controllers.catalog import CATALOG, ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.controllers.nodes.ipam import NodeIpamConfig
from pinnace.controllers.runtime import Action, Create, RequeueAfter, World
from pinnace.controllers.runtime.loop import ControllerLoop
from pinnace.controllers.service_balancer import ServiceBalancerConfig
from pinnace.controllers.volumes.local_path import LocalPathConfig
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import Object, config_map, pod
from unit.controllers.runtime.test_loop import row


def handlers(informers: Informers) -> Counter[GVR]:
    return Counter({gvr: len(one._handlers) for gvr, one in informers._informers.items() if one._handlers})


class Failing:
    """In place of a recorder's `run`: raises as often as `fail` is called."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def run(self) -> None:
        await self.event.wait()
        self.event.clear()
        raise ZeroDivisionError

    fail = property(lambda self: self.event.set)


@asynccontextmanager
async def kept(
    client: FakeClient, clock: FakeClock, loop: ControllerLoop, informers: Informers
) -> AsyncIterator[Failing]:
    failing = Failing()
    loop._recorder.run = failing.run  # type: ignore[method-assign]
    tasks = [
        asyncio.create_task(informers.run()),
        asyncio.create_task(keep_running("test", loop.run, clock)),
    ]
    await clock.settle()
    try:
        yield failing
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_loop_that_was_started_again_has_one_handler_and_converges() -> None:
    passes: list[str] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        passes.append(meta.name(obj))
        yield from ()

    client, clock = FakeClient([config_map("a")]), FakeClock()
    informers = Informers(client, clock)
    watches = {PODS: lambda old, new, world: [("default", "a")]}
    loop = ControllerLoop(row(reconcile, watches=watches), client, clock, informers)
    async with kept(client, clock, loop, informers) as failing:
        assert handlers(informers) == {CONFIG_MAPS: 1, PODS: 1}
        failing.fail()
        await clock.settle()
        assert handlers(informers) == {}
        await client.create(CONFIG_MAPS, config_map("meanwhile"), "default")
        await clock.advance(1)
        assert handlers(informers) == {CONFIG_MAPS: 1, PODS: 1}
        assert "meanwhile" in passes
        passes.clear()
        await client.create(PODS, pod("p"), "default")
        await client.create(CONFIG_MAPS, config_map("later"), "default")
        await clock.advance(1)
        assert sorted(passes) == ["a", "later"]


async def test_keys_that_were_to_come_back_later_still_do() -> None:
    passes: list[float] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        passes.append(clock.monotonic())
        yield RequeueAfter(100)

    client, clock = FakeClient([config_map("a")]), FakeClock()
    informers = Informers(client, clock)
    loop = ControllerLoop(row(reconcile), client, clock, informers)
    async with kept(client, clock, loop, informers) as failing:
        failing.fail()
        await clock.advance(102)
    assert passes == [0, 1, 101]


async def test_a_write_that_was_cut_off_is_not_done_twice() -> None:
    """The pod is there, but the answer never came, and the informer is late: what is there is read before the next decision."""

    class Hanging(FakeClient):
        hangs = True

        async def create(self, *args: Any, **named: Any) -> Object:
            made = await super().create(*args, **named)
            if self.hangs:
                self.hangs = False
                await asyncio.Event().wait()
            return made

    listed: list[int] = []

    class Late(Hanging):
        async def list(self, gvr: GVR, *args: Any, **named: Any) -> Object:
            found = await super().list(gvr, *args, **named)
            if gvr == PODS:
                listed.append(len(found["items"]))
            return found

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        if not world.all(PODS, meta.namespace(obj)):
            yield Create({**pod("", None), "metadata": {"generateName": "p-", "namespace": "default"}})

    client, clock = Late([config_map("a")]), FakeClock()
    informers = Informers(client, clock)
    loop = ControllerLoop(row(reconcile, reads=(PODS,)), client, clock, informers)
    async with kept(client, clock, loop, informers) as failing:
        failing.fail()
        await clock.advance(5)
    assert len((await client.list(PODS))["items"]) == 1
    assert listed[:2] == [0, 1]  # the informer's list, and that of the controller started again


@pytest.mark.parametrize("name", CATALOG)
async def test_every_controller_takes_its_handlers_with_it(name: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    config = ControllersConfig(
        (name,), root_ca="ca", cluster_signing_cert_file=key, cluster_signing_key_file=key,
        local_path=LocalPathConfig(tmp_path), node_ipam=NodeIpamConfig(("10.0.0.0/16",)),
        service_balancer=ServiceBalancerConfig(), csi_controllers=(str(tmp_path / "socket"),),
    )  # fmt: skip
    client, clock = FakeClient([]), FakeClock()
    controllers = Controllers(client, clock, config)
    informing = asyncio.create_task(controllers.informers.run())
    found = []
    for _ in range(3):
        running = asyncio.create_task(controllers.running[name].run())
        await clock.settle()
        found.append(handlers(controllers.informers))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    informing.cancel()
    await asyncio.gather(informing, return_exceptions=True)
    assert found[0] == found[1] == found[2]
    if name not in (
        "garbage-collector",
        "pod-garbage-collector",
        "csi",
    ):  # the graph outlives a run; a sweep hears of nothing, nor does who waits for a driver
        assert found[0]
        assert not handlers(controllers.informers)
