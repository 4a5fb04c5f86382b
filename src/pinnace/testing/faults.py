"""Clients that go wrong on purpose, for tests of what must stand it: answers that fail or get lost, stale caches, sudden death.

faulty = FaultyClient(client, clock, Faults(seed=1, rate=0.2))     # every fifth call goes wrong, until `faulty.end()`
mortal = MortalClient(client, dies_at=7)                           # the process dies at its seventh contact with the API
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import ActsFor, Client, Object, WatchEvent
from pinnace.component.clock import Clock

GUARDED = ("update", "patch", "delete")


class PassingClient:
    """Hands everything on; what a subclass puts around `_call` and `_events` goes for every verb."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def acting_as(self, user: str, groups: tuple[str, ...]) -> Client:
        client = self._client
        return _Acting(client.acting_as(user, groups), self) if isinstance(client, ActsFor) else self

    async def _call(self, verb: str, gvr: GVR | None, call: Callable[[], Awaitable[Any]]) -> Any:
        return await call()

    async def _events(self, events: AsyncGenerator[WatchEvent, None]) -> AsyncGenerator[WatchEvent, None]:
        async for event in events:
            yield event

    async def get(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call("get", gvr, lambda: self._client.get(gvr, *args, **named))

    async def list(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call("list", gvr, lambda: self._client.list(gvr, *args, **named))

    async def watch(self, gvr: GVR, *args: Any, **named: Any) -> AsyncGenerator[WatchEvent, None]:
        inner = self._client.watch(gvr, *args, **named)
        outer = self._events(inner)
        try:
            async for event in outer:
                yield event
        finally:
            await outer.aclose()
            await inner.aclose()

    async def create(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call("create", gvr, lambda: self._client.create(gvr, *args, **named))

    async def update(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call("update", gvr, lambda: self._client.update(gvr, *args, **named))

    async def patch(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call("patch", gvr, lambda: self._client.patch(gvr, *args, **named))

    async def delete(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call("delete", gvr, lambda: self._client.delete(gvr, *args, **named))

    async def delete_collection(self, gvr: GVR, *args: Any, **named: Any) -> Object:
        return await self._call(
            "delete_collection", gvr, lambda: self._client.delete_collection(gvr, *args, **named)
        )

    async def raw(self, method: str, path: str, **named: Any) -> Any:
        return await self._call("raw", None, lambda: self._client.raw(method, path, **named))

    async def close(self) -> None:
        await self._client.close()


class _Acting(PassingClient):
    """Somebody else's rights, and the same fate."""

    def __init__(self, client: Client, fate: PassingClient) -> None:
        super().__init__(client)
        self._fate = fate

    async def _call(self, verb: str, gvr: GVR | None, call: Callable[[], Awaitable[Any]]) -> Any:
        return await self._fate._call(verb, gvr, call)

    async def _events(self, events: AsyncGenerator[WatchEvent, None]) -> AsyncGenerator[WatchEvent, None]:
        async for event in self._fate._events(events):
            yield event


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """`rate` is the part of calls that goes wrong, `watch_delay` up to how many seconds an event comes late, `watch_rate` the
    part of events after which the watch breaks."""

    seed: int = 0
    rate: float = 0.0
    kinds: tuple[str, ...] = (
        "conflict", "too many", "internal", "timeout", "lost connection", "timeout after", "lost connection after",
    )  # fmt: skip
    watch_delay: float = 0.0
    watch_rate: float = 0.0


class FaultyClient(PassingClient):
    """`happened` counts what went wrong, by kind. The same seed makes the same choices as long as calls come in the same order."""

    def __init__(self, client: Client, clock: Clock, faults: Faults) -> None:
        super().__init__(client)
        self._clock, self._faults, self._chance = clock, faults, random.Random(faults.seed)
        self._is_over = False
        self.happened: Counter[str] = Counter()

    def end(self) -> None:
        """From now on nothing goes wrong any more."""
        self._is_over = True

    def _hits(self, rate: float) -> bool:
        return not self._is_over and self._chance.random() < rate

    async def _call(self, verb: str, gvr: GVR | None, call: Callable[[], Awaitable[Any]]) -> Any:
        if gvr is None or not self._hits(self._faults.rate):
            return await call()
        kind = self._chance.choice(self._faults.kinds)
        if kind == "conflict" and verb not in GUARDED:
            kind = "internal"
        self.happened[kind] += 1
        if kind.endswith("after"):
            await call()
        await self._clock.sleep(self._chance.choice((0.0, 0.01, 1.0)))
        raise _error(kind, gvr)

    async def _events(self, events: AsyncGenerator[WatchEvent, None]) -> AsyncGenerator[WatchEvent, None]:
        async for event in events:
            if self._faults.watch_delay and not self._is_over:
                self.happened["late event"] += 1
                await self._clock.sleep(self._chance.uniform(0, self._faults.watch_delay))
            if self._hits(self._faults.watch_rate):
                self.happened["broken watch"] += 1
                raise self._chance.choice(
                    (errors.Expired("too old resource version"), ConnectionResetError("connection reset"))
                )
            yield event


def _error(kind: str, gvr: GVR) -> Exception:
    match kind.removesuffix(" after"):
        case "conflict":
            return errors.conflict(gvr.resource, "x", errors.OBJECT_MODIFIED, gvr.group)
        case "too many":
            return errors.TooManyRequests("too many requests, please try again later", retry_after_seconds=1)
        case "internal":
            return errors.InternalError("an error on the server has prevented the request from succeeding")
        case "timeout":
            return TimeoutError()
        case _:
            return ConnectionResetError("connection reset by peer")


class MortalClient(PassingClient):
    """Dies at contact number `dies_at` (from 1; 0: never): the call does not return, nor does any other afterwards.

    Each call has two contacts, before it is sent and after it was done, and each event of a watch one. `died` is set then; the
    test cancels what used this client, and starts it anew. `contacts` are those of a whole life.
    """

    def __init__(self, client: Client, dies_at: int = 0) -> None:
        super().__init__(client)
        self._dies_at, self.contacts = dies_at, 0
        self.died = asyncio.Event()
        self.last_words = ""  # what it was about to do, or had done

    async def _contact(self, words: str) -> None:
        self.contacts += 1
        if self.contacts == self._dies_at:
            self.last_words = words
            self.died.set()
        if self.died.is_set():
            await asyncio.Event().wait()

    async def _call(self, verb: str, gvr: GVR | None, call: Callable[[], Awaitable[Any]]) -> Any:
        words = f"{verb} {gvr.resource if gvr else ''}"
        await self._contact(f"before {words}")
        answer = await call()
        await self._contact(f"after {words}")
        return answer

    async def _events(self, events: AsyncGenerator[WatchEvent, None]) -> AsyncGenerator[WatchEvent, None]:
        async for event in events:
            await self._contact(f"event {event.type} {event.object.get('kind')}")
            yield event
