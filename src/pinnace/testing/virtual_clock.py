"""A clock whose time passes by itself, in jumps, whenever nothing can run any more."""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pinnace.testing.fake_clock import FakeClock

BUSY = 200_000  # turns of the loop without a pause: something polls


class CountedThreads(ThreadPoolExecutor):
    """Threads whose unfinished work can be counted, so that time stands still until they are done."""

    def __init__(self) -> None:
        super().__init__(4, thread_name_prefix="virtual-clock")
        self.pending = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.pending += 1  # on the event loop's thread, as `_finished`
        loop = asyncio.get_running_loop()
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finished))
        return future

    def _finished(self) -> None:
        self.pending -= 1


class VirtualClock(FakeClock):
    """Implements `Clock`. `settle` knows when the event loop has nothing left to do; work in the loop's threads counts."""

    def use_threads(self) -> None:
        """Count the work that this loop gives to threads from now on."""
        self._threads = CountedThreads()
        asyncio.get_running_loop().set_default_executor(self._threads)

    async def settle(self, rounds: int = BUSY) -> None:
        loop = asyncio.get_running_loop()
        ready = getattr(loop, "_ready", None)
        if ready is None:  # uvloop does not tell
            await super().settle(200)
            return
        quiet = 0
        for _ in range(rounds):
            await asyncio.sleep(0)
            if ready:
                quiet = 0
                continue
            quiet += 1  # the turn after a quiet one has asked the operating system for news
            if quiet > 1:
                threads = getattr(self, "_threads", None)
                if threads is None or not threads.pending:
                    return
                await asyncio.sleep(0.001)
        raise AssertionError(f"after {rounds} turns of the event loop there is still something that runs")

    def next_due(self) -> float | None:
        """When the next timer fires, in seconds of `monotonic`."""
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None
