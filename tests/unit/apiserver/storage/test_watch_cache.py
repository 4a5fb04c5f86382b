"""The cache's life: loading, backfill, a broken event stream, a store that is ahead of it."""

import asyncio
from collections.abc import Sequence

import pytest

from pinnace.apimachinery import errors
from pinnace.apiserver.storage import codec, watch_cache
from pinnace.apiserver.storage.item import CacheMutated, ItemReader, Object
from pinnace.apiserver.storage.keys import KeySpace
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.watch_cache import WatchCache
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.store.backend import Event, StoreUnavailable, Subscriber, Subscription
from pinnace.store.memory import MemoryBackend
from pinnace.testing.fake_clock import FakeClock

KEYS = KeySpace.of("things", namespaced=False)


def stored(name: str, **spec: object) -> bytes:
    return codec.dumps({"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec})


def cache_over(backend: MemoryBackend, clock: FakeClock | None = None) -> WatchCache:
    def fields(obj: Object) -> dict[str, str]:
        return {"metadata.name": obj["metadata"]["name"]}

    return WatchCache(backend, KEYS.prefix, ItemReader(KEYS, fields), clock or FakeClock())


def names(cache: WatchCache) -> list[str]:
    return [item.name for item in cache.contents]


async def test_loads_once_however_many_ask() -> None:
    backend = MemoryBackend()
    await backend.create(KEYS.key("a"), stored("a"))
    cache = cache_over(backend)
    await asyncio.gather(*(cache.load() for _ in range(5)))
    await backend.create(KEYS.key("b"), stored("b"))
    assert names(cache) == ["a", "b"]
    assert len(cache.history.after(1)) == 1


async def test_loading_replays_the_newest_revisions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_cache, "BACKFILL", 2)
    backend = MemoryBackend()
    for name in "abcd":
        await backend.create(KEYS.key(name), stored(name))
    cache = cache_over(backend)
    await cache.load()
    assert names(cache) == list("abcd")
    assert (cache.history.floor, [event.item.name for event in cache.history.after(2)]) == (2, ["c", "d"])


async def test_loading_after_a_compaction() -> None:
    backend = MemoryBackend()
    for name in "abcd":
        await backend.create(KEYS.key(name), stored(name))
    await backend.compact(3)
    cache = cache_over(backend)
    await cache.load()
    assert (names(cache), cache.history.floor) == (list("abcd"), 3)


async def test_broken_stream_ends_watches_and_the_next_use_loads_anew() -> None:
    backend = MemoryBackend()
    cache = cache_over(backend)
    await cache.load()
    watch = ObjectWatch(Scope(), bookmarks=False, on_close=cache.watchers.remove)
    cache.watchers.add(watch)
    cache.fail(StoreUnavailable("connection lost"))
    with pytest.raises(errors.ServiceUnavailable):
        await anext(watch)
    await backend.create(KEYS.key("a"), stored("a"))
    await cache.catch_up()
    assert names(cache) == ["a"]


async def test_object_changed_by_a_reader_is_found_at_the_next_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNACE_DETECT_MUTATION", "1")
    backend = MemoryBackend()
    await backend.create(KEYS.key("a"), stored("a"))
    cache = cache_over(backend)
    await cache.load()
    item = cache.contents.get(KEYS.key("a"))
    assert item is not None
    item.obj["spec"]["sneaky"] = True
    with pytest.raises(CacheMutated, match="/registry/things/a at revision 1"):
        cache.verify()
    await backend.update(KEYS.key("a"), stored("a", new=1), 1)
    assert names(cache) == ["a"]
    with pytest.raises(CacheMutated):
        cache.close()


class LaggingBackend(MemoryBackend):
    """Delivers to its subscribers later, as a store on another machine does."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Event] = []
        self.relay = Relay(self)

    async def subscribe(self, prefix: str, after: int, subscriber: Subscriber) -> Subscription:
        self.relay.subscriber, self.relay.revision = subscriber, after
        await super().subscribe(prefix, after, self.relay)
        return self.relay


class Relay:
    subscriber: Subscriber
    is_never_late = False

    def __init__(self, backend: LaggingBackend) -> None:
        self.backend, self.revision = backend, 0
        self._arrived = asyncio.Event()

    def deliver(self, events: Sequence[Event]) -> None:
        self.backend.held.extend(events)

    def fail(self, error: Exception) -> None: ...

    def close(self) -> None: ...

    def let_through(self) -> None:
        held, self.backend.held = self.backend.held, []
        self.subscriber.deliver(held)
        self.revision = held[-1].kv.mod_revision
        self._arrived.set()

    async def wait_until(self, revision: int) -> None:
        while self.revision < revision:
            await self._arrived.wait()


async def test_consistent_read_waits_for_a_remote_store() -> None:
    backend = LaggingBackend()
    cache = cache_over(backend)
    await cache.load()
    await backend.create(KEYS.key("a"), stored("a"))
    reading = asyncio.ensure_future(cache.catch_up())
    await asyncio.sleep(0)
    assert not reading.done()
    backend.relay.let_through()
    await asyncio.wait_for(reading, 5)
    assert names(cache) == ["a"]


async def test_consistent_read_gives_up_when_the_event_stream_stays_behind() -> None:
    backend, clock = LaggingBackend(), FakeClock()
    cache = cache_over(backend, clock)
    await cache.load()
    await backend.create(KEYS.key("a"), stored("a"))
    reading = asyncio.ensure_future(cache.catch_up())
    await clock.advance(watch_cache.FRESHNESS_TIMEOUT + 1)
    with pytest.raises(StoreUnavailable, match="behind"):
        await reading
