"""A subscription to pull from: batches of events through a bounded buffer, for readers that may be slow."""

import asyncio
from collections.abc import Sequence

from pinnace.store.backend import Backend, Event, SlowWatcher, StoreError, Subscription


class BufferedWatch:
    """`async for batch in watch`: events in order, without a gap; raises the `StoreError` that ended the stream.

    A reader that leaves more than `limit` events unread loses them and gets SlowWatcher: it goes on by a new watch
    after the last revision it saw.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._buffer: list[Event] = []
        self._error: StoreError | None = None
        self._changed = asyncio.Event()
        self._subscription: Subscription | None = None

    @classmethod
    async def open(cls, backend: Backend, prefix: str, after: int, *, limit: int = 10_000) -> "BufferedWatch":
        watch = cls(limit)
        watch._subscription = await backend.subscribe(prefix, after, watch)
        if watch._error is not None:
            watch.close()
        return watch

    def deliver(self, events: Sequence[Event]) -> None:
        if self._error is not None:
            return
        if len(self._buffer) + len(events) > self._limit:
            self._buffer.clear()
            self.fail(SlowWatcher(f"more than {self._limit} events were left unread"))
            self.close()
            return
        self._buffer.extend(events)
        self._changed.set()

    def fail(self, error: StoreError) -> None:
        self._error = self._error or error
        self._changed.set()

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    def __aiter__(self) -> "BufferedWatch":
        return self

    async def __anext__(self) -> list[Event]:
        while not self._buffer:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        batch, self._buffer = self._buffer, []
        return batch
