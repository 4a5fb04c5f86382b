"""Work queues of keys: a key is in the queue once, is never worked on twice at a time, and comes back later on failure.

After client-go's workqueue: a key added while it is being worked on is queued again when the work is done. The queue counts
and times itself; `controllers.runtime.metrics` gives the numbers upstream's names.
"""

import asyncio
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pinnace.component.clock import Clock
from pinnace.component.metrics import Histogram, exponential

K = TypeVar("K", bound=Hashable)

SECONDS = exponential(1e-8, 10, 10)
RETRIES_AT_ONCE = 100.0
VOID_TIMERS = 64  # may be kept, so that sweeping costs nothing


def _nothing(*_: object) -> None:
    """Nobody asked to be told."""


class WorkQueue(Generic[K]):
    """Rate limiting as client-go's: per key `base_delay` doubling to `max_delay` seconds, and, where `retries_per_second` is
    given, so many of all keys after the first hundred."""

    def __init__(
        self,
        clock: Clock,
        *,
        base_delay: float = 0.005,
        max_delay: float = 1000.0,
        retries_per_second: float | None = None,
    ) -> None:
        self._clock, self._rate = clock, retries_per_second
        self._base, self._max = base_delay, max_delay
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._ready_since: dict[K, float] = {}
        self._active_since: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._tokens, self._tokens_at = RETRIES_AT_ONCE, clock.monotonic()
        self._wake = asyncio.Event()
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []  # entries that no longer say what `_due` says are void
        self._order = itertools.count()
        self._timer: tuple[float, asyncio.Task[None]] | None = None
        self.on_ready: Callable[[], None] = _nothing  # called when a key may be taken
        self.on_due: Callable[[K], None] = _nothing  # called when the time of a delayed key has come
        self.adds = self.retries = 0
        self.waits, self.work = Histogram(SECONDS), Histogram(SECONDS)

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self.adds += 1
        self._dirty.add(key)
        if key not in self._active_since:
            self._make_ready(key)

    def _make_ready(self, key: K) -> None:
        self._ready.append(key)
        self._ready_since[key] = self._clock.monotonic()
        self._wake.set()
        self.on_ready()

    def add_after(self, key: K, seconds: float) -> None:
        """Add later; of several waiting times for one key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._timers, (due, next(self._order), key))
        if len(self._timers) > 2 * len(self._due) + VOID_TIMERS:
            self._sweep_timers()
        if self._timer is None or due < self._timer[0]:
            self._set_timer(due)

    def _sweep_timers(self) -> None:
        """Without what is void: a key that is looked at often and due in a year would leave one behind each time."""
        self._timers = [entry for entry in self._timers if self._due.get(entry[2]) == entry[0]]
        heapq.heapify(self._timers)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer[1].cancel()
        self._timer = (due, asyncio.ensure_future(self._ring(due)))

    async def _ring(self, due: float) -> None:
        """One timer for all keys: it waits for the earliest, adds what is due, and is set again if there is more."""
        await self._clock.sleep(due - self._clock.monotonic())
        self._timer = None
        now = max(due, self._clock.monotonic())
        while self._timers and self._timers[0][0] <= now:
            when, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == when:
                del self._due[key]
                self.on_due(key)
                self.add(key)
        if self._timers:
            self._set_timer(self._timers[0][0])

    def drop_delay(self, key: K) -> None:
        """The key need not come back at the time that was set: it is being looked at now."""
        self._due.pop(key, None)

    def add_rate_limited(
        self, key: K, *, is_expected: bool = False, at_least: float = 0.0, at_most: float = math.inf
    ) -> float:
        """Add after this key's back-off, and lengthen it; returns the seconds. What `is_expected` (a conflict) takes nothing
        from what all keys share; `at_least` is what the server asked for, `at_most` how long this key's back-off may be."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.retries += 1
        delay = max(at_least, min(self._base * 2 ** min(failures, 60), self._max, at_most))
        if self._rate is not None and not is_expected:
            delay = max(delay, self._overall_delay(self._rate))
        self.add_after(key, delay)
        return delay

    def _overall_delay(self, rate: float) -> float:
        now = self._clock.monotonic()
        self._tokens = min(RETRIES_AT_ONCE, self._tokens + (now - self._tokens_at) * rate) - 1
        self._tokens_at = now
        return max(0.0, -self._tokens / rate)

    def failures(self, key: K) -> int:
        """How often in a row the key came back."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key succeeded: its back-off starts over."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; call `done(key)` afterwards."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        return self.take()

    def take(self) -> K:
        """The next key, of which there must be one; call `done(key)` afterwards."""
        key = self._ready.popleft()
        self._dirty.discard(key)
        now = self._clock.monotonic()
        self._active_since[key] = now
        self.waits.observe(now - self._ready_since.pop(key))
        return key

    def done(self, key: K) -> None:
        begun = self._active_since.pop(key, None)
        if begun is not None:
            self.work.observe(self._clock.monotonic() - begun)
        if key in self._dirty:
            self._make_ready(key)

    def unfinished(self) -> list[float]:
        """For how many seconds each key that is being worked on has been."""
        now = self._clock.monotonic()
        return [now - begun for begun in self._active_since.values()]

    def close(self) -> None:
        """End the timer. Nothing is forgotten: what was to come later is ready for whoever goes on with the queue."""
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None
        due = list(self._due)
        self._due.clear()
        self._timers.clear()
        for key in due:
            self.on_due(key)
            self.add(key)
