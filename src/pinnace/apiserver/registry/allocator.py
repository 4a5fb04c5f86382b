"""Which address or port to try next: free positions of a range, the band for users' own choices last. Pure, remembers nothing
that the store does not know better (`service_addresses.py`, `service_ports.py` take the value)."""

import ipaddress
import random
from collections.abc import Callable, Iterator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MOST = 1 << 20  # positions of a network that are tried at all


class Full(Exception):
    """Nothing is left in the range."""


def static_addresses(size: int) -> int:
    """Upstream's band at the low end, for addresses that users choose: min(max(16, size/16), 256)."""
    return min(max(16, size // 16), 256) if size > 32 else 0


def static_ports(size: int) -> int:
    return min(max(16, size // 32), 128) if size > 32 else 0


def positions(size: int, static: int) -> Iterator[int]:
    """Every position once: from a random one of the upper band on, then likewise in the lower."""
    for low, high in ((static, size), (0, static)):
        if low < high:
            begin = random.randrange(low, high)
            yield from range(begin, high)
            yield from range(low, begin)


def size_of(network: Network) -> int:
    """Addresses for services: without the network's own and (IPv4) the broadcast address."""
    return max(0, network.num_addresses - (2 if network.version == 4 else 1))


def candidates(network: Network, is_taken: Callable[[Address], bool]) -> Iterator[Address]:
    first, size = int(network.network_address) + 1, size_of(network)
    make = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    tried = positions(min(size, _MOST), static_addresses(size))
    return (address for position in tried if not is_taken(address := make(first + position)))
