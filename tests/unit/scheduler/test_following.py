"""Kinds that are watched from the first need on: each change is told once, also when the first wait was cut off."""

import asyncio

import pytest

from pinnace.api.resources import CONFIG_MAPS
from pinnace.client.informer import Informers
from pinnace.scheduler.following import Following
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}


async def test_a_wait_that_was_cut_off_doubles_nothing() -> None:
    clock, told = FakeClock(), []
    informers = Informers(FakeClient([MAP]), clock)
    following = Following({"map": CONFIG_MAPS}, lambda kind, old, new: told.append((kind, new)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(following.begin(informers), 0.01)  # nothing runs the informers yet
    running = asyncio.create_task(informers.run())
    await following.begin(informers)
    await following.begin(informers)
    await clock.settle()
    running.cancel()
    assert [(kind, new["metadata"]["name"]) for kind, new in told] == [("map", "a")]
