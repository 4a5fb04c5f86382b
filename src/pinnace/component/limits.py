"""Time limits that many waits share: one timer for all waits of one length, because they end in the order in which they began.

A request has a limit of a minute and takes a millisecond; a timer of its own would be a good part of that.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

SHARED_FROM = 5.0  # seconds; shorter limits are reached more often than not worth a queue
MOST_LENGTHS = 16


class _Wait:
    __slots__ = ("before", "end", "expired", "task")

    def __init__(self, task: "asyncio.Task[object]", end: float) -> None:
        self.task, self.end, self.before, self.expired = task, end, task.cancelling(), False


class Limit:
    """All waits of `seconds` in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop, self._seconds = loop, seconds
        self._waits: dict[_Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_unused(self) -> bool:
        return self._timer is None

    async def wait_for(self, awaitable: Awaitable[T]) -> T:
        """As `asyncio.timeout` around it."""
        task = asyncio.current_task()
        assert task is not None
        wait = _Wait(task, self._loop.time() + self._seconds)
        self._waits[wait] = None
        if self._timer is None:
            self._timer = self._loop.call_at(wait.end, self._expire)
        try:
            return await awaitable
        except asyncio.CancelledError as cancelled:
            if wait.expired and task.uncancel() <= wait.before:
                wait.expired = False
                raise TimeoutError from cancelled
            wait.expired = False
            raise
        finally:
            self._waits.pop(wait, None)
            if wait.expired:  # it ended in the moment of being cancelled
                task.uncancel()

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._waits:
            first = next(iter(self._waits))
            if first.end > now:
                self._timer = self._loop.call_at(first.end, self._expire)
                return
            del self._waits[first]
            first.expired = True
            first.task.cancel()


class SharedLimits:
    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limits: dict[float, Limit] = {}

    def of(self, seconds: float) -> Limit | None:
        """None for what is better off with a timer of its own."""
        if seconds < SHARED_FROM:
            return None
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._limits = loop, {}
        found = self._limits.get(seconds)
        if found is None:
            if len(self._limits) >= MOST_LENGTHS:
                self._limits = {length: one for length, one in self._limits.items() if not one.is_unused}
                if len(self._limits) >= MOST_LENGTHS:
                    return None
            found = self._limits[seconds] = Limit(loop, seconds)
        return found
