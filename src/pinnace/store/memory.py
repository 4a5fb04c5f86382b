"""The store without a disk: for tests, and for throw-away clusters (`--store memory`).

Keeps the same history as the others, but compacts itself when it holds more than `2 * history` events, since what it
keeps costs memory.
"""

from bisect import bisect_left, bisect_right, insort

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
from pinnace.store.broadcaster import Broadcaster


def _revision_of(event: Event) -> int:
    return event.kv.mod_revision


class MemoryBackend:
    """Implements `pinnace.store.backend.Backend`; a write is done, and delivered, in one step of the event loop."""

    def __init__(self, *, history: int = 10_000) -> None:
        self._history = history
        self._broadcaster = Broadcaster()
        self._compacted = 0
        self._log: list[Event] = []  # revisions _compacted+1 .. current, without a gap
        self._keys: list[str] = []  # sorted; of all keys with versions
        self._versions: dict[str, list[Event]] = {}  # by revision; the last one is the present
        self._closed = False

    async def open(self) -> None:
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        self._broadcaster.end(StoreUnavailable("the store is closed"))

    async def revision(self) -> int:
        return self._broadcaster.revision

    def _head(self, key: str) -> KeyValue | None:
        versions = self._versions.get(key)
        return None if not versions or versions[-1].is_delete else versions[-1].kv

    async def get(self, key: str) -> KeyValue | None:
        return self._head(key)

    async def range(self, start: str, end: str, *, limit: int = 0, revision: int = 0) -> RangeResult:
        current = self._broadcaster.revision
        at = revision or current
        if at > current:
            raise FutureRevision(at, current)
        if at < self._compacted:
            raise Compacted(at, self._compacted)
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        found = [kv for key in keys if (kv := self._at(key, at)) is not None]
        return RangeResult(found[:limit] if limit else found, at, len(found))

    def _at(self, key: str, revision: int) -> KeyValue | None:
        versions = self._versions[key]
        position = bisect_right(versions, revision, key=_revision_of)
        if not position or versions[position - 1].is_delete:
            return None
        return versions[position - 1].kv

    async def create(self, key: str, value: bytes) -> int:
        head = self._head(key)
        if head is not None:
            raise KeyExists(head)
        revision = self._broadcaster.revision + 1
        return self._write(Event(KeyValue(key, value, revision, revision)))

    async def update(self, key: str, value: bytes, expected: int) -> int:
        head = self._guarded(key, expected)
        return self._write(Event(KeyValue(key, value, head.create_revision, self._broadcaster.revision + 1)))

    async def delete(self, key: str, expected: int) -> int:
        head = self._guarded(key, expected)
        gone = KeyValue(key, b"", head.create_revision, self._broadcaster.revision + 1)
        return self._write(Event(gone, is_delete=True))

    def _guarded(self, key: str, expected: int) -> KeyValue:
        head = self._head(key)
        if head is None:
            raise KeyNotFound(key)
        if head.mod_revision != expected:
            raise RevisionMismatch(head, expected)
        return head

    def _write(self, event: Event) -> int:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        key = event.kv.key
        if key not in self._versions:
            self._versions[key] = []
            insort(self._keys, key)
        self._versions[key].append(event)
        self._log.append(event)
        self._broadcaster.publish((event,))
        if len(self._log) > 2 * self._history:
            self._forget(event.kv.mod_revision - self._history)
        return event.kv.mod_revision

    async def subscribe(self, prefix: str, after: int, subscriber: Subscriber) -> Subscription:
        return await self._broadcaster.attach(prefix, after, subscriber, self._read_log)

    async def _read_log(self, prefix: str, after: int, up_to: int, limit: int) -> list[Event]:
        if after < self._compacted:
            raise Compacted(after, self._compacted)
        found: list[Event] = []
        for event in self._log[after - self._compacted : up_to - self._compacted]:
            if event.kv.key.startswith(prefix):
                found.append(event)
                if len(found) == limit:
                    break
        return found

    async def compact(self, revision: int) -> None:
        if revision > self._broadcaster.revision:
            raise FutureRevision(revision, self._broadcaster.revision)
        if revision <= self._compacted:
            raise Compacted(revision, self._compacted)
        self._forget(revision)

    def _forget(self, revision: int) -> None:
        count = revision - self._compacted
        for key in {event.kv.key for event in self._log[:count]}:
            versions = self._versions[key]
            keep = max(0, bisect_right(versions, revision, key=_revision_of) - 1)
            if versions[keep].is_delete and versions[keep].kv.mod_revision <= revision:
                keep += 1
            del versions[:keep]
            if not versions:
                del self._versions[key]
                del self._keys[bisect_left(self._keys, key)]
        del self._log[:count]
        self._compacted = revision
