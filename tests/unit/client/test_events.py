import asyncio

from pinnace.api.resources import EVENTS
from pinnace.client.events import EventRecorder
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
