"""The contract of every store: etcd's model of versioned keys, its value types and its errors.

A store is a map from keys to bytes with one revision counter for all keys. Each successful write raises the counter by
one and is an event; every write is guarded by the revision that its author has seen. History is readable back to the
last compaction: as a map at an old revision (`range`) and as a stream of events after one (`subscribe`).

Left out, because the API server needs none of it: transactions over several keys, leases, unguarded writes.
Backends: `memory.MemoryBackend`, `sqlite.SqliteBackend`, `etcd.EtcdBackend`. All pass tests/contract/test_store_contract.py.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class KeyValue(NamedTuple):
    """One key as of one revision. `create_revision` is that of the write that made the key (again)."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int


class Event(NamedTuple):
    """One write. A deletion has an empty value and its own revision as `kv.mod_revision`."""

    kv: KeyValue
    is_delete: bool = False

    @property
    def is_create(self) -> bool:
        return self.kv.create_revision == self.kv.mod_revision and not self.is_delete


class RangeResult(NamedTuple):
    """`kvs` in key order; `revision` is the one that was read; `total` ignores the limit."""

    kvs: list[KeyValue]
    revision: int
    total: int

    @property
    def more(self) -> bool:
        return self.total > len(self.kvs)


class StoreError(Exception):
    """Base of what a store raises; the message is one sentence for people."""


class KeyExists(StoreError):
    """A create found the key taken."""

    def __init__(self, current: KeyValue) -> None:
        super().__init__(f"key {current.key} exists at revision {current.mod_revision}")
        self.current = current


class KeyNotFound(StoreError):
    """An update or a delete found no such key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key {key} does not exist")
        self.key = key


class RevisionMismatch(StoreError):
    """An update or a delete was guarded by a revision that is no longer the key's; `current` is what the key holds."""

    def __init__(self, current: KeyValue, expected: int) -> None:
        super().__init__(f"key {current.key} is at revision {current.mod_revision}, not {expected}")
        self.current, self.expected = current, expected


class Compacted(StoreError):
    """History at the asked revision is gone; `compacted` is the oldest revision that can still be read."""

    def __init__(self, requested: int, compacted: int) -> None:
        super().__init__(f"revision {requested} has been compacted; the oldest is {compacted}")
        self.requested, self.compacted = requested, compacted


class FutureRevision(StoreError):
    """The asked revision has not happened yet."""

    def __init__(self, requested: int, current: int) -> None:
        super().__init__(f"revision {requested} is in the future; the current one is {current}")
        self.requested, self.current = requested, current


class SlowWatcher(StoreError):
    """A watch was closed because its reader left too many events unread."""


class StoreUnavailable(StoreError):
    """The store cannot do the operation now: closed, unreachable, or an I/O error.

    A write that got this is not stored, unless it is an `OutcomeUnknown`."""


class OutcomeUnknown(StoreUnavailable):
    """A remote store did not confirm a write: it is stored, or will be, or never will."""


class StoreFull(StoreUnavailable):
    """No space left on the device; reads go on, writes work again once there is space."""


class UnusableData(StoreError):
    """The data directory cannot be opened: corrupt, or written by a newer version."""


class Subscriber(Protocol):
    """Takes events on the event loop, in order of revision, each exactly once; must be quick and must not await."""

    def deliver(self, events: Sequence[Event]) -> None: ...

    def fail(self, error: StoreError) -> None:
        """The stream broke off after what was delivered; nothing more will come on this subscription."""
        ...


class Subscription(Protocol):
    @property
    def revision(self) -> int:
        """Every event up to this revision has been delivered."""
        ...

    @property
    def is_never_late(self) -> bool:
        """Whether `revision` is that of the store at any time."""
        ...

    async def wait_until(self, revision: int) -> None:
        """Return once `self.revision >= revision`."""
        ...

    def close(self) -> None:
        """Deliver nothing more."""
        ...


class Backend(Protocol):
    """A store. Bound to one event loop from `open` to `close`; every method raises only `StoreError`s."""

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Finish the writes that were accepted, then refuse further ones with StoreUnavailable."""
        ...

    async def revision(self) -> int:
        """The revision of the newest write that any reader could have seen."""
        ...

    async def get(self, key: str) -> KeyValue | None: ...

    async def range(self, start: str, end: str, *, limit: int = 0, revision: int = 0) -> RangeResult:
        """Keys in `[start, end)` as of `revision` (0: now); raises Compacted or FutureRevision."""
        ...

    async def create(self, key: str, value: bytes) -> int:
        """The new revision; raises KeyExists."""
        ...

    async def update(self, key: str, value: bytes, expected: int) -> int:
        """The new revision; raises KeyNotFound, or RevisionMismatch unless the key is at `expected`."""
        ...

    async def delete(self, key: str, expected: int) -> int:
        """The revision of the deletion; raises KeyNotFound, or RevisionMismatch unless the key is at `expected`."""
        ...

    async def subscribe(self, prefix: str, after: int, subscriber: Subscriber) -> Subscription:
        """Give `subscriber` every event under `prefix` (which ends in "/") with a revision above `after`.

        What is history at the time of the call has been delivered when this returns. A write is delivered before
        its author resumes, so that who has written also reads it from a cache fed by a subscription; only a remote store
        that has lost its event stream may be late, and then tells so by `Subscription.revision`.
        Raises Compacted or FutureRevision.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget history before `revision`, which stays readable; raises Compacted or FutureRevision."""
        ...


def prefix_end(prefix: str) -> str:
    """The end of the range of all keys that begin with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
