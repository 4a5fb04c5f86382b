"""The picture of the runtime: ends are told by its events, lists are the safety net."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from pinnace.kubelet import labels
from pinnace.kubelet.cri import containerd_events
from pinnace.kubelet.cri.containerd_events import ended_container
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus, CriError
from pinnace.kubelet.pleg import WITH_EVENTS_SECONDS, Pleg
from pinnace.testing.fake_clock import FakeClock
from pinnace.testing.fake_runtime import FakeRuntime


class CountingRuntime(FakeRuntime):
    """`lists` counts the lists of everything; without `tells` there is no event stream."""

    lists = 0
    tells = True

    def __init__(self, clock: FakeClock, images: Sequence[str]) -> None:
        super().__init__(clock, images)
        self.list_gate, self.status_gate = asyncio.Event(), asyncio.Event()
        self.list_gate.set()
        self.status_gate.set()

    async def list_containers(self, *, labels=None, sandbox_id=""):  # type: ignore[no-untyped-def]
        self.lists += not labels
        if not labels:
            await self.list_gate.wait()
        return await super().list_containers(labels=labels, sandbox_id=sandbox_id)

    async def container_status(self, container_id: str) -> ContainerStatus:
        await self.status_gate.wait()
        return await super().container_status(container_id)

    def book_end(self, container_id: str) -> None:
        """It has ended, and nobody is told."""
        self._containers[container_id] = replace(self._containers[container_id], state=ContainerState.EXITED)

    async def changes(self) -> AsyncGenerator[str, None]:
        if not self.tells:
            raise CriError("UNAVAILABLE", "no events")
        async for ended in super().changes():
            yield ended


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.runtime = CountingRuntime(self.clock, ["app:1"])
        self.changed: list[str] = []
        self.pleg = Pleg(self.runtime, self.clock, self.changed.append)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.pleg.run())
        await self.clock.advance(5)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run_pod(self, uid: str) -> str:
        container = await self.start_pod(uid)
        await self.pleg.refresh(uid)
        return container

    async def start_pod(self, uid: str) -> str:
        metadata = {"name": uid, "namespace": "default", "uid": uid}
        own = {labels.POD_UID: uid}
        box = await self.runtime.run_sandbox({"metadata": metadata, "labels": own})
        config = {"metadata": {"name": "c"}, "image": {"image": "app:1"}, "labels": own}
        container = await self.runtime.create_container(box, config, {})
        await self.runtime.start_container(container)
        return container


@pytest_asyncio.fixture
async def world() -> AsyncGenerator[World, None]:
    one = World()
    yield one
    await one.stop()


async def test_an_end_is_seen_at_once_without_a_list(world: World) -> None:
    await world.start()
    container = await world.run_pod("a")
    before = world.runtime.lists
    world.runtime.exit_container(container, 3)
    await world.clock.advance(0.02)
    assert world.changed == ["a"]
    status = world.pleg.get("a").containers[0]
    assert (status.state, status.exit_code) == (ContainerState.EXITED, 3)
    assert world.runtime.lists == before


async def test_with_events_everything_is_listed_once_a_minute(world: World) -> None:
    await world.start()
    await world.clock.advance(WITH_EVENTS_SECONDS)
    before = world.runtime.lists
    await world.clock.advance(10 * WITH_EVENTS_SECONDS)
    assert world.runtime.lists == before + 10
    assert not world.pleg.health_problem()


async def test_without_events_everything_is_listed_each_second(world: World) -> None:
    world.runtime.tells = False
    await world.start()
    before = world.runtime.lists
    await world.clock.advance(10)
    assert world.runtime.lists - before in (9, 10, 11)


async def test_an_end_that_the_runtime_has_not_booked_yet_is_looked_for_again(world: World) -> None:
    await world.start()
    container = await world.run_pod("a")
    world.runtime._tell_end(container)
    await world.clock.advance(0.2)
    assert world.changed == []
    world.runtime.exit_container(container)
    await world.clock.advance(3)
    assert world.changed == ["a"]


async def test_the_end_of_a_container_that_is_not_known_leads_to_a_list(world: World) -> None:
    await world.start()
    container = await world.run_pod("a")
    other = await world.runtime.run_sandbox(
        {"metadata": {"name": "b", "namespace": "default", "uid": "b"}, "labels": {labels.POD_UID: "b"}}
    )
    await world.runtime.stop_sandbox(other)
    await world.clock.advance(0.1)
    assert world.changed == ["b"]
    assert world.pleg.get("a").containers[0].id == container


async def test_a_container_that_ends_while_it_is_looked_at_for_the_first_time_is_seen(world: World) -> None:
    """Nobody knows it when its end is told: a list begins, and leaves its pod to the task that has just started it and sees it run."""
    await world.start()
    container = await world.start_pod("a")
    lists, statuses = world.runtime.list_gate, world.runtime.status_gate
    lists.clear()
    statuses.clear()
    world.runtime._tell_end(container)
    await world.clock.advance(0.006)
    looking = asyncio.create_task(world.pleg.refresh("a"))
    await world.clock.advance(0.001)
    lists.set()
    await world.clock.advance(0.001)
    statuses.set()
    assert (await looking).containers[0].state == ContainerState.RUNNING
    world.runtime.book_end(container)
    await world.clock.advance(0.2)
    assert world.changed == ["a"]
    assert world.pleg.get("a").containers[0].state == ContainerState.EXITED


async def test_one_end_that_is_waited_for_does_not_delay_the_others(world: World) -> None:
    await world.start()
    slow, quick = await world.run_pod("slow"), await world.run_pod("quick")
    world.runtime._tell_end(slow)  # told, and not booked
    await world.clock.advance(0.2)
    world.runtime.exit_container(quick)
    await world.clock.advance(0.02)
    assert world.changed == ["quick"]


async def test_many_ends_at_once_are_one_list(world: World) -> None:
    await world.start()
    containers = [await world.run_pod(f"pod-{number}") for number in range(20)]
    before = world.runtime.lists
    for container in containers:
        world.runtime.exit_container(container)
    await world.clock.advance(0.1)
    assert len(world.changed) == 20
    assert world.runtime.lists == before + 1


@pytest.mark.parametrize(
    ("topic", "kind", "own", "wanted"),
    [
        ("/tasks/exit", "TaskExit", "box", "box"),
        ("/tasks/exit", "TaskExit", "exec-of-a-probe", ""),
        ("/tasks/delete", "TaskDelete", "", "box"),
        ("/tasks/delete", "TaskDelete", "exec-of-a-probe", ""),
        ("/tasks/start", "TaskExit", "box", ""),
    ],
)
def test_events_are_read(topic: str, kind: str, own: str, wanted: str) -> None:
    classes = containerd_events._classes()
    event = classes[kind](container_id="box", id=own).SerializeToString()
    envelope = classes["Envelope"](topic=topic, event={"value": event}).SerializeToString()
    assert ended_container(envelope) == wanted
