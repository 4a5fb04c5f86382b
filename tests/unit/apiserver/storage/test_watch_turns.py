"""Many watchers are woken in turns, so that events which come meanwhile share a batch."""

import asyncio

from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.watchers import WOKEN_AT_ONCE, ObjectWatch, Watchers


def event(revision: int) -> StorageEvent:
    return StorageEvent(
        "ADDED", Item(f"/k/{revision}", b"{}", revision, namespace="", name="n", labels={}, fields={})
    )


async def reader(watch: ObjectWatch, batches: list[list[int]]) -> None:
    async for batch in watch.batches():
        batches.append([event.revision for event in batch])


async def test_events_that_come_while_others_are_woken_share_a_batch() -> None:
    watchers = Watchers()
    watches = [
        ObjectWatch(Scope(), bookmarks=False, on_close=watchers.remove) for _ in range(WOKEN_AT_ONCE * 3)
    ]
    seen: list[list[list[int]]] = [[] for _ in watches]
    for watch in watches:
        watchers.add(watch)
    async with asyncio.TaskGroup() as tasks:
        for watch, batches in zip(watches, seen, strict=True):
            tasks.create_task(reader(watch, batches))
        await asyncio.sleep(0)
        watchers.dispatch([event(1)])
        await asyncio.sleep(0)
        watchers.dispatch([event(2)])
        for _ in range(10):
            await asyncio.sleep(0)
        for watch in watches:
            watch.close()
    assert all([revision for batch in batches for revision in batch] == [1, 2] for batches in seen)
    assert seen[0] == [[1], [2]], "the first ones are not kept waiting"
    assert seen[-1] == [[1, 2]]
    assert not watchers._due
