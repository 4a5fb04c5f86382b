"""Pools of addresses and ports for services. In memory: built from the stored services at the first use, so a restart forgets nothing.

`Reservation` takes several values and gives them back if the write that needed them fails.
"""

import ipaddress
import random
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Full(Exception):
    """Nothing is left in the pool."""


class Pool(Generic[T]):
    """Values by position in a range; `static` is the size of the low band that is used last, for values that users choose."""

    def __init__(self, size: int, static: int) -> None:
        self._size, self._static = size, static
        self._taken: set[int] = set()

    def take(self, position: int) -> bool:
        """False when it is taken already."""
        if position in self._taken:
            return False
        self._taken.add(position)
        return True

    def take_next(self) -> int:
        """A random free position, from the upper band while it has one."""
        for low, high in ((self._static, self._size), (0, self._static)):
            found = self._free_between(low, high)
            if found is not None:
                self._taken.add(found)
                return found
        raise Full

    def _free_between(self, low: int, high: int) -> int | None:
        if low >= high:
            return None
        begin = random.randrange(low, high)
        for position in (*range(begin, high), *range(low, begin)):
            if position not in self._taken:
                return position
        return None

    def release(self, position: int) -> None:
        self._taken.discard(position)


def _static_band(size: int) -> int:
    """Upstream's: min(max(16, size/16), 256) addresses for static use."""
    return min(max(16, size // 16), 256) if size > 32 else 0


class AddressPool:
    """The addresses of a service CIDR, network and (IPv4) broadcast address left out."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.ip_network(cidr)
        self._first = int(self.network.network_address) + 1
        size = min(self.network.num_addresses - (2 if self.network.version == 4 else 1), 1 << 20)
        self._pool: Pool[str] = Pool(size, _static_band(size))
        self._size = size

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    def contains(self, address: str) -> bool:
        return 0 <= self._position(address) < self._size

    def _position(self, address: str) -> int:
        parsed = ipaddress.ip_address(address)
        return int(parsed) - self._first if parsed.version == self.network.version else -1

    def take(self, address: str) -> bool:
        return self._pool.take(self._position(address))

    def take_next(self) -> str:
        """Raises Full."""
        return str(ipaddress.ip_address(self._first + self._pool.take_next()))

    def release(self, address: str) -> None:
        self._pool.release(self._position(address))

    def first(self) -> str:
        """The address of the `kubernetes` service."""
        return str(ipaddress.ip_address(self._first))


class PortPool:
    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        size = last - first + 1
        self._pool: Pool[int] = Pool(size, min(max(16, size // 32), 128) if size > 32 else 0)

    def contains(self, port: int) -> bool:
        return self.first <= port <= self.last

    def take(self, port: int) -> bool:
        return self._pool.take(port - self.first)

    def take_next(self) -> int:
        """Raises Full."""
        return self.first + self._pool.take_next()

    def release(self, port: int) -> None:
        self._pool.release(port - self.first)


class Reservation:
    """Values taken from the pools for one write."""

    def __init__(self, addresses: AddressPool, ports: PortPool) -> None:
        self._address_pool, self._port_pool = addresses, ports
        self._addresses: list[str] = []
        self._ports: list[int] = []

    def address(self, wanted: str) -> bool:
        """False when it is not free."""
        if not self._address_pool.take(wanted):
            return False
        self._addresses.append(wanted)
        return True

    def next_address(self) -> str:
        self._addresses.append(self._address_pool.take_next())
        return self._addresses[-1]

    def port(self, wanted: int) -> bool:
        if not self._port_pool.take(wanted):
            return False
        self._ports.append(wanted)
        return True

    def next_port(self) -> int:
        self._ports.append(self._port_pool.take_next())
        return self._ports[-1]

    def give_back(self) -> None:
        release(self._address_pool, self._port_pool, self._addresses, self._ports)


def release(
    addresses: AddressPool, ports: PortPool, given_addresses: Iterable[str], given_ports: Iterable[int]
) -> None:
    for address in given_addresses:
        addresses.release(address)
    for port in given_ports:
        ports.release(port)
