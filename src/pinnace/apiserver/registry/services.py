"""Services: virtual addresses and node ports, taken from their pools with the write that needs them.

One IP family per server. Pools are rebuilt from the stored services at first use. Words of the errors as upstream's:
https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/service/storage/alloc.go
"""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pinnace.api.core import services
from pinnace.apimachinery import errors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.registry.allocator import AddressPool, Full, PortPool, Reservation, release
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry, Transform
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome

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
        self._addresses, self._ports = (
            AddressPool(config.service_cidr),
            PortPool(*config.service_node_port_range),
        )
        self._is_loaded = False

    async def _load(self) -> None:
        """Take what the stored services have; a value that two services share stays taken until both are gone from the next start."""
        if self._is_loaded:
            return
        stored = await self.storage.list()
        if self._is_loaded:
            return
        for item in stored.items:
            for address in addresses_of(item.obj):
                if self._addresses.contains(address):
                    self._addresses.take(address)
            for port in ports_of(item.obj):
                if self._ports.contains(port):
                    self._ports.take(port)
        self._is_loaded = True

    def reserving(self, new: Object, ctx: WriteContext) -> AbstractAsyncContextManager[None]:
        return self._reserving(new, ctx)

    @asynccontextmanager
    async def _reserving(self, new: Object, ctx: WriteContext) -> AsyncIterator[None]:
        await self._load()
        reservation = Reservation(self._addresses, self._ports)
        try:
            self._fill(new, None, reservation)
            yield
        except BaseException:
            reservation.give_back()
            raise
        if ctx.dry_run:
            reservation.give_back()

    async def _write(self, name: str, namespace: str, transform: Transform, ctx: WriteContext) -> Item:
        """Each attempt of an update or delete takes what it needs anew; what the service no longer has goes back."""
        await self._load()
        attempt = _Attempt(Reservation(self._addresses, self._ports))

        async def allocating(item: Item) -> Object | Outcome:
            attempt.reservation.give_back()
            attempt.reservation = Reservation(self._addresses, self._ports)
            attempt.before, attempt.wanted = item.obj, await transform(item)
            if isinstance(attempt.wanted, dict):
                self._fill(attempt.wanted, item.obj, attempt.reservation)
            return attempt.wanted

        try:
            item = await super()._write(name, namespace, allocating, ctx)
        except BaseException:
            attempt.reservation.give_back()
            raise
        if ctx.dry_run:
            attempt.reservation.give_back()
        else:
            addresses, ports = attempt.given_up()
            release(self._addresses, self._ports, addresses, ports)
        return item

    def _fill(self, new: Object, old: Object | None, reservation: Reservation) -> None:
        if services.needs_cluster_ip(new):
            self._fill_families(new)
            if not services.is_headless(new):
                self._fill_address(new, addresses_of(old) if old else set(), reservation)
        self._fill_ports(new, ports_of(old) if old else set(), reservation)

    def _fill_families(self, new: Object) -> None:
        spec = new["spec"]
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        if spec["ipFamilyPolicy"] == "RequireDualStack":
            message = "this cluster is not configured for dual-stack services"
            raise self._invalid(new, "spec.ipFamilyPolicy", f'Invalid value: "RequireDualStack": {message}')
        families = spec.setdefault("ipFamilies", [self._addresses.family])
        if families[0] != self._addresses.family:
            message = f'Invalid value: "{families[0]}": not configured on this cluster'
            raise self._invalid(new, "spec.ipFamilies[0]", message)

    def _fill_address(self, new: Object, had: set[str], reservation: Reservation) -> None:
        spec = new["spec"]
        wanted = (services.cluster_ips(new) or [""])[0]
        if not wanted:
            spec["clusterIP"] = self._next_address(new, reservation)
            spec["clusterIPs"] = [spec["clusterIP"]]
            return
        if wanted in had:
            return
        path = "spec.clusterIPs"
        try:
            inside = self._addresses.contains(wanted)
        except ValueError:
            raise self._invalid(new, path, f'Invalid value: ["{wanted}"]: must be a valid IP') from None
        shown = f'Invalid value: ["{wanted}"]: failed to allocate IP {wanted}'
        if not inside:
            network = self._addresses.network
            raise self._invalid(new, path, f"{shown}: the provided network does not match the current range: {network}"
                                if _is_other_family(wanted, network.version)
                                else f"{shown}: the provided IP ({wanted}) is not in the valid range. "
                                     f"The range of valid IPs is {network}")  # fmt: skip
        if not reservation.address(wanted):
            raise self._invalid(new, path, f"{shown}: provided IP is already allocated")
        spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]

    def _next_address(self, new: Object, reservation: Reservation) -> str:
        try:
            return reservation.next_address()
        except Full:
            raise errors.InternalError(
                "Internal error occurred: failed to allocate a serviceIP: range is full"
            ) from None

    def _fill_ports(self, new: Object, had: set[int], reservation: Reservation) -> None:
        """Ports of one number but different protocols share one node port."""
        if services.needs_node_port(new):
            taken: dict[tuple[int, str], None] = {}
            mine = set(had)
            for position, port in enumerate(services.ports(new)):
                field = f"spec.ports[{position}].nodePort"
                wanted = port.get("nodePort") or self._shared_port(new, position)
                if not wanted:
                    wanted = self._next_port(new, field, reservation)
                elif wanted not in mine:
                    self._take_port(new, field, wanted, reservation)
                mine.add(wanted)
                key = (wanted, port.get("protocol", "TCP"))
                if key in taken:
                    raise self._invalid(
                        new, field, f"Invalid value: {wanted}: provided port is already allocated"
                    )
                taken[key] = None
                port["nodePort"] = wanted
        self._fill_health_port(new, had, reservation)

    def _shared_port(self, new: Object, position: int) -> int:
        """The node port that an earlier entry with the same port but another protocol has."""
        own = services.ports(new)[position]
        for earlier in services.ports(new)[:position]:
            if earlier["port"] == own["port"] and earlier.get("protocol") != own.get("protocol"):
                return int(earlier.get("nodePort") or 0)
        return 0

    def _fill_health_port(self, new: Object, had: set[int], reservation: Reservation) -> None:
        spec = new["spec"]
        if spec["type"] != services.LOAD_BALANCER or spec.get("externalTrafficPolicy") != "Local":
            return
        wanted, field = spec.get("healthCheckNodePort"), "spec.healthCheckNodePort"
        if not wanted:
            spec["healthCheckNodePort"] = self._next_port(new, field, reservation)
        elif wanted not in had:
            self._take_port(new, field, wanted, reservation)

    def _next_port(self, new: Object, field: str, reservation: Reservation) -> int:
        try:
            return reservation.next_port()
        except Full:
            raise errors.InternalError(
                "Internal error occurred: failed to allocate a nodePort: range is full"
            ) from None

    def _take_port(self, new: Object, field: str, wanted: int, reservation: Reservation) -> None:
        if not self._ports.contains(wanted):
            message = f"provided port is not in the valid range. The range of valid ports is {self._ports.first}-{self._ports.last}"
            raise self._invalid(new, field, f"Invalid value: {wanted}: {message}")
        if not reservation.port(wanted):
            raise self._invalid(new, field, f"Invalid value: {wanted}: provided port is already allocated")

    def _invalid(self, new: Object, field: str, message: str) -> errors.Invalid:
        return errors.invalid(
            "Service", new["metadata"].get("name", ""), [Cause("FieldValueInvalid", message, field)]
        )


@dataclass(slots=True)
class _Attempt:
    reservation: Reservation
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


def _is_other_family(address: str, version: int) -> bool:
    return ipaddress.ip_address(address).version != version
