"""The watchers of one resource and the fan-out to them."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from pinnace.apimachinery.errors import StatusError
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.scope import NAMESPACE, Scope

WOKEN_AT_ONCE = (
    16  # watchers; then requests get their turn, so that what they change shares the writes to the rest
)
BUFFER_LIMIT = 10_000  # events; they are shared among watchers, so this bounds how far one may lag behind
INITIAL_BATCH = 500


class ObjectWatch:
    """A stream of batches for one watcher: `async for batch in watch.batches()`; call `close` when done.

    Events that are ready together come as one batch, so that they share a write. The stream ends without an error when
    the reader was too slow (`is_too_slow`) or the server closes it: the client goes on after the last revision it saw.
    It raises a StatusError when it cannot be continued (Expired, ServiceUnavailable).
    """

    def __init__(self, scope: Scope, *, bookmarks: bool, on_close: Callable[["ObjectWatch"], None]) -> None:
        self.scope, self.bookmarks = scope, bookmarks
        self.is_too_slow = False
        self._initial: Iterator[StorageEvent] = iter(())
        self._buffer: list[StorageEvent] = []
        self._wake: asyncio.Future[None] | None = None
        self._ended = False
        self._error: StatusError | None = None
        self._on_close = on_close
        self.on_too_slow: Callable[[], None] = lambda: None
        self.due: dict[ObjectWatch, None] | None = (
            None  # of the watchers that it belongs to: where it waits for its turn
        )
        self._selective = not scope.is_everything

    def begin_with(self, events: Iterable[StorageEvent]) -> None:
        """Give these first; they are taken from the iterator only as fast as the reader reads."""
        self._initial = iter(events)

    def offer(self, event: StorageEvent) -> None:
        """Queue the event if the scope selects it."""
        seen = event.seen_from(self.scope) if self._selective else event
        if seen is None or self._ended:
            return
        if len(self._buffer) >= BUFFER_LIMIT:
            self.is_too_slow = True
            self.on_too_slow()
            self._buffer = []
            self.end()
            return
        self._buffer.append(seen)
        if self.due is None:
            self.wake()
        elif self._wake is not None:
            self.due[self] = None

    def end(self, error: StatusError | None = None) -> None:
        """Give what is queued, then end, with the error if there is one."""
        self._ended, self._error = True, error
        self.wake()

    def close(self) -> None:
        self.end()
        self._on_close(self)

    def wake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def batches(self) -> "ObjectWatch":
        return self

    def __aiter__(self) -> "ObjectWatch":
        return self

    async def __anext__(self) -> Sequence[StorageEvent]:
        batch = list(itertools.islice(self._initial, INITIAL_BATCH))
        if batch:
            return batch
        while not self._buffer:
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
            self._wake = None
        batch, self._buffer = self._buffer, []
        return batch


class Watchers:
    """Delivers events; watchers that demand one value of one field are only asked about objects that have it."""

    def __init__(self) -> None:
        self._all: set[ObjectWatch] = set()
        self.too_slow = 0  # watchers that were closed because they did not read
        self._due: dict[ObjectWatch, None] = {}  # have events that their readers do not know of yet
        self._waking = False
        self._general: dict[ObjectWatch, None] = {}
        self._triggered: dict[str, dict[str, dict[ObjectWatch, None]]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, watch: ObjectWatch) -> None:
        self._all.add(watch)
        watch.due, watch.on_too_slow = self._due, self._one_too_slow
        self._group_of(watch)[watch] = None

    def _one_too_slow(self) -> None:
        self.too_slow += 1

    def remove(self, watch: ObjectWatch) -> None:
        self._all.discard(watch)
        self._due.pop(watch, None)
        self._group_of(watch).pop(watch, None)
        trigger = watch.scope.trigger
        if trigger is not None and not self._triggered[trigger[0]][trigger[1]]:
            del self._triggered[trigger[0]][trigger[1]]

    def _group_of(self, watch: ObjectWatch) -> dict[ObjectWatch, None]:
        trigger = watch.scope.trigger
        if trigger is None:
            return self._general
        return self._triggered.setdefault(trigger[0], {}).setdefault(trigger[1], {})

    def dispatch(self, events: Sequence[StorageEvent]) -> None:
        for event in events:
            for watch in self._general:
                watch.offer(event)
            for path, by_value in self._triggered.items():
                for value in _values(event, path):
                    for watch in by_value.get(value, ()):
                        watch.offer(event)
        if self._due and not self._waking:
            self._wake_some()

    def _wake_some(self) -> None:
        """The first ones at once; the rest, while there are any, in later turns of the loop."""
        for watch in list(itertools.islice(self._due, WOKEN_AT_ONCE)):
            del self._due[watch]
            watch.wake()
        self._waking = bool(self._due)
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)

    def bookmark(self, event: StorageEvent) -> None:
        for watch in self._all:
            if watch.bookmarks:
                watch.offer(event)
        if self._due and not self._waking:
            self._wake_some()

    def end_all(self, error: StatusError | None = None) -> None:
        for watch in self._all:
            watch.end(error)


def _values(event: StorageEvent, path: str) -> set[str]:
    if path == NAMESPACE:
        return {event.item.namespace}
    values = {event.item.fields.get(path, "")}
    if event.previous is not None:
        values.add(event.previous.fields.get(path, ""))
    return values
