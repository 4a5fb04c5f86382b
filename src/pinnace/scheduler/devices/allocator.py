"""The search: devices of one node for all claims of a pod that need some, with a step back where a choice leads nowhere.

Upstream: https://github.com/kubernetes/dynamic-resource-allocation/blob/master/structured/internal/stable/allocator_stable.go
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pinnace.scheduler.devices.matching import Matcher
from pinnace.scheduler.devices.pools import Device, DeviceId, Pool
from pinnace.scheduler.devices.requests import Ask, CannotAllocate, Wish

MOST_RESULTS = 32  # devices of one claim
MOST_STEPS = 20_000  # then the search is given up: constraints can make it exponential


class Chosen(NamedTuple):
    ask: Ask
    device: Device


class Usage:
    """What is taken of pools in the whole cluster: devices, and counters that they share."""

    def __init__(self, taken: Collection[Device] = ()) -> None:
        self.devices: set[DeviceId] = set()
        self._counters: Counter[tuple[str, str, tuple[str, str]]] = Counter()
        for device in taken:
            self.take(device)

    def is_free(self, pool: Pool, device: Device) -> bool:
        if device.id in self.devices:
            return False
        return all(
            self._counters[pool.driver, pool.name, counter] + amount <= pool.counters.get(counter, 0)
            for counter, amount in device.consumes.items()
        )

    def take(self, device: Device) -> None:
        self.devices.add(device.id)
        for counter, amount in device.consumes.items():
            self._counters[device.id.driver, device.id.pool, counter] += amount

    def give_back(self, device: Device) -> None:
        self.devices.discard(device.id)
        for counter, amount in device.consumes.items():
            self._counters[device.id.driver, device.id.pool, counter] -= amount


@dataclass(slots=True)
class _Search:
    wishes: Sequence[Wish]
    candidates: Sequence[tuple[Pool, Device]]
    usage: Usage
    matcher: Matcher
    chosen: list[list[Chosen]] = field(default_factory=list)  # per wish
    steps: int = 0
    fitting: dict[tuple[int, str], list[tuple[Pool, Device]]] = field(default_factory=dict)  # wish, ask

    def run(self) -> bool:
        self.chosen = [[] for _ in self.wishes]
        return self._from(0, 0)

    def _from(self, wish: int, request: int) -> bool:
        """Satisfy this request and all after it."""
        if wish == len(self.wishes):
            return True
        requests = self.wishes[wish].requests
        if request == len(requests):
            return self._from(wish + 1, 0)
        return any(self._satisfy(wish, request, ask) for ask in requests[request])

    def _satisfy(self, wish: int, request: int, ask: Ask) -> bool:
        fitting = self.fitting.get((wish, ask.name))
        if fitting is None:
            fitting = [pair for pair in self.candidates if self._fits(pair, ask)]
            self.fitting[wish, ask.name] = fitting
        if ask.takes_all:
            return self._take_all(wish, request, ask, fitting)
        return self._take(wish, request, ask, fitting, 0, ask.count)

    def _fits(self, pair: tuple[Pool, Device], ask: Ask) -> bool:
        pool, device = pair
        if pool.invalid or (not pool.is_whole and not ask.takes_all):
            return False
        return self.matcher.fits(device, ask)

    def _take_all(self, wish: int, request: int, ask: Ask, fitting: list[tuple[Pool, Device]]) -> bool:
        if not fitting or any(not pool.is_whole for pool, _ in fitting):
            return False
        taken = 0
        for pool, device in fitting:
            if not self._choose(wish, ask, pool, device):
                break
            taken += 1
        if taken == len(fitting) and self._from(wish, request + 1):
            return True
        for _ in range(taken):
            self._undo(wish)
        return False

    def _take(
        self, wish: int, request: int, ask: Ask, fitting: list[tuple[Pool, Device]], start: int, missing: int
    ) -> bool:
        """`missing` more devices from `start` on: equal sets are tried once, not in every order."""
        if not missing:
            return self._from(wish, request + 1)
        for place in range(start, len(fitting) - missing + 1):
            pool, device = fitting[place]
            if self._choose(wish, ask, pool, device):
                if self._take(wish, request, ask, fitting, place + 1, missing - 1):
                    return True
                self._undo(wish)
        return False

    def _choose(self, wish: int, ask: Ask, pool: Pool, device: Device) -> bool:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise CannotAllocate(f"no allocation found within {MOST_STEPS} steps")
        mine = self.chosen[wish]
        if len(mine) >= MOST_RESULTS or any(one.device.id == device.id for one in mine):
            return False
        if not ask.is_admin and not self.usage.is_free(pool, device):
            return False
        if not self._keeps_constraints(wish, ask, device):
            return False
        mine.append(Chosen(ask, device))
        if not ask.is_admin:
            self.usage.take(device)
        return True

    def _undo(self, wish: int) -> None:
        ask, device = self.chosen[wish].pop()
        if not ask.is_admin:
            self.usage.give_back(device)

    def _keeps_constraints(self, wish: int, ask: Ask, device: Device) -> bool:
        for constraint in self.wishes[wish].constraints:
            if not constraint.concerns(ask.name):
                continue
            value = device.attribute(constraint.attribute)
            if value is None:
                return False
            others: Iterator[Any] = (
                one.device.attribute(constraint.attribute)
                for one in self.chosen[wish]
                if constraint.concerns(one.ask.name)
            )
            if constraint.is_distinct and any(other == value for other in others):
                return False
            if not constraint.is_distinct and any(other != value for other in others):
                return False
        return True


def allocate(
    wishes: Sequence[Wish], candidates: Sequence[tuple[Pool, Device]], usage: Usage, matcher: Matcher
) -> list[list[Chosen]] | None:
    """Devices for each wish, or None. `usage` is as before afterwards. Raises CannotAllocate."""
    search = _Search(wishes, candidates, usage, matcher)
    try:
        return search.chosen if search.run() else None
    finally:
        for mine in search.chosen:
            for ask, device in mine:
                if not ask.is_admin:
                    usage.give_back(device)
