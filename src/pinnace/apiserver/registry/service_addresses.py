"""Addresses of services: every address that is taken is an IPAddress object, whose creation is the lock.

So several API servers on one store never give one address twice. Ranges are the ServiceCIDRs that are ready. A server that dies
between the two writes leaves an address without a service: `repair` gives it back, as it makes objects for services that have none.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/service/ipallocator/cidrallocator.go
"""

import ipaddress
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pinnace.api import resources as r
from pinnace.api.networking import ipaddresses, servicecidrs
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import parse_time
from pinnace.apiserver.registry import allocator
from pinnace.apiserver.registry.allocator import Address, Full, Network
from pinnace.apiserver.registry.metadata import fill_on_create
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.object_storage import ObjectStorage

if TYPE_CHECKING:
    from pinnace.apiserver.registry.catalog import Registries

log = logging.getLogger(__name__)

Object = dict[str, Any]
Owner = tuple[str, str]  # namespace and name of a service
GRACE = timedelta(seconds=60)  # for a service whose address is taken already and which is about to be written


class ServiceAddresses:
    def __init__(self, registries: "Registries") -> None:
        self._registries = registries

    @property
    def _addresses(self) -> ObjectStorage:
        return self._registries.of(r.IP_ADDRESSES).storage

    async def load(self) -> None:
        await self._addresses.cache.load()
        await self._registries.of(r.SERVICE_CIDRS).storage.cache.load()

    def _objects(self) -> Iterator[Object]:
        for item in self._registries.of(r.SERVICE_CIDRS).storage.cache.contents:
            yield item.obj

    def ranges(self, version: int) -> list[Network]:
        """Networks of this family from which addresses may be taken."""
        found = [
            n for obj in self._objects() if servicecidrs.is_ready(obj) for n in servicecidrs.networks(obj)
        ]
        return list(dict.fromkeys(network for network in found if network.version == version))

    def is_in_range(self, address: Address) -> bool:
        return any(servicecidrs.holds(network, address) for network in self.ranges(address.version))

    def _is_known(self, address: Address) -> bool:
        return self._addresses.cached(str(address)) is not None

    def is_free(self, address: Address) -> bool:
        """As far as the cache knows: what a dry run answers."""
        return not self._is_known(address)

    async def take(self, address: Address, owner: Owner) -> bool:
        """False when somebody has it."""
        obj = ipaddresses.of_service(address, *owner)
        fill_on_create(obj, self._registries.clock.now())
        try:
            await self._addresses.create(obj)
        except errors.AlreadyExists:
            return False
        return True

    async def take_next(self, version: int, owner: Owner, *, dry_run: bool = False) -> Address:
        """Raises Full."""
        for network in self.ranges(version):
            for address in allocator.candidates(network, self._is_known):
                if dry_run or await self.take(address, owner):
                    return address
        raise Full

    async def release(self, addresses: Iterable[str], owner: Owner) -> None:
        """Delete the objects that are this service's."""

        async def check(item: Item) -> None:
            if not ipaddresses.is_of_service(item.obj, *owner):
                raise errors.not_found("ipaddresses", item.name, "networking.k8s.io")

        for address in addresses:
            name = str(ipaddress.ip_address(address))
            try:
                await self._addresses.delete(name, check=check)
            except errors.NotFound:
                continue
            except errors.StatusError as error:  # the next start's repair finds it
                log.warning("address %s of service %s/%s was not given back: %s", name, *owner, error)

    async def repair(self, used: dict[str, Owner]) -> None:
        """`used`: every address of a stored service. What is missing is made, what nobody has is given back."""
        for address, owner in used.items():
            parsed = ipaddress.ip_address(address)
            if not self._is_known(parsed) and not await self.take(parsed, owner):
                log.warning("address %s of service %s/%s belongs to another object", address, *owner)
        now = self._registries.clock.now()
        for item in list(self._addresses.cache.contents):
            labels = item.labels or {}
            if labels.get(ipaddresses.MANAGED_BY_LABEL) != ipaddresses.ALLOCATOR or item.name in used:
                continue
            if parse_time(item.obj["metadata"]["creationTimestamp"]) + GRACE < now:
                with suppress(errors.NotFound):
                    await self._addresses.delete(item.name)
