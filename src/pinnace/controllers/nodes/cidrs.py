"""The subnets of a cluster network, handed out to nodes one by one. Pure."""

import ipaddress
from collections import Counter
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CidrSet:
    """Subnets of `mask` bits; a freed one comes back last, so that an address is not soon somebody else's."""

    def __init__(self, network: Network, mask: int) -> None:
        if mask < network.prefixlen:
            raise ValueError(f"node mask size {mask} is smaller than the prefix of {network}")
        self.network, self._mask = network, mask
        self._size = 1 << (network.max_prefixlen - mask)
        self.count = 1 << (mask - network.prefixlen)
        self._used: Counter[int] = Counter()
        self._next = 0

    def occupy(self, subnet: Network) -> None:
        """Of any size; what lies outside is not ours to count."""
        self._used.update(self._places(subnet))

    def release(self, subnet: Network) -> None:
        self._used.subtract(self._places(subnet))
        self._used = +self._used

    def allocate(self) -> Network | None:
        """None when all are in use."""
        for step in range(self.count if len(self._used) < self.count else 0):
            place = (self._next + step) % self.count
            if not self._used[place]:
                self._next = (place + 1) % self.count
                self._used[place] = 1
                first = int(self.network.network_address) + place * self._size
                return ipaddress.ip_network((first, self._mask))
        return None

    def _places(self, subnet: Network) -> Iterable[int]:
        if subnet.version != self.network.version or not subnet.overlaps(self.network):
            return ()
        base = int(self.network.network_address)
        first = max(0, (int(subnet.network_address) - base) // self._size)
        last = min(self.count - 1, (int(subnet.broadcast_address) - base) // self._size)
        return range(first, last + 1)
