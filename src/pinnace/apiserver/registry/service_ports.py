"""Node ports: every port that is taken is a key of the store, whose creation is the lock, so that several API servers agree.

What this process knows of the keys is only a hint for the search; when it says that nothing is left, the keys are read again.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import timedelta

import orjson

from pinnace.apimachinery.times import format_time, parse_time
from pinnace.apiserver.registry.allocator import Full, positions, static_ports
from pinnace.component.clock import Clock
from pinnace.store.backend import (
    Backend,
    KeyExists,
    KeyNotFound,
    KeyValue,
    RevisionMismatch,
    StoreError,
    prefix_end,
)

log = logging.getLogger(__name__)

PREFIX = "/registry/ranges/servicenodeports/"
GRACE = timedelta(seconds=60)  # as for addresses
Owner = tuple[str, str]


class ServicePorts:
    """Methods raise StoreErrors; the registry translates them."""

    def __init__(self, backend: Backend, clock: Clock, first: int, last: int) -> None:
        self._backend, self._clock = backend, clock
        self.first, self.last = first, last
        self._taken: set[int] = set()

    def contains(self, port: int) -> bool:
        return self.first <= port <= self.last

    def is_free(self, port: int) -> bool:
        return port not in self._taken

    async def _stored(self) -> list[KeyValue]:
        return (await self._backend.range(PREFIX, prefix_end(PREFIX))).kvs

    async def refresh(self) -> list[KeyValue]:
        kvs = await self._stored()
        self._taken = {int(kv.key[len(PREFIX) :]) for kv in kvs}
        return kvs

    async def take(self, port: int, owner: Owner) -> bool:
        """False when somebody has it."""
        made = format_time(self._clock.now())
        value = orjson.dumps({"namespace": owner[0], "name": owner[1], "since": made})
        self._taken.add(port)  # nobody here tries the same one meanwhile
        try:
            await self._backend.create(f"{PREFIX}{port}", value)
        except KeyExists:
            return False
        except StoreError:
            self._taken.discard(port)
            raise
        return True

    async def take_next(self, owner: Owner, *, dry_run: bool = False) -> int:
        """Raises Full."""
        for _ in range(2):
            size = self.last - self.first + 1
            for position in positions(size, static_ports(size)):
                port = self.first + position
                if port not in self._taken and (dry_run or await self.take(port, owner)):
                    return port
            await self.refresh()
        raise Full

    async def release(self, ports: Iterable[int], owner: Owner) -> None:
        for port in ports:
            try:
                await self._release(port, owner)
            except StoreError as error:  # the next start's repair finds it
                log.warning("node port %d of service %s/%s was not given back: %s", port, *owner, error)

    async def _release(self, port: int, owner: Owner) -> None:
        held = await self._backend.get(f"{PREFIX}{port}")
        if held is not None:
            if _owner_of(held) != owner:
                return
            try:
                await self._backend.delete(held.key, held.mod_revision)
            except (KeyNotFound, RevisionMismatch):
                return
        self._taken.discard(port)

    async def repair(self, used: dict[int, Owner]) -> None:
        """`used`: every port of a stored service. What is missing is made, what nobody has is given back."""
        kvs = await self.refresh()
        missing = [port for port in used if port not in self._taken]
        await asyncio.gather(*(self.take(port, used[port]) for port in missing))
        now = self._clock.now()
        for kv in kvs:
            port = int(kv.key[len(PREFIX) :])
            if port not in used and parse_time(orjson.loads(kv.value)["since"]) + GRACE < now:
                await self.release([port], _owner_of(kv))


def _owner_of(kv: KeyValue) -> Owner:
    value = orjson.loads(kv.value)
    return value["namespace"], value["name"]
