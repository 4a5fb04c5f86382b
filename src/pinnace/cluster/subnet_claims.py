"""Who has a pod subnet: nodes write their subnets themselves, so two may say the same one. Of one family. Pure.

Of nodes whose subnets overlap the oldest Node has it, so that no machine that joins takes packets of another's pods.
"""

from collections import Counter
from collections.abc import Iterator

from pinnace.cluster.address_ranges import Network


class SubnetClaims:
    def __init__(self) -> None:
        self._of: dict[str, tuple[Network, str]] = {}
        self._on: dict[Network, dict[str, None]] = {}
        self._lengths: Counter[int] = Counter()

    def put(self, name: str, subnet: Network | None, created: str) -> set[str]:
        """From now on this node says that; the others that have part of what it said before or says now."""
        if self._of.get(name) == (subnet, created):
            return set()
        before = self._of.pop(name, None)
        others = set[str]()
        if before is not None:
            self._lengths[before[0].prefixlen] -= 1
            self._lengths += Counter()  # those that none has are forgotten
            del self._on[before[0]][name]
            if not self._on[before[0]]:
                del self._on[before[0]]
            others.update(self._overlapping(before[0]))
        if subnet is not None:
            others.update(self._overlapping(subnet))
            self._of[name] = subnet, created
            self._on.setdefault(subnet, {})[name] = None
            self._lengths[subnet.prefixlen] += 1
        return others

    def holder(self, name: str) -> str:
        """Whose the subnet of this node is: its own name, unless an older one has part of it; "" when it says none."""
        if name not in self._of:
            return ""
        return min(self._overlapping(self._of[name][0]), key=lambda other: (self._of[other][1], other))

    def _overlapping(self, subnet: Network) -> Iterator[str]:
        if self._lengths.keys() <= {subnet.prefixlen}:  # as the control plane gives them
            yield from self._on.get(subnet, ())
            return
        for known, names in self._on.items():
            if known.overlaps(subnet):
                yield from names
