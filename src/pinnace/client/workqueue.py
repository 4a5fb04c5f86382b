"""Work queues of keys: a key is in the queue once, is never worked on twice at a time, and comes back later on failure.

After client-go's workqueue: a key added while it is being worked on is queued again when the work is done.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pinnace.component.clock import Clock

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Rate limiting is exponential per key: `base_delay` doubling to `max_delay` seconds."""

    def __init__(self, clock: Clock, *, base_delay: float = 0.005, max_delay: float = 1000.0) -> None:
        self._clock = clock
        self._base, self._max = base_delay, max_delay
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()
        self._delayed: dict[K, tuple[float, asyncio.Task[None]]] = {}
        self.on_get: Callable[[float], None] | None = None  # told how long each key was ready
        self._since: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._active:
            self._make_ready(key)

    def _make_ready(self, key: K) -> None:
        self._ready.append(key)
        if self.on_get is not None:
            self._since[key] = self._clock.monotonic()
        self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Add later; of several waiting times for one key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if key in self._delayed:
            if self._delayed[key][0] <= due:
                return
            self._delayed.pop(key)[1].cancel()
        self._delayed[key] = (due, asyncio.ensure_future(self._add_later(key, seconds)))

    async def _add_later(self, key: K, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._delayed.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: K) -> float:
        """Add after this key's back-off, and lengthen it; returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._base * 2 ** min(failures, 60), self._max)
        self.add_after(key, delay)
        return delay

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key succeeded: its back-off starts over."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; call `done(key)` afterwards."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._active.add(key)
        if self.on_get is not None and key in self._since:
            self.on_get(self._clock.monotonic() - self._since.pop(key))
        return key

    def done(self, key: K) -> None:
        self._active.discard(key)
        if key in self._dirty:
            self._make_ready(key)

    def close(self) -> None:
        """Cancel every delayed key; the queue must not be used afterwards."""
        for _, task in self._delayed.values():
            task.cancel()
        self._delayed.clear()
