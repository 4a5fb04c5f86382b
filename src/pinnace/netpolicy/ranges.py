"""Ranges of addresses with holes, as an `ipBlock` has them: pure, and no slower for a policy of thousands of holes than to read it.

A hole in a range is not cut into networks (one address out of all of IPv6 leaves 128 of them): the kernel's sets take ranges.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ADDRESSES = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True, order=True)
class Range:
    version: int
    first: int
    last: int

    def __contains__(self, address: object) -> bool:
        return (
            isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
            and address.version == self.version
            and self.first <= int(address) <= self.last
        )

    def __str__(self) -> str:
        """As nft reads it: a network where it is one."""
        kind, size = ADDRESSES[self.version], self.last - self.first + 1
        if size & (size - 1) == 0 and self.first % size == 0:
            return f"{kind(self.first)}/{BITS[self.version] - size.bit_length() + 1}"
        return f"{kind(self.first)}-{kind(self.last)}"


def of(cidr: str) -> Range | None:
    """None for what is no range; what follows a `%` could be any text."""
    try:
        network = None if "%" in cidr else ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        network = None
    if network is None:
        return None
    return Range(network.version, int(network[0]), int(network[-1]))


def without(cidr: str, holes: Iterable[str]) -> list[Range]:
    """A range less other ranges; nothing when one cannot be read, which the API does not take."""
    whole, parts = of(cidr), [of(hole) for hole in holes]
    if whole is None or None in parts:
        return []
    left, at = [], whole.first
    for hole in sorted(part for part in parts if part is not None and part.version == whole.version):
        if hole.first > at:
            left.append(Range(whole.version, at, min(hole.first - 1, whole.last)))
        at = max(at, hole.last + 1)
        if at > whole.last:
            return [piece for piece in left if piece.first <= piece.last]
    return [*left, Range(whole.version, at, whole.last)]


def joined(found: Iterable[Range]) -> Iterator[Range]:
    """Without overlaps, which an interval set of the kernel refuses."""
    current: Range | None = None
    for one in sorted(found):
        if current is None or one.version != current.version or one.first > current.last + 1:
            if current is not None:
                yield current
            current = one
        elif one.last > current.last:
            current = Range(one.version, current.first, one.last)
    if current is not None:
        yield current
