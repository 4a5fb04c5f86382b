"""What every store must do, whichever it is. A new backend is one more row in `BACKENDS`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from etcd_server import empty_store
from pinnace.store.backend import (
    Backend,
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyNotFound,
    KeyValue,
    RevisionMismatch,
    SlowWatcher,
    StoreUnavailable,
    prefix_end,
)
from pinnace.store.memory import MemoryBackend
from pinnace.store.sqlite import SqliteBackend
from pinnace.store.watch import BufferedWatch

BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Path], Backend]] = {
    "memory": lambda request, directory: MemoryBackend(),
    "sqlite": lambda request, directory: SqliteBackend(directory / "state.db"),
    "etcd": lambda request, directory: empty_store(request.getfixturevalue("etcd"), directory.name),
}


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    backend = BACKENDS[request.param](request, tmp_path)
    await backend.open()
    yield backend
    await backend.close()


async def keys(backend: Backend, prefix: str, **options: int) -> list[str]:
    return [kv.key for kv in (await backend.range(prefix, prefix_end(prefix), **options)).kvs]


async def collect(watch: BufferedWatch, count: int) -> list[Event]:
    events: list[Event] = []
    while len(events) < count:
        events += await asyncio.wait_for(anext(watch), 10)
    return events


async def test_revision_starts_at_zero_and_counts_writes(backend: Backend) -> None:
    assert await backend.revision() == 0
    assert await backend.create("/a", b"1") == 1
    assert await backend.create("/b", b"1") == 2
    assert await backend.update("/a", b"2", 1) == 3
    assert await backend.delete("/b", 2) == 4
    assert await backend.revision() == 4


async def test_get_gives_the_newest_value_and_both_revisions(backend: Backend) -> None:
    assert await backend.get("/a") is None
    await backend.create("/other", b"")
    await backend.create("/a", b"1")
    await backend.update("/a", b"2", 2)
    assert await backend.get("/a") == KeyValue("/a", b"2", 2, 3)
    await backend.delete("/a", 3)
    assert await backend.get("/a") is None


async def test_create_refuses_an_existing_key_and_shows_it(backend: Backend) -> None:
    await backend.create("/a", b"1")
    with pytest.raises(KeyExists) as refused:
        await backend.create("/a", b"2")
    assert refused.value.current == KeyValue("/a", b"1", 1, 1)
    assert await backend.revision() == 1


async def test_update_refuses_another_revision_and_shows_the_current(backend: Backend) -> None:
    await backend.create("/a", b"1")
    await backend.update("/a", b"2", 1)
    with pytest.raises(RevisionMismatch) as refused:
        await backend.update("/a", b"3", 1)
    assert refused.value.current == KeyValue("/a", b"2", 1, 2)


async def test_delete_refuses_another_revision_and_shows_the_current(backend: Backend) -> None:
    await backend.create("/a", b"1")
    with pytest.raises(RevisionMismatch) as refused:
        await backend.delete("/a", 7)
    assert refused.value.current == KeyValue("/a", b"1", 1, 1)


async def test_update_and_delete_of_a_missing_key(backend: Backend) -> None:
    with pytest.raises(KeyNotFound):
        await backend.update("/a", b"1", 1)
    with pytest.raises(KeyNotFound):
        await backend.delete("/a", 1)
    await backend.create("/a", b"1")
    await backend.delete("/a", 1)
    with pytest.raises(KeyNotFound):
        await backend.update("/a", b"1", 1)


async def test_key_can_be_created_again_after_its_deletion(backend: Backend) -> None:
    await backend.create("/a", b"1")
    await backend.delete("/a", 1)
    assert await backend.create("/a", b"2") == 3
    assert await backend.get("/a") == KeyValue("/a", b"2", 3, 3)


async def test_values_may_be_empty_or_large(backend: Backend) -> None:
    await backend.create("/empty", b"")
    await backend.create("/large", b"x" * 3_000_000)
    assert (await backend.range("/", "0")).kvs == [
        KeyValue("/empty", b"", 1, 1),
        KeyValue("/large", b"x" * 3_000_000, 2, 2),
    ]


async def test_range_is_in_key_order_and_half_open(backend: Backend) -> None:
    for key in ("/r/b", "/r/a/z", "/r/a", "/r/a-b", "/s", "/q", "/r/é"):
        await backend.create(key, b"")
    assert await keys(backend, "/r/") == ["/r/a", "/r/a-b", "/r/a/z", "/r/b", "/r/é"]
    answer = await backend.range("/r/a", "/r/b")
    assert [kv.key for kv in answer.kvs] == ["/r/a", "/r/a-b", "/r/a/z"]
    assert answer.revision == 7


async def test_range_with_a_limit_counts_all(backend: Backend) -> None:
    for key in "abcde":
        await backend.create(f"/{key}", b"")
    answer = await backend.range("/b", "0", limit=2)
    assert ([kv.key for kv in answer.kvs], answer.total, answer.more) == (["/b", "/c"], 4, True)
    answer = await backend.range("/d", "0", limit=2)
    assert (answer.total, answer.more) == (2, False)


async def test_range_at_an_old_revision(backend: Backend) -> None:
    await backend.create("/a", b"1")
    await backend.create("/b", b"1")
    await backend.update("/a", b"2", 1)
    await backend.delete("/b", 2)
    assert (await backend.range("/", "0", revision=2)).kvs == [
        KeyValue("/a", b"1", 1, 1),
        KeyValue("/b", b"1", 2, 2),
    ]
    assert (await backend.range("/", "0", revision=4)).kvs == [KeyValue("/a", b"2", 1, 3)]
    with pytest.raises(FutureRevision):
        await backend.range("/", "0", revision=5)


async def test_compaction_forgets_what_was_before(backend: Backend) -> None:
    await backend.create("/a", b"1")
    await backend.create("/b", b"1")
    await backend.update("/a", b"2", 1)
    await backend.delete("/b", 2)
    await backend.create("/c", b"1")
    await backend.compact(4)
    assert await keys(backend, "/", revision=4) == ["/a"]
    assert await keys(backend, "/") == ["/a", "/c"]
    with pytest.raises(Compacted) as refused:
        await backend.range("/", "0", revision=3)
    assert (refused.value.requested, refused.value.compacted) == (3, 4)
    assert await backend.get("/a") == KeyValue("/a", b"2", 1, 3)


async def test_compaction_goes_forward_only(backend: Backend) -> None:
    for key in "abc":
        await backend.create(f"/{key}", b"")
    await backend.compact(2)
    with pytest.raises(Compacted):
        await backend.compact(2)
    with pytest.raises(FutureRevision):
        await backend.compact(4)
    await backend.compact(3)


async def test_revision_survives_the_compaction_of_a_final_deletion(backend: Backend) -> None:
    await backend.create("/a", b"1")
    await backend.delete("/a", 1)
    await backend.compact(2)
    assert await backend.revision() == 2
    assert await backend.create("/a", b"2") == 3


async def test_watch_tells_creations_updates_and_deletions(backend: Backend) -> None:
    watch = await BufferedWatch.open(backend, "/a/", 0)
    await backend.create("/a/x", b"1")
    await backend.create("/b/x", b"1")
    await backend.create("/ab", b"1")
    await backend.update("/a/x", b"2", 1)
    await backend.delete("/a/x", 4)
    events = await collect(watch, 3)
    assert events == [
        Event(KeyValue("/a/x", b"1", 1, 1)),
        Event(KeyValue("/a/x", b"2", 1, 4)),
        Event(KeyValue("/a/x", b"", 1, 5), is_delete=True),
    ]
    assert [event.is_create for event in events] == [True, False, False]
    watch.close()


async def test_watch_begins_after_its_revision(backend: Backend) -> None:
    for number in range(5):
        await backend.create(f"/a/{number}", b"")
    watch = await BufferedWatch.open(backend, "/a/", 3)
    assert [event.kv.key for event in await collect(watch, 2)] == ["/a/3", "/a/4"]
    watch.close()


async def test_watch_of_compacted_or_future_history_is_refused(backend: Backend) -> None:
    for number in range(4):
        await backend.create(f"/a/{number}", b"")
    await backend.compact(3)
    with pytest.raises(Compacted):
        await BufferedWatch.open(backend, "/a/", 2)
    (await BufferedWatch.open(backend, "/a/", 3)).close()
    with pytest.raises(FutureRevision):
        await BufferedWatch.open(backend, "/a/", 5)


async def test_watch_misses_and_repeats_nothing_between_history_and_live(backend: Backend) -> None:
    """Watches are opened, at old revisions, while writers write."""
    total = 3000

    async def write(worker: int) -> None:
        for number in range(total // 10):
            await backend.create(f"/a/{worker}-{number}", b"v")
            await asyncio.sleep(0)

    async def watch_all(after_events: int) -> list[int]:
        while await backend.revision() < after_events:
            await asyncio.sleep(0)
        watch = await BufferedWatch.open(backend, "/a/", 0)
        events = await collect(watch, total)
        watch.close()
        return [event.kv.mod_revision for event in events]

    watching = [asyncio.ensure_future(watch_all(begin)) for begin in range(0, total, 300)]
    await asyncio.gather(*(write(worker) for worker in range(10)))
    for revisions in await asyncio.gather(*watching):
        assert revisions == list(range(1, total + 1))


async def test_events_reach_a_subscriber_before_the_author_goes_on(backend: Backend) -> None:
    watch = await BufferedWatch.open(backend, "/", 0)
    for number in range(20):
        revision = await backend.create(f"/{number}", b"")
        batch = await anext(watch)
        assert [event.kv.mod_revision for event in batch] == [revision]
    watch.close()


async def test_slow_watcher_is_closed_instead_of_buffered(backend: Backend) -> None:
    watch = await BufferedWatch.open(backend, "/", 0, limit=10)
    for number in range(12):
        await backend.create(f"/{number}", b"")
    with pytest.raises(SlowWatcher):
        await anext(watch)
    resumed = await BufferedWatch.open(backend, "/", 5)
    assert len(await collect(resumed, 7)) == 7
    resumed.close()


async def test_subscription_waits_for_a_revision(backend: Backend) -> None:
    watch = BufferedWatch()
    subscription = await backend.subscribe("/", 0, watch)
    waiting = asyncio.ensure_future(subscription.wait_until(2))
    await backend.create("/a", b"")
    assert not waiting.done()
    await backend.create("/b", b"")
    await asyncio.wait_for(waiting, 5)
    assert subscription.revision == 2
    subscription.close()


async def test_closed_subscription_gets_nothing_more(backend: Backend) -> None:
    watch = BufferedWatch()
    subscription = await backend.subscribe("/", 0, watch)
    await backend.create("/a", b"")
    subscription.close()
    subscription.close()
    await backend.create("/b", b"")
    assert [event.kv.key for event in await anext(watch)] == ["/a"]


async def test_one_of_many_concurrent_updates_wins(backend: Backend) -> None:
    await backend.create("/a", b"0")
    answers = await asyncio.gather(
        *(backend.update("/a", b"%d" % number, 1) for number in range(30)), return_exceptions=True
    )
    assert answers.count(2) == 1
    assert sum(isinstance(answer, RevisionMismatch) for answer in answers) == 29


async def test_counter_incremented_concurrently_loses_no_update(backend: Backend) -> None:
    await backend.create("/n", b"0")

    async def increment() -> None:
        current = await backend.get("/n")
        while True:
            assert current is not None
            try:
                await backend.update("/n", b"%d" % (int(current.value) + 1), current.mod_revision)
            except RevisionMismatch as conflict:
                current = conflict.current
            else:
                return

    await asyncio.gather(*(increment() for _ in range(40)))
    final = await backend.get("/n")
    assert final is not None
    assert final.value == b"40"


async def test_concurrent_creates_and_deletes_of_one_key_alternate(backend: Backend) -> None:
    """Writes of one batch are guarded by those before them in it."""

    async def churn() -> None:
        for _ in range(10):
            write: Awaitable[int] = backend.create("/k", b"")
            with contextlib.suppress(KeyExists, KeyNotFound, RevisionMismatch):
                await backend.delete("/k", await write)

    watch = await BufferedWatch.open(backend, "/", 0)
    await asyncio.gather(*(churn() for _ in range(10)))
    events = await collect(watch, await backend.revision())
    assert [event.is_delete for event in events] == [index % 2 == 1 for index in range(len(events))]
    watch.close()


async def test_closing_ends_watches_and_refuses_writes(backend: Backend) -> None:
    watch = await BufferedWatch.open(backend, "/", 0)
    writes = [asyncio.ensure_future(backend.create(f"/{number}", b"")) for number in range(10)]
    await asyncio.sleep(0)
    await backend.close()
    assert sorted(await asyncio.gather(*writes)) == list(range(1, 11))
    with pytest.raises(StoreUnavailable):
        await backend.create("/late", b"")
    assert len(await collect(watch, 10)) == 10
    with pytest.raises(StoreUnavailable):
        await anext(watch)
