import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import CONFIG_MAPS, PODS, REPLICA_SETS
from pinnace.apimachinery.errors import Forbidden
from pinnace.client.informer import Informers
from pinnace.controllers.runtime import Action, Controller, Create, RequeueAfter, World, owned_by
from pinnace.controllers.runtime.loop import ControllerLoop
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import Object, config_map, pod, replicaset


@asynccontextmanager
async def running(client: FakeClient, clock: FakeClock, row: Controller) -> AsyncIterator[ControllerLoop]:
    informers = Informers(client, clock)
    loop = ControllerLoop(row, client, clock, informers)
    tasks = [asyncio.create_task(informers.run()), asyncio.create_task(loop.run())]
    await clock.settle()
    try:
        yield loop
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def row(reconcile: Any, **fields: Any) -> Controller:
    return Controller(
        **{"name": "test", "source": "test", "primary": CONFIG_MAPS, "reconcile": reconcile, **fields}
    )


class Refusing(FakeClient):
    attempts = 0

    async def create(self, *args: Any, **kwargs: Any) -> dict:
        self.attempts += 1
        raise Forbidden(f"refused {self.attempts}")


async def test_a_failed_key_comes_back_with_its_failure_and_back_off() -> None:
    seen: list[str | None] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        seen.append(str(world.failure) if world.failure else None)
        if len(seen) < 3:
            yield Create(config_map("refused"))

    clock = FakeClock()
    async with running(Refusing([config_map("a")]), clock, row(reconcile)) as loop:
        await clock.advance(1)
        assert seen == [None, "refused 1", "refused 2"]
        assert loop.metrics.queue is not None
        assert loop.metrics.queue.retries == 2


async def test_a_controller_that_raises_is_tried_again() -> None:
    calls: list[Object] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        calls.append(obj)
        if len(calls) == 1:
            raise ZeroDivisionError
        yield from ()

    clock = FakeClock()
    async with running(FakeClient([config_map("a")]), clock, row(reconcile)):
        await clock.advance(1)
    assert len(calls) == 2


async def test_time_alone_brings_a_key_back() -> None:
    moments: list[float] = []
    clock = FakeClock()

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        moments.append(clock.monotonic())
        yield RequeueAfter(10)

    async with running(FakeClient([config_map("a")]), clock, row(reconcile)):
        await clock.advance(25)
    assert moments == [0, 10, 20]


async def test_a_burst_of_dependents_is_one_pass_more() -> None:
    rs = replicaset()
    client, clock = FakeClient([rs]), FakeClock()
    passes: list[int] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        passes.append(len(world.pods_of(obj)))
        yield from ()

    watches = {PODS: owned_by(REPLICA_SETS, "ReplicaSet")}
    async with running(
        client, clock, row(reconcile, primary=REPLICA_SETS, watches=watches, coalesce_seconds=0.1)
    ):
        owner = await client.get(REPLICA_SETS, "web", "default")
        for number in range(50):
            await client.create(PODS, pod(f"p{number}", owner), "default")
            await clock.settle()
        await clock.advance(1)
    assert passes == [0, 50]


async def test_orphans_wake_those_who_would_adopt_them() -> None:
    client, clock = (
        FakeClient([replicaset(), replicaset("other", selector={"matchLabels": {"x": "y"}})]),
        FakeClock(),
    )
    names: list[str] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        names.append(meta.name(obj))
        yield from ()

    watches = {PODS: owned_by(REPLICA_SETS, "ReplicaSet")}
    async with running(client, clock, row(reconcile, primary=REPLICA_SETS, watches=watches)):
        names.clear()
        await client.create(PODS, pod("orphan"), "default")
        await clock.settle()
    assert names == ["web"]
