"""What one write of a service takes from the ranges; given back if the write fails. A dry run takes nothing."""

from pinnace.api.resources import SERVICES
from pinnace.apiserver.registry.allocator import Address
from pinnace.apiserver.registry.service_addresses import Owner, ServiceAddresses
from pinnace.apiserver.registry.service_ports import ServicePorts
from pinnace.apiserver.storage.translation import api_errors


class Claims:
    def __init__(
        self, addresses: ServiceAddresses, ports: ServicePorts, owner: Owner, *, dry_run: bool
    ) -> None:
        self._address_range, self._port_range = addresses, ports
        self._owner, self._dry_run = owner, dry_run
        self._addresses: list[str] = []
        self._ports: list[int] = []

    async def address(self, wanted: Address) -> bool:
        """False when it is not free."""
        if self._dry_run:
            return self._address_range.is_free(wanted)
        if not await self._address_range.take(wanted, self._owner):
            return False
        self._addresses.append(str(wanted))
        return True

    async def next_address(self, version: int) -> str:
        """Raises Full."""
        found = str(await self._address_range.take_next(version, self._owner, dry_run=self._dry_run))
        self._addresses.append(found)
        return found

    async def port(self, wanted: int) -> bool:
        if self._dry_run:
            return self._port_range.is_free(wanted)
        with api_errors(SERVICES, self._owner[1]):
            if not await self._port_range.take(wanted, self._owner):
                return False
        self._ports.append(wanted)
        return True

    async def next_port(self) -> int:
        """Raises Full."""
        while True:
            with api_errors(SERVICES, self._owner[1]):
                found = await self._port_range.take_next(self._owner, dry_run=self._dry_run)
            if found not in self._ports:
                self._ports.append(found)
                return found

    async def give_back(self) -> None:
        if not self._dry_run:
            await self.release(set(self._addresses), set(self._ports))

    async def release(self, addresses: set[str], ports: set[int]) -> None:
        await self._address_range.release(addresses, self._owner)
        await self._port_range.release(ports, self._owner)
