import asyncio
from typing import Any

import pytest

from pinnace.api.resources import EVENTS
from pinnace.apimachinery.errors import Forbidden
from pinnace.client.events import EventRecorder, lost_events
from pinnace.component.metrics import render
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "default", "uid": "u"}}


async def recorded(*reasons: str) -> list[dict]:
    client = FakeClient()
    recorder = EventRecorder(client, FakeClock(), "kubelet", "node1")
    for reason in reasons:
        recorder.event(POD, "Normal", reason, f"it is {reason}")
    writing = asyncio.create_task(recorder.run())
    await recorder.flush()
    writing.cancel()
    return (await client.list(EVENTS))["items"]


async def test_names_are_in_the_order_of_events_of_the_same_moment() -> None:
    reasons = ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    events = sorted(await recorded(*reasons), key=lambda event: event["metadata"]["name"])
    assert [event["reason"] for event in events] == reasons
    assert events[0]["metadata"]["name"].startswith("web.")


async def test_the_same_event_again_is_counted() -> None:
    (event,) = await recorded("BackOff", "BackOff", "BackOff")
    assert (event["count"], event["source"]) == (3, {"component": "kubelet", "host": "node1"})


async def test_an_event_about_something_with_the_longest_name_has_a_name_that_is_valid() -> None:
    client = FakeClient()
    recorder = EventRecorder(client, FakeClock(), "kubelet")
    recorder.event({**POD, "metadata": {**POD["metadata"], "name": "n" * 253}}, "Normal", "Pulled", "it is")  # type: ignore[dict-item]
    writing = asyncio.create_task(recorder.run())
    await recorder.flush()
    writing.cancel()
    (event,) = (await client.list(EVENTS))["items"]
    assert len(event["metadata"]["name"]) == 36


async def test_lost_events_are_one_line_in_ten_seconds_and_a_metric(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(FakeClient):
        async def create(self, *args: Any, **named: Any) -> dict:
            raise Forbidden("no")

    clock = FakeClock()
    recorder = EventRecorder(Refusing(), clock, "test", capacity=2)
    writing = asyncio.create_task(recorder.run())
    for number in range(1000):
        recorder.event(POD, "Normal", f"R{number}", "m")
    await clock.advance(9)
    assert [line.message for line in caplog.records] == [
        "test: events lost: 998 (QueueFull); the last one: R999 m"
    ]
    await clock.advance(1)
    assert [line.message for line in caplog.records][1:] == [
        "test: events lost: 2 (Forbidden); the last one: R1 m (no)"
    ]
    await clock.advance(100)
    assert len(caplog.records) == 2
    text = render([lost_events([recorder])]).decode()
    assert 'pinnace_events_lost_total{component="test",reason="QueueFull"} 998' in text
    assert 'pinnace_events_lost_total{component="test",reason="Forbidden"} 2' in text
    writing.cancel()


async def test_events_wait_while_somebody_is_busy_but_none_for_more_than_ten_seconds() -> None:
    client, clock, busy = FakeClient(), FakeClock(), True
    recorder = EventRecorder(client, clock, "test", is_busy=lambda: busy)
    writing = asyncio.create_task(recorder.run())
    for number in range(20):  # more than are written at a time
        recorder.event(POD, "Normal", f"R{number}", "m")
    await clock.advance(9)
    assert (await client.list(EVENTS))["items"] == []
    await clock.advance(1.5)
    assert len((await client.list(EVENTS))["items"]) == 20
    recorder.event(POD, "Normal", "Late", "m")
    await clock.advance(1)
    assert len((await client.list(EVENTS))["items"]) == 20
    busy = False
    await clock.advance(1)
    assert len((await client.list(EVENTS))["items"]) == 21
    writing.cancel()
