"""The one clock: every wait, timeout, back-off and timestamp of Pinnace goes through a `Clock`.

`RealClock` is the only module of the code base that may ask the operating system for the time.
Tests use `pinnace.testing.fake_clock.FakeClock`, where an hour passes in a millisecond.
"""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from pinnace.component.limits import SharedLimits

T = TypeVar("T")


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall time, timezone-aware, in UTC: for timestamps in objects."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back: for durations."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock; 0 only yields to other tasks."""

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        """Await with a limit of `seconds` of this clock; raises TimeoutError and cancels what was awaited."""


class RealClock:
    """The operating system's time and asyncio's timers."""

    def __init__(self) -> None:
        self._limits = SharedLimits()

    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # asked several times per request

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        queue = self._limits.of(seconds)
        if queue is not None:
            return await queue.wait_for(awaitable)
        async with asyncio.timeout(seconds):
            return await awaitable
