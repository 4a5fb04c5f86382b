"""The watch cache of one resource: all current items in memory, in key order, fed by a subscription to the store.

With a store in this process the cache has every write before its author resumes. With a remote one it may lag:
`catch_up` waits until it has what the store had when it was called, which is what a consistent read needs.
A broken subscription empties nothing: watchers are ended, and the next use loads the cache anew.
"""

import asyncio
import logging
from collections.abc import Sequence

from pinnace.apimachinery import errors
from pinnace.apiserver.storage.contents import Contents
from pinnace.apiserver.storage.encryption import Undecryptable
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.history import History
from pinnace.apiserver.storage.item import CacheMutated, Item, ItemReader, detects_mutation
from pinnace.apiserver.storage.sharing import Sharing
from pinnace.apiserver.storage.watchers import Watchers
from pinnace.component.clock import Clock
from pinnace.store.backend import (
    Backend,
    Compacted,
    Event,
    KeyValue,
    RangeResult,
    StoreError,
    StoreUnavailable,
    Subscription,
    prefix_end,
)

log = logging.getLogger(__name__)

FRESHNESS_TIMEOUT = 3.0  # seconds; upstream's blockTimeout: how long a read waits for what the store has
MANY = 5_000  # items of a cache whose loading leaves memory behind
READ_AT_ONCE = 500  # items of a cache that is loaded, 10 ms at most
BACKFILL = 1_000  # revisions of the store replayed into the history when a cache is loaded


class WatchCache:
    """`changed_at` is the newest revision that changed something here; `revision` how far the cache has seen."""

    def __init__(self, backend: Backend, prefix: str, read_item: ItemReader, clock: Clock) -> None:
        self._backend, self._prefix, self._read_item, self._clock = backend, prefix, read_item, clock
        self.contents = Contents()
        self._subscription: Subscription | None = None
        self._loading = asyncio.Lock()
        self._checks = detects_mutation()
        self._violation: CacheMutated | None = None
        self.history = History(clock)
        self.watchers = Watchers()
        self.changed_at = 0
        self.received = self.loads = self.loaded_items = 0  # events; loads of the cache; what they brought
        self.keeps_objects = (
            False  # set once somebody in this process reads decoded objects: they are then shared
        )

    @property
    def revision(self) -> int:
        return self._subscription.revision if self._subscription is not None else 0

    @property
    def is_current(self) -> bool:
        """There is nothing that `catch_up` would have to wait for: to be asked before it, where reads are many."""
        return self._subscription is not None and self._subscription.is_never_late

    async def load(self) -> None:
        """Be current and stay so; nothing to do when it already is. Raises StoreError."""
        if self._subscription is not None:
            return
        async with self._loading:
            while self._subscription is None:
                now = await self._snapshot()
                items = await self._read_all(now.kvs)
                if len(items) >= MANY:
                    from pinnace.component import memory  # few caches are that large

                    await asyncio.to_thread(memory.give_back)
                self.contents.reset(items)
                self.changed_at = max((item.revision for item in items), default=0)
                self.history.reset(now.revision)
                self.loads += 1
                self.loaded_items += len(now.kvs)
                try:
                    self._subscription = await self._backend.subscribe(self._prefix, now.revision, self)
                except Compacted:
                    log.info("%s: compacted while loading; loading again", self._prefix)

    async def _snapshot(self) -> RangeResult:
        """The keys as they were a little ago: what happened since then fills the history, so that watches which were
        open before a restart of the server can go on."""
        if self._read_item.opens_sealed:  # what was sealed with a key that is gone by now cannot be replayed
            return await self._backend.range(self._prefix, prefix_end(self._prefix))
        now = await self._backend.revision()
        base = max(min(1, now), now - BACKFILL)
        for _ in range(2):
            try:
                return await self._backend.range(self._prefix, prefix_end(self._prefix), revision=base)
            except Compacted as error:
                base = error.compacted
        return await self._backend.range(self._prefix, prefix_end(self._prefix))

    async def _read_all(self, kvs: list[KeyValue]) -> list[Item]:
        """Takes them from the list, one after the other: the memory of what has been read is used again for what comes next.

        Others have their turn in between.
        """
        items, sharing = [], Sharing()
        kvs.reverse()
        while kvs:
            item = self._read_item(kvs.pop())
            if self.keeps_objects:
                sharing.share(item.obj)
            else:
                item.release()
            items.append(item)
            if not len(items) % READ_AT_ONCE:
                await asyncio.sleep(0)
        return items

    async def catch_up(self) -> None:
        """Have everything that the store had when this was called."""
        if self.is_current:
            return
        await self.load()
        target = await self._backend.revision()
        while self.revision < target:
            await self.load()
            await self._followed_to(target)

    async def _followed_to(self, revision: int) -> None:
        if self._subscription is None:
            return
        try:
            await self._clock.wait_for(self._subscription.wait_until(revision), FRESHNESS_TIMEOUT)
        except TimeoutError:
            raise StoreUnavailable("its event stream is behind; the read cannot be consistent now") from None

    async def wait_until(self, revision: int) -> None:
        if self._subscription is not None:
            await self._subscription.wait_until(revision)

    def close(self) -> None:
        """Raises CacheMutated where that is looked for."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        if self._checks:
            self.verify()

    # the subscriber's side

    def deliver(self, events: Sequence[Event]) -> None:
        try:
            changes = [change for event in events if (change := self._apply(event)) is not None]
        except Undecryptable as error:  # written by another server, with a key that this one lacks
            self.fail(error)
            return
        if not changes:
            return
        self.changed_at = changes[-1].revision
        self.received += len(changes)
        self.history.append(changes)
        self.watchers.dispatch(changes)
        read = self.history.read_up_to() if self.keeps_objects else self.changed_at
        for change in changes:
            # What was written a moment ago is still to be read by watchers; the history releases it later.
            if change.previous is not None and change.previous.revision <= read:
                change.previous.release()
            if not self.keeps_objects:
                change.item.release()

    def _apply(self, event: Event) -> StorageEvent | None:
        if self._checks:
            self._check(event.kv.key)
        if not event.is_delete:
            item = self._read_item(event.kv)
            old = self.contents.put(item)
            return StorageEvent("ADDED" if old is None else "MODIFIED", item, old)
        old = self.contents.remove(event.kv.key)
        if old is None:
            return None
        return StorageEvent("DELETED", old.restamped(event.kv.mod_revision), old)

    def _check(self, key: str) -> None:
        """Remember a violation until the cache is closed: the event stream is not to suffer from it."""
        item = self.contents.get(key)
        try:
            if item is not None:
                item.check_unchanged()
        except CacheMutated as violation:
            log.error("%s", violation)
            self._violation = self._violation or violation

    def fail(self, error: StoreError) -> None:
        log.warning("%s: lost the event stream: %s", self._prefix, error)
        self._subscription = None
        self.watchers.end_all(errors.ServiceUnavailable("the event stream of the store was interrupted"))

    def verify(self) -> None:
        """Raise CacheMutated if any object is, or was when it was replaced, changed by a reader."""
        if self._violation is not None:
            raise self._violation
        for item in self.contents:
            item.check_unchanged()
