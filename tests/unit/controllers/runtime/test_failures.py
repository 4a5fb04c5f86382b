"""Failures are seen: counted, told as events, retried, and never the end of anything else."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.resources import CONFIG_MAPS, EVENTS
from pinnace.apimachinery.errors import Conflict, Forbidden, InternalError, NotFound
from pinnace.client.events import EventRecorder
from pinnace.component.metrics import render
from pinnace.controllers.runtime import Action, Create, Patch, World
from pinnace.controllers.runtime.metrics import families
from pinnace.controllers.runtime.workers import Workers
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import Object, config_map
from unit.controllers.runtime.test_loop import row, running


async def told(client: FakeClient) -> list[tuple[str, str, str]]:
    events = (await client.list(EVENTS))["items"]
    return [(event["involvedObject"]["name"], event["reason"], event["message"]) for event in events]


async def test_a_pass_that_raises_is_told_counted_and_retried_while_others_go_on() -> None:
    passes: list[str] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        passes.append(meta.name(obj))
        if meta.name(obj) == "bad":
            raise KeyError("spec")
        yield from ()

    clock, client = FakeClock(), FakeClient([config_map("bad"), config_map("good")])
    async with running(client, clock, row(reconcile)) as loop:
        await clock.advance(10)
        assert await told(client) == [("bad", "ReconcileError", "Error reconciling: KeyError: 'spec'")]
        event = (await client.list(EVENTS))["items"][0]
        assert event["type"] == "Warning"
        assert event["count"] == 4  # failures 1, 2, 4 and 8 of eleven
        assert passes.count("good") == 1
        assert passes.count("bad") == 11  # after 5, 10, 20, ... milliseconds
        assert loop.metrics.failures == {"KeyError": 11}
        await client.create(CONFIG_MAPS, config_map("later"), "default")
        await clock.advance(1)
        assert "later" in passes


async def test_answers_that_refuse_are_told_when_they_last() -> None:
    class Refusing(FakeClient):
        refusals = 0

        async def patch(self, *args: Any, **named: Any) -> Object:
            if args[0] != EVENTS and self.refusals < 5:
                self.refusals += 1
                raise Forbidden("you may not")
            return await super().patch(*args, **named)

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        if not meta.labels(obj):
            yield Patch(obj, {"metadata": {"labels": {"a": "b"}}})

    clock, client = FakeClock(), Refusing([config_map("a")])
    async with running(client, clock, row(reconcile)) as loop:
        await clock.advance(0.012)
        assert await told(client) == []  # two hiccups are no news
        await clock.advance(5)
        assert await told(client) == [("a", "ReconcileError", "Error reconciling: you may not")]
        assert loop.metrics.failures == {"Forbidden": 5}
    assert meta.labels(await client.get(CONFIG_MAPS, "a", "default")) == {"a": "b"}


async def test_what_has_an_event_of_its_own_is_not_told_twice() -> None:
    class Refusing(FakeClient):
        async def create(self, *args: Any, **named: Any) -> Object:
            if args[0] == EVENTS:
                return await super().create(*args, **named)
            raise Forbidden("exceeded quota")

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        yield Create(config_map("child"), about=obj)

    clock, client = FakeClock(), Refusing([config_map("a")])
    async with running(client, clock, row(reconcile)):
        await clock.advance(2)
        assert {reason for _, reason, _ in await told(client)} == {"FailedCreate"}


async def test_an_action_that_cannot_be_carried_out_spoils_no_sibling() -> None:
    """Writes of one pass run together: one that raises must not cancel the others half-way."""

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        if meta.name(obj) == "a" and world.failure is None:
            yield Create(config_map("first"))
            yield Create({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "x"}})
            yield Create(config_map("second"))

    clock, client = FakeClock(), FakeClient([config_map("a")])
    async with running(client, clock, row(reconcile)) as loop:
        await clock.advance(1)
        names = {meta.name(obj) for obj in (await client.list(CONFIG_MAPS))["items"]}
        assert names >= {"a", "first", "second"}
        assert loop.metrics.failures == {"KeyError": 1}


async def test_a_handler_that_raises_is_counted_and_the_change_of_the_primary_still_looked_at() -> None:
    passes: list[str] = []

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        passes.append(meta.name(obj))
        yield from ()

    def concerns(old: Object | None, new: Object) -> bool:
        raise TypeError("None is no mapping")

    clock, client = FakeClock(), FakeClient([config_map("a")])
    async with running(client, clock, row(reconcile, concerns=concerns)) as loop:
        await clock.advance(1)
        assert passes == ["a"]
        assert loop.metrics.failures == {"TypeError": 1}


async def test_a_mapping_that_raises_is_counted_and_its_namespace_is_looked_at_with_back_off() -> None:
    passes: list[str] = []
    calls = 0

    def reconcile(obj: Object, world: World) -> Iterator[Action]:
        passes.append(meta.name(obj))
        yield from ()

    def keys(old: Object | None, new: Object | None, world: World) -> list[tuple[str, str]]:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise AttributeError("x")
        return [("default", "a")]

    elsewhere = config_map("elsewhere")
    elsewhere["metadata"]["namespace"] = "other"
    clock, client = FakeClock(), FakeClient([config_map("a"), elsewhere])
    async with running(client, clock, row(reconcile, watches={EVENTS: keys})) as loop:
        body = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e1"}}
        assert sorted(passes) == ["a", "elsewhere"]
        passes.clear()
        await client.create(EVENTS, body, "default")
        await clock.advance(0.9)
        assert loop.metrics.failures == {"AttributeError": 1}
        assert passes == []
        await clock.advance(0.1)
        assert passes == ["a"]
        await client.create(EVENTS, {**body, "metadata": {"name": "e2"}}, "default")
        await clock.advance(1.9)
        assert passes == ["a"]
        await clock.advance(0.1)
        assert passes == ["a", "a"]
        await client.create(EVENTS, {**body, "metadata": {"name": "e3"}}, "default")
        await clock.advance(1)
    assert passes == ["a", "a", "a"]


async def acting(workers: Workers[str], recorder: EventRecorder, clock: FakeClock, seconds: float) -> None:
    tasks = [asyncio.create_task(workers.run()), asyncio.create_task(recorder.run())]
    await clock.advance(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("error", "calls", "failures"),
    [
        (NotFound("gone"), 1, {}),
        (Conflict("changed"), 3, {}),
        (InternalError("broken"), 3, {"InternalError": 2}),
        (TimeoutError(), 3, {"TimeoutError": 2}),
        (ZeroDivisionError("division by zero"), 3, {"ZeroDivisionError": 2}),
    ],
)
async def test_workers_of_controllers_that_act_themselves(
    error: Exception, calls: int, failures: dict[str, int]
) -> None:
    clock, client, seen = FakeClock(), FakeClient(), []

    async def sync(key: str) -> None:
        seen.append(key)
        if key == "a" and seen.count("a") < 3:
            raise error

    recorder = EventRecorder(client, clock, "test")
    obj = {**config_map("a"), "metadata": {"name": "a", "namespace": "default", "uid": "u"}}
    workers = Workers("test", clock, sync, recorder=recorder, about=lambda _: obj)
    workers.queue.add("a")
    workers.queue.add("b")
    await acting(workers, recorder, clock, 5)
    assert (seen.count("a"), seen.count("b")) == (calls, 1)
    assert workers.metrics.failures == failures
    bugs = [("a", "ReconcileError", "Error reconciling: ZeroDivisionError: division by zero")]
    assert await told(client) == (bugs if isinstance(error, ZeroDivisionError) else [])


async def test_the_numbers_have_upstreams_names() -> None:
    clock, client = FakeClock(), FakeClient()
    stuck = asyncio.Event()

    async def sync(key: str) -> None:
        if key == "stuck":
            await stuck.wait()
        raise ZeroDivisionError

    workers = Workers("test", clock, sync)
    workers.queue.add("stuck")
    workers.queue.add("failing")
    await acting(workers, EventRecorder(client, clock, "test"), clock, 0)
    running_ = asyncio.create_task(workers.run())
    workers.queue.add("stuck2")
    await clock.advance(0.001)
    text = render(families([workers.metrics])).decode()
    running_.cancel()
    await asyncio.gather(running_, return_exceptions=True)
    for line in (
        'workqueue_adds_total{name="test"} 5',  # what failed and what was cut off are there for the second run
        'workqueue_depth{name="test"} 0',
        'workqueue_retries_total{name="test"}',
        'workqueue_queue_duration_seconds_bucket{name="test",le="1e-08"}',
        'workqueue_work_duration_seconds_count{name="test"}',
        'workqueue_unfinished_work_seconds{name="test"}',
        'workqueue_longest_running_processor_seconds{name="test"}',
        'pinnace_controller_failures_total{name="test",reason="ZeroDivisionError"}',
    ):
        assert line in text, line
