"""The simulated nodes themselves: who they are, their registration and their heartbeats.

KWOK's users bring Node objects with the annotation `kwok.x-k8s.io/node: fake`: those are adopted, with what their status says.
"""

import asyncio
import logging

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import LEASES, NODES
from pinnace.apimachinery.errors import AlreadyExists, NotFound, StatusError
from pinnace.apimachinery.times import format_micro_time, format_time
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.kubelet.simulated.node_objects import (
    LEASE_NAMESPACE,
    SimulatedNodesConfig,
    adopted_status,
    host_ip,
    internal_ip,
    lease_object,
    node_conditions,
    node_object,
)

log = logging.getLogger(__name__)

TOGETHER = 50  # renewals under way at once: a store that writes to a disk commits them together
ADOPTED_BY = ("kwok.x-k8s.io/node", "fake")  # annotation and value


def asks_for_adoption(node: Object) -> bool:
    key, value = ADOPTED_BY
    return meta.annotations(node).get(key) == value and not meta.is_terminating(node)


class Fleet:
    """`names` are the nodes that are there; a silent one does nothing."""

    def __init__(self, client: Client, clock: Clock, config: SimulatedNodesConfig, count: int) -> None:
        self._client, self._clock, self._config = client, clock, config
        self._ips: dict[str, str] = {}
        self._silent: set[str] = set()
        self._next = 0
        self._numbers: dict[str, int] = {}  # of those that are made here
        for _ in range(count):
            self.take_name()

    @property
    def names(self) -> list[str]:
        return list(self._ips)

    def take_name(self) -> str:
        number, self._next = self._next, self._next + 1
        name = f"{self._config.prefix}{number}"
        self._ips[name], self._numbers[name] = host_ip(number), number
        return name

    def has(self, name: str) -> bool:
        return name in self._ips

    def is_alive(self, name: str) -> bool:
        return name in self._ips and name not in self._silent

    def ip_of(self, name: str) -> str:
        return self._ips.get(name, "")

    def silence(self, name: str) -> None:
        self._silent.add(name)

    def drop(self, name: str) -> None:
        self._ips.pop(name, None)
        self._silent.discard(name)

    async def revive(self, name: str) -> None:
        self._silent.discard(name)
        await self.register(name)

    async def register_all(self) -> None:
        limit = asyncio.Semaphore(self._config.workers)

        async def register(name: str) -> None:
            async with limit:
                await self.register(name)

        async with asyncio.TaskGroup() as tasks:
            for name in self.names:
                tasks.create_task(register(name))

    async def register(self, name: str) -> None:
        now = format_time(self._clock.now())
        conditions: Object = {"status": {"conditions": node_conditions(now)}}
        if name not in self._numbers:
            node = await self._client.patch(NODES, name, conditions, subresource="status")
        else:
            try:
                node = await self._client.create(NODES, node_object(self._numbers[name], self._config, now))
            except AlreadyExists:
                node = await self._client.patch(NODES, name, conditions, subresource="status")
        await self._make_lease(node)

    async def adopt(self, node: Object) -> None:
        """Somebody else's node is simulated from now on."""
        name = meta.name(node)
        if name in self._ips:
            return
        given, self._next = host_ip(self._next), self._next + 1
        status = adopted_status(node, given, self._config, format_time(self._clock.now()))
        self._ips[name] = internal_ip(node) or given
        try:
            answer = await self._client.patch(NODES, name, {"status": status}, subresource="status")
            await self._make_lease(answer)
        except BaseException:
            self.drop(name)
            raise

    async def _make_lease(self, node: Object) -> None:
        lease = lease_object(node, format_micro_time(self._clock.now()))
        try:
            await self._client.create(LEASES, lease, LEASE_NAMESPACE)
        except AlreadyExists:
            await self._renew(meta.name(node))

    async def heartbeat(self) -> None:
        """Renew all leases once per period, evenly spread over it, until cancelled. A slow round does not make the next one late."""
        due_at = self._clock.monotonic()
        while True:
            count = len(self._ips)
            period = self._config.heartbeat_seconds or (10.0 if count <= 200 else 25.0)
            parts = max(1, min(count, int(period)))
            for part in range(parts):
                due_at = max(due_at, self._clock.monotonic() - period) + period / parts
                await self._clock.sleep(due_at - self._clock.monotonic())
                due = [name for name in self.names[part::parts] if name not in self._silent]
                for first in range(0, len(due), TOGETHER):
                    await asyncio.gather(*map(self._renew, due[first : first + TOGETHER]))

    async def _renew(self, name: str) -> None:
        body = {"spec": {"renewTime": format_micro_time(self._clock.now())}}
        try:
            await self._client.patch(LEASES, name, body, LEASE_NAMESPACE)
        except NotFound:
            self.drop(name)
        except (StatusError, OSError, TimeoutError) as error:
            log.warning("simulated node %s: lease not renewed: %s", name, error)
