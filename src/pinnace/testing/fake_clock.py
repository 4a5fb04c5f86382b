"""A clock that moves only when a test says so."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")


class FakeClock:
    """Implements `pinnace.component.clock.Clock`; `await clock.advance(seconds)` fires every timer due on the way, in order."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def set_forward(self, seconds: float) -> None:
        """Somebody sets the machine's clock: `now` jumps (back, if negative), `monotonic` and timers do not notice."""
        self._start += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (self._elapsed + seconds, next(self._order), timer))
        await timer

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        work: asyncio.Future[T] = asyncio.ensure_future(awaitable)
        limit = asyncio.ensure_future(self._expire(work, seconds))
        try:
            return await work
        except asyncio.CancelledError:
            if limit.done() and not limit.cancelled() and limit.result():
                raise TimeoutError from None
            raise
        finally:
            limit.cancel()

    async def _expire(self, work: "asyncio.Future[T]", seconds: float) -> bool:
        await self.sleep(seconds)
        return work.cancel()

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass; tasks woken on the way run before the next timer fires."""
        await self.advance_to(self._elapsed + seconds)

    async def advance_to(self, target: float) -> None:
        """The same until `monotonic` says `target`."""
        await self.settle()
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._elapsed = due
            if not timer.done():
                timer.set_result(None)
            await self.settle()
        self._elapsed = max(self._elapsed, target)
        await self.settle()

    async def settle(self, rounds: int = 25) -> None:
        """Let every task that can run do so."""
        for _ in range(rounds):
            await asyncio.sleep(0)
