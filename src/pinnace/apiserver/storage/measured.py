"""The store as one resource's storage uses it, each call counted and timed. What is not a call to the store costs nothing more."""

from collections.abc import Awaitable
from typing import TypeVar

from pinnace.component.clock import Clock
from pinnace.component.metrics import Histogram
from pinnace.store.backend import Backend, KeyValue, RangeResult, StoreUnavailable

T = TypeVar("T")
SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)  # fmt: skip


class Operation:
    __slots__ = ("durations", "failures")

    def __init__(self) -> None:
        self.durations, self.failures = Histogram(SECONDS), 0


class MeasuredBackend:
    """Implements `pinnace.store.backend.Backend` over another one. A refused write (the key was there, or has changed) is no failure."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend, self._clock = backend, clock
        self.operations: dict[str, Operation] = {}
        self.open, self.close, self.revision = backend.open, backend.close, backend.revision
        self.subscribe, self.compact = backend.subscribe, backend.compact

    async def get(self, key: str) -> KeyValue | None:
        return await self._timed("get", self._backend.get(key))

    async def range(self, start: str, end: str, *, limit: int = 0, revision: int = 0) -> RangeResult:
        return await self._timed("list", self._backend.range(start, end, limit=limit, revision=revision))

    async def create(self, key: str, value: bytes) -> int:
        return await self._timed("create", self._backend.create(key, value))

    async def update(self, key: str, value: bytes, expected: int) -> int:
        return await self._timed("update", self._backend.update(key, value, expected))

    async def delete(self, key: str, expected: int) -> int:
        return await self._timed("delete", self._backend.delete(key, expected))

    async def _timed(self, name: str, call: Awaitable[T]) -> T:
        operation = self.operations.get(name)
        if operation is None:
            operation = self.operations[name] = Operation()
        begun = self._clock.monotonic()
        try:
            return await call
        except StoreUnavailable:
            operation.failures += 1
            raise
        finally:
            operation.durations.observe(self._clock.monotonic() - begun)
