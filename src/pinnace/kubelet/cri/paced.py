"""A CRI client that lets only a few pods start at a time, so that the first of many runs early instead of all of them late.

Starting a pod keeps a core busy for a tenth of a second (shim, runc, CNI plugins). Twenty at once end together, after two seconds;
a few at a time end one after the other in the same two seconds. What a begun pod still needs goes before what begins another.
A call that takes long is not busy but waiting (a CNI plugin for its lock, say): it lends its turn to the next.
"""

import asyncio
import heapq
import os
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

from pinnace.component.clock import Clock
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.runtime import Config

PATIENCE_SECONDS = 2.0
T = TypeVar("T")

GO_ON, BEGIN = 0, 1  # the lower goes first


class Turns:
    """At most `slots` pieces of work at a time; among those that wait the lowest rank, then the longest waiting, is next."""

    def __init__(self, clock: Clock, slots: int, patience: float = PATIENCE_SECONDS) -> None:
        self._clock, self._free, self._patience = clock, slots, patience
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    async def run(self, work: Coroutine[Any, Any, T], rank: int) -> T:
        try:
            await self._take(rank)
        except asyncio.CancelledError:
            work.close()
            raise
        task = asyncio.ensure_future(work)
        try:
            return await self._clock.wait_for(asyncio.shield(task), self._patience)
        except TimeoutError:
            pass  # the turn, or the call itself: then awaiting it says so
        except BaseException:
            task.cancel()
            raise
        finally:
            self._give_back()
        return await task

    async def _take(self, rank: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class PacedCriClient(CriClient):
    def __init__(self, endpoint: str, clock: Clock) -> None:
        super().__init__(endpoint, clock)
        self._turns = Turns(clock, (os.cpu_count() or 1) + 1)

    async def run_sandbox(self, config: Config, handler: str = "") -> str:
        return await self._turns.run(super().run_sandbox(config, handler), BEGIN)

    async def create_container(self, sandbox_id: str, config: Config, sandbox_config: Config) -> str:
        creating = super().create_container(sandbox_id, config, sandbox_config)
        return await self._turns.run(creating, GO_ON)

    async def start_container(self, container_id: str) -> None:
        await self._turns.run(super().start_container(container_id), GO_ON)
