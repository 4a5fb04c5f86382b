"""Services: virtual addresses and node ports, taken with the write that needs them.

Where they are kept: `service_addresses.py`, `service_ports.py`. Words of the errors as upstream's:
https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/service/storage/alloc.go
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pinnace.api import fields
from pinnace.api.core import services
from pinnace.apimachinery import errors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.registry import service_families
from pinnace.apiserver.registry.allocator import Full
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry, Transform
from pinnace.apiserver.registry.service_addresses import ServiceAddresses
from pinnace.apiserver.registry.service_claims import Claims
from pinnace.apiserver.registry.service_ports import ServicePorts
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome
from pinnace.apiserver.storage.translation import api_errors

Object = dict[str, Any]


def addresses_of(service: Object) -> set[str]:
    if not services.needs_cluster_ip(service):
        return set()
    return {ip for ip in services.cluster_ips(service) if ip and ip != services.HEADLESS}


def ports_of(service: Object) -> set[int]:
    given = set(services.node_ports(service))
    health = service["spec"].get("healthCheckNodePort")
    return given | {health} if health else given


class ServiceRegistry(Registry):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        config = self.shared.config
        self._addresses = ServiceAddresses(self.shared)
        self._ports = ServicePorts(
            self.shared.storages.backend, self.shared.clock, *config.service_node_port_range
        )
        networks = map(ipaddress.ip_network, config.service_cidrs)
        self._families = [f"IPv{network.version}" for network in networks]
        self._is_loaded, self._loading = False, asyncio.Lock()

    async def _load(self) -> None:
        """At the first write: what an earlier server left half done is put right."""
        if self._is_loaded:
            return
        async with self._loading:
            if self._is_loaded:
                return
            stored = [item.obj for item in (await self.storage.list()).items]
            owners = [(obj, (obj["metadata"]["namespace"], obj["metadata"]["name"])) for obj in stored]
            await self._addresses.load()
            await self._addresses.repair({ip: owner for obj, owner in owners for ip in addresses_of(obj)})
            with api_errors(self.row.gvr):
                await self._ports.repair({port: owner for obj, owner in owners for port in ports_of(obj)})
            self._is_loaded = True

    def _claims(self, name: str, namespace: str, ctx: WriteContext) -> Claims:
        return Claims(self._addresses, self._ports, (namespace, name), dry_run=ctx.dry_run)

    def reserving(self, new: Object, ctx: WriteContext) -> AbstractAsyncContextManager[None]:
        return self._reserving(new, ctx)

    @asynccontextmanager
    async def _reserving(self, new: Object, ctx: WriteContext) -> AsyncIterator[None]:
        await self._load()
        claims = self._claims(new["metadata"]["name"], new["metadata"]["namespace"], ctx)
        try:
            await self._fill(new, None, claims)
            yield
        except BaseException:
            await claims.give_back()
            raise

    async def _write(self, name: str, namespace: str, transform: Transform, ctx: WriteContext) -> Item:
        """Each attempt of an update or delete takes what it needs anew; what the service no longer has goes back."""
        await self._load()
        attempt = _Attempt(self._claims(name, namespace, ctx))

        async def allocating(item: Item) -> Object | Outcome:
            await attempt.claims.give_back()
            attempt.claims = self._claims(name, namespace, ctx)
            attempt.before, attempt.wanted = item.obj, await transform(item)
            if isinstance(attempt.wanted, dict):
                await self._fill(attempt.wanted, item.obj, attempt.claims)
            return attempt.wanted

        try:
            item = await super()._write(name, namespace, allocating, ctx)
        except BaseException:
            await attempt.claims.give_back()
            raise
        if not ctx.dry_run:
            await attempt.claims.release(*attempt.given_up())
        return item

    async def _fill(self, new: Object, old: Object | None, claims: Claims) -> None:
        if services.needs_cluster_ip(new):
            before = old if old is not None and services.needs_cluster_ip(old) else None
            if found := service_families.settle(new, before, self._families):
                raise errors.invalid("Service", new["metadata"].get("name", ""), found)
            if not services.is_headless(new):
                await self._fill_addresses(new, addresses_of(old) if old else set(), claims)
        await self._fill_ports(new, ports_of(old) if old else set(), claims)

    async def _fill_addresses(self, new: Object, had: set[str], claims: Claims) -> None:
        """One address for each family, those that the user chose first."""
        spec = new["spec"]
        given = [ip for ip in services.cluster_ips(new) if ip]
        for wanted in given:
            if wanted not in had:
                await self._take_address(new, wanted, claims)
        for family in spec["ipFamilies"][len(given) :]:
            try:
                given.append(await claims.next_address(int(family[-1])))
            except Full:
                raise errors.InternalError(
                    "Internal error occurred: failed to allocate a serviceIP: range is full"
                ) from None
        spec["clusterIP"], spec["clusterIPs"] = given[0], given

    async def _take_address(self, new: Object, wanted: str, claims: Claims) -> None:
        try:
            address = ipaddress.ip_address(wanted)
        except ValueError:
            raise self._invalid(new, "spec.clusterIPs", [wanted], "must be a valid IP") from None
        failed = f"failed to allocate IP {wanted}"
        if not self._addresses.is_in_range(address):
            ranges = ", ".join(map(str, self._addresses.ranges(address.version)))
            why = (
                f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {ranges}"
                if ranges
                else "the provided network does not match the current range"
            )
            raise self._invalid(new, "spec.clusterIPs", [wanted], f"{failed}: {why}")
        if not await claims.address(address):
            raise self._invalid(
                new, "spec.clusterIPs", [wanted], f"{failed}: provided IP is already allocated"
            )

    async def _fill_ports(self, new: Object, had: set[int], claims: Claims) -> None:
        """Ports of one number but different protocols share one node port."""
        if services.needs_node_port(new):
            taken: set[tuple[int, str]] = set()
            mine = set(had)
            for position, port in enumerate(services.ports(new)):
                path = f"spec.ports[{position}].nodePort"
                wanted = port.get("nodePort") or self._shared_port(new, position)
                if not wanted:
                    wanted = await self._next_port(claims)
                elif wanted not in mine:
                    await self._take_port(new, path, wanted, claims)
                mine.add(wanted)
                key = (wanted, port.get("protocol", "TCP"))
                if key in taken:
                    raise self._invalid(new, path, wanted, "provided port is already allocated")
                taken.add(key)
                port["nodePort"] = wanted
        await self._fill_health_port(new, had, claims)

    def _shared_port(self, new: Object, position: int) -> int:
        """The node port that an earlier entry with the same port but another protocol has."""
        own = services.ports(new)[position]
        for earlier in services.ports(new)[:position]:
            if earlier["port"] == own["port"] and earlier.get("protocol") != own.get("protocol"):
                return int(earlier.get("nodePort") or 0)
        return 0

    async def _fill_health_port(self, new: Object, had: set[int], claims: Claims) -> None:
        spec = new["spec"]
        if spec["type"] != services.LOAD_BALANCER or spec.get("externalTrafficPolicy") != "Local":
            return
        wanted = spec.get("healthCheckNodePort")
        if not wanted:
            spec["healthCheckNodePort"] = await self._next_port(claims)
        elif wanted not in had:
            await self._take_port(new, "spec.healthCheckNodePort", wanted, claims)

    async def _next_port(self, claims: Claims) -> int:
        try:
            return await claims.next_port()
        except Full:
            raise errors.InternalError(
                "Internal error occurred: failed to allocate a nodePort: range is full"
            ) from None

    async def _take_port(self, new: Object, path: str, wanted: int, claims: Claims) -> None:
        if not self._ports.contains(wanted):
            valid = f"The range of valid ports is {self._ports.first}-{self._ports.last}"
            raise self._invalid(new, path, wanted, f"provided port is not in the valid range. {valid}")
        if not await claims.port(wanted):
            raise self._invalid(new, path, wanted, "provided port is already allocated")

    def _invalid(self, new: Object, path: str, value: Any, why: str) -> errors.Invalid:
        cause: Cause = fields.invalid(path, value, why)
        return errors.invalid("Service", new["metadata"].get("name", ""), [cause])


@dataclass(slots=True)
class _Attempt:
    claims: Claims
    before: Object = field(default_factory=dict)
    wanted: Object | Outcome = Outcome.KEEP

    def given_up(self) -> tuple[set[str], set[int]]:
        """Addresses and ports that the service had and has no more."""
        if self.wanted is Outcome.KEEP:
            return set(), set()
        before = addresses_of(self.before), ports_of(self.before)
        if not isinstance(self.wanted, dict):
            return before
        return before[0] - addresses_of(self.wanted), before[1] - ports_of(self.wanted)
