"""The store of several API servers: a real etcd, version 3.4 or later (`--store etcd`).

Writes are transactions guarded by the revision of their key; an author resumes when the event of its write has been
delivered here, so reads after own writes are consistent as with the other stores. `revision()` is linearizable, so a
reader that waits for it sees what any API server on this etcd has acknowledged.
Left out: leases (objects carry their own timestamps), values above etcd's --max-request-bytes (1.5 MiB unless raised).
"""

import asyncio
import contextlib
from typing import Any

from pinnace.component.clock import Clock
from pinnace.store.backend import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyNotFound,
    KeyValue,
    RangeResult,
    RevisionMismatch,
    StoreUnavailable,
    Subscriber,
    Subscription,
)
from pinnace.store.etcd_client import EtcdClient, EtcdConfig, RangeCompacted, RangeInFuture, Revisions
from pinnace.store.etcd_feed import Feed
from pinnace.store.etcd_messages import EQUAL, MOD_REVISION

PAGE = 2_000  # keys in one answer of etcd
DELIVERY_SECONDS = (
    5.0  # a write whose event is not here by then returns all the same: readers catch up by themselves
)
OPEN_SECONDS = 10.0


class EtcdBackend:
    """Implements `pinnace.store.backend.Backend`."""

    def __init__(self, config: EtcdConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._prefix = config.prefix.encode()
        self._writing: set[asyncio.Future[Any]] = set()
        self._is_open = False

    async def open(self) -> None:
        """Raises StoreUnavailable when no server answers."""
        self._client = EtcdClient(self._config)
        self._revisions = Revisions(self._client, self._key(self._config.span))
        self._feed = Feed(self._client, self._clock, self._revisions, self._prefix, self._config.span)
        self._following = asyncio.create_task(self._feed.run(), name="etcd watch")
        self._is_open = True
        try:
            now = await self._revisions.newest()
            self._feed.nudge(now)
            await self._clock.wait_for(self._feed.broadcaster.wait_until(now), OPEN_SECONDS)
        except TimeoutError:
            await self.close()
            raise StoreUnavailable("etcd answers, but sends no events") from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._writing:
            await asyncio.wait(self._writing)
        self._following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._following
        await self._feed.close(StoreUnavailable("the store is closed"))
        await self._client.close()

    def _key(self, key: str) -> bytes:
        return self._prefix + key.encode()

    def _read(self, kv: Any) -> KeyValue:
        key = kv.key[len(self._prefix) :].decode()
        return KeyValue(key, kv.value, kv.create_revision, kv.mod_revision)

    def _refuse_closed(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")

    # writing

    async def create(self, key: str, value: bytes) -> int:
        put = {"request_put": {"key": self._key(key), "value": value}}
        revision, current = await self._write(key, 0, put)
        if current is not None:
            raise KeyExists(current)
        return revision

    async def update(self, key: str, value: bytes, expected: int) -> int:
        return await self._guarded(key, expected, {"request_put": {"key": self._key(key), "value": value}})

    async def delete(self, key: str, expected: int) -> int:
        return await self._guarded(key, expected, {"request_delete_range": {"key": self._key(key)}})

    async def _guarded(self, key: str, expected: int, operation: dict[str, Any]) -> int:
        revision, current = await self._write(key, expected or -1, operation)  # 0 would mean: no such key
        if revision:
            return revision
        if current is None:
            raise KeyNotFound(key)
        raise RevisionMismatch(current, expected)

    async def _write(self, key: str, expected: int, operation: dict[str, Any]) -> tuple[int, KeyValue | None]:
        """The revision of the write, or (0, what the key holds) if that is not what was expected."""
        self._refuse_closed()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writing.add(done)
        try:
            return await self._transact(self._key(key), expected, operation)
        finally:
            self._writing.discard(done)
            done.set_result(None)

    async def _transact(
        self, key: bytes, expected: int, operation: dict[str, Any]
    ) -> tuple[int, KeyValue | None]:
        guard = {"result": EQUAL, "target": MOD_REVISION, "key": key, "mod_revision": expected}
        answer = await self._client.call(
            "KV/Txn", compare=[guard], success=[operation], failure=[{"request_range": {"key": key}}]
        )
        if not answer.succeeded:
            found = answer.responses[0].response_range.kvs
            return 0, self._read(found[0]) if found else None
        revision = answer.header.revision
        with contextlib.suppress(TimeoutError):
            await self._clock.wait_for(self._feed.broadcaster.wait_until(revision), DELIVERY_SECONDS)
        return revision, None

    async def compact(self, revision: int) -> None:
        self._refuse_closed()
        try:
            await self._client.call("KV/Compact", revision=revision)
        except RangeCompacted as error:
            raise await self._compacted(revision) from error
        except RangeInFuture as error:
            raise FutureRevision(revision, await self._newest()) from error
        self._feed.compacted(revision)

    # reading

    async def revision(self) -> int:
        self._refuse_closed()
        return await self._newest()

    async def _newest(self) -> int:
        newest = await self._revisions.newest()
        self._feed.nudge(newest)
        return newest

    async def get(self, key: str) -> KeyValue | None:
        self._refuse_closed()
        found = (await self._client.call("KV/Range", key=self._key(key))).kvs
        return self._read(found[0]) if found else None

    async def range(self, start: str, end: str, *, limit: int = 0, revision: int = 0) -> RangeResult:
        self._refuse_closed()
        try:
            return await self._pages(self._key(start), self._key(end), limit, revision)
        except RangeCompacted as error:
            raise await self._compacted(revision) from error
        except RangeInFuture as error:
            raise FutureRevision(revision, await self._newest()) from error

    async def _pages(self, start: bytes, end: bytes, limit: int, revision: int) -> RangeResult:
        kvs: list[KeyValue] = []
        total = 0
        while True:
            wanted = min(limit - len(kvs), PAGE) if limit else PAGE
            answer = await self._client.call(
                "KV/Range", key=start, range_end=end, limit=wanted, revision=revision
            )
            revision, total = revision or answer.header.revision, total or answer.count
            kvs += map(self._read, answer.kvs)
            if not answer.more or len(kvs) == limit:
                return RangeResult(kvs, revision, total)
            start = answer.kvs[-1].key + b"\0"

    async def subscribe(self, prefix: str, after: int, subscriber: Subscriber) -> Subscription:
        self._refuse_closed()
        broadcaster = self._feed.broadcaster
        if after > broadcaster.revision and after <= await self._newest():
            await self._delivered(after)
        return await broadcaster.attach(prefix, after, subscriber, self._feed.history)

    async def _delivered(self, revision: int) -> None:
        try:
            await self._clock.wait_for(self._feed.broadcaster.wait_until(revision), DELIVERY_SECONDS)
        except TimeoutError:
            raise StoreUnavailable("the event stream of etcd is interrupted") from None

    async def _compacted(self, requested: int) -> Compacted:
        """etcd says which revision is the oldest only to a watch that begins before it."""
        try:
            await self._clock.wait_for(self._feed.read(1, _until_events), DELIVERY_SECONDS)
        except Compacted as error:
            return Compacted(requested, error.compacted)
        except TimeoutError:
            pass
        return Compacted(requested, requested)


def _until_events(events: list[Event], _progress: int) -> bool:
    return not events
