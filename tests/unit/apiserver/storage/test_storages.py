"""The work behind all resources: expiry of Events, compaction, storages shared by two rows of the table."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pinnace.api import meta
from pinnace.api.resources import BY_GVR, EVENTS, EVENTS_V1
from pinnace.apiserver.storage.item import Object
from pinnace.apiserver.storage.storages import Storages
from pinnace.store.backend import Compacted
from pinnace.store.memory import MemoryBackend
from pinnace.testing.fake_clock import FakeClock


def names_only(obj: Object) -> dict[str, str]:
    return {"metadata.name": meta.name(obj), "metadata.namespace": meta.namespace(obj)}


def event(name: str, **fields: object) -> Object:
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"}, **fields}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()  # begins at 2026-01-01T00:00:00Z


@pytest.fixture
async def storages(clock: FakeClock) -> AsyncIterator[Storages]:
    storages = Storages(MemoryBackend(), clock)
    running = asyncio.ensure_future(storages.run())
    yield storages
    running.cancel()
    storages.close()


async def test_events_go_an_hour_after_they_last_happened(storages: Storages, clock: FakeClock) -> None:
    storage = storages.of(BY_GVR[EVENTS], names_only)
    await storage.create(event("old", lastTimestamp="2026-01-01T00:00:00Z"))
    await storage.create(
        event(
            "repeated",
            eventTime="2026-01-01T00:00:00.000000Z",
            series={"lastObservedTime": "2026-01-01T00:30:00.000000Z"},
        )
    )
    await storage.create(event("odd", lastTimestamp="yesterday"))
    await clock.advance(59 * 60)
    assert len((await storage.list()).items) == 3
    await clock.advance(120)
    assert [item.name for item in (await storage.list()).items] == ["odd", "repeated"]
    await clock.advance(30 * 60)
    assert [item.name for item in (await storage.list()).items] == ["odd"]


async def test_event_that_claims_to_happen_far_ahead_goes_too(storages: Storages, clock: FakeClock) -> None:
    storage = storages.of(BY_GVR[EVENTS], names_only)
    far = event("far", lastTimestamp="2999-01-01T00:00:00Z", eventTime="2026-01-01T00:00:00.000000Z")
    await storage.create(far)
    await clock.advance(62 * 60)
    assert (await storage.list()).items == []


async def test_event_that_happens_again_lives_on(storages: Storages, clock: FakeClock) -> None:
    storage = storages.of(BY_GVR[EVENTS], names_only)
    await storage.create(event("again", lastTimestamp="2026-01-01T00:00:00Z"))
    await clock.advance(50 * 60)

    async def happens(item: object) -> Object:
        return event("again", lastTimestamp="2026-01-01T00:50:00Z")

    await storage.update("again", "default", happens)
    await clock.advance(30 * 60)
    assert len((await storage.list()).items) == 1


async def test_history_is_compacted_after_one_to_two_intervals(storages: Storages, clock: FakeClock) -> None:
    storage = storages.of(BY_GVR[EVENTS], names_only)
    await storage.create(event("a"))
    await storage.create(event("b"))
    await clock.advance(301)
    await storage.create(event("c"))
    assert len((await storages.backend.range("/", "0", revision=1)).kvs) == 1
    await clock.advance(300)
    with pytest.raises(Compacted):
        await storages.backend.range("/", "0", revision=1)
    assert len((await storages.backend.range("/", "0", revision=2)).kvs) == 2


async def test_compaction_of_an_idle_store_is_not_an_error(storages: Storages, clock: FakeClock) -> None:
    await storages.of(BY_GVR[EVENTS], names_only).create(event("a"))
    await clock.advance(3000)
    assert await storages.backend.revision() == 1


async def test_both_groups_of_events_share_their_objects(storages: Storages) -> None:
    first = storages.of(BY_GVR[EVENTS], names_only)
    assert storages.of(BY_GVR[EVENTS_V1], names_only) is first
