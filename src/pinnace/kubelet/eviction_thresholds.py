"""Eviction thresholds over time (pure): hard and soft ones, grace periods, minimum reclaim, conditions that do not flap.

https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/eviction/helpers.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from pinnace.apimachinery import quantity

MEMORY_PRESSURE, DISK_PRESSURE, PID_PRESSURE = "MemoryPressure", "DiskPressure", "PIDPressure"

ALLOCATABLE = (
    "allocatableMemory.available"  # of all pods together; has the hard threshold of the node's memory
)

# signal -> (the resource that runs short, the node's condition)
SIGNALS = {
    "memory.available": ("memory", MEMORY_PRESSURE),
    "allocatableMemory.available": ("memory", MEMORY_PRESSURE),
    "nodefs.available": ("ephemeral-storage", DISK_PRESSURE),
    "nodefs.inodesFree": ("inodes", DISK_PRESSURE),
    "imagefs.available": ("ephemeral-storage", DISK_PRESSURE),
    "imagefs.inodesFree": ("inodes", DISK_PRESSURE),
    "containerfs.available": ("ephemeral-storage", DISK_PRESSURE),
    "containerfs.inodesFree": ("inodes", DISK_PRESSURE),
    "pid.available": ("pids", PID_PRESSURE),
}


class Settings(Protocol):
    """The kubelet's settings of the same names."""

    @property
    def eviction_hard(self) -> Mapping[str, str]: ...
    @property
    def eviction_soft(self) -> Mapping[str, str]: ...
    @property
    def eviction_soft_grace_seconds(self) -> Mapping[str, float]: ...
    @property
    def eviction_minimum_reclaim(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Observation:
    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """Met when less than `value` (a quantity, or percent of the capacity) is available; without grace it is a hard one."""

    signal: str
    value: str
    grace_seconds: float = 0.0
    minimum_reclaim: str = "0"

    @property
    def resource(self) -> str:
        return SIGNALS[self.signal][0]

    @property
    def condition(self) -> str:
        return SIGNALS[self.signal][1]

    def is_met(self, observed: Mapping[str, Observation], *, with_reclaim: bool = False) -> bool:
        """`with_reclaim`: once it acts, it goes on until that much more is available."""
        seen = observed.get(self.signal)
        if seen is None or not seen.capacity:
            return False
        least = amount(self.value, seen.capacity)
        if with_reclaim:
            least += amount(self.minimum_reclaim, seen.capacity)
        return seen.available < least


def amount(text: str, capacity: int) -> int:
    """`100Mi`, or `10%` of the capacity."""
    if text.endswith("%"):
        return int(capacity * Decimal(text[:-1]) / 100)
    return quantity.whole(text)


def thresholds(config: Settings) -> tuple[Threshold, ...]:
    """Hard ones first. Raises ValueError for what makes no sense."""
    reclaim, grace = config.eviction_minimum_reclaim, config.eviction_soft_grace_seconds
    for signal in (*config.eviction_hard, *config.eviction_soft, *grace, *reclaim):
        if signal not in SIGNALS or signal == ALLOCATABLE:
            raise ValueError(f"unsupported eviction signal {signal}")
    for signal in config.eviction_soft:
        if signal not in grace:
            raise ValueError(f"grace period must be specified for the soft eviction threshold {signal}")
        if grace[signal] < 0:
            raise ValueError(f"invalid eviction grace period specified: {signal}, must be a positive value")
    found = [
        *(Threshold(signal, value, 0.0, reclaim.get(signal, "0")) for signal, value in config.eviction_hard.items()),
        *(
            Threshold(signal, value, grace[signal], reclaim.get(signal, "0"))
            for signal, value in config.eviction_soft.items()
        ),
    ]  # fmt: skip
    found += [
        replace(one, signal=ALLOCATABLE)
        for one in found
        if one.signal == "memory.available" and not one.grace_seconds
    ]
    for one in found:
        if amount(one.value, 100) < 0:
            raise ValueError(f"eviction threshold {one.signal} must be positive")
        amount(one.minimum_reclaim, 100)
    return tuple(one for one in found if one.value not in ("0%", "100%"))


@dataclass(slots=True)
class Watch:
    """What was seen before: since when each threshold is met, which of them act, and when each condition held last."""

    since: dict[Threshold, float] = field(default_factory=dict)
    acting: tuple[Threshold, ...] = ()
    last_met: dict[str, float] = field(default_factory=dict)

    def look(
        self, listed: Iterable[Threshold], observed: Mapping[str, Observation], now: float
    ) -> tuple[Threshold, ...]:
        """The thresholds that ask for action now, memory's first."""
        held = [one for one in listed if one.is_met(observed)]
        held += [one for one in self.acting if one not in held and one.is_met(observed, with_reclaim=True)]
        self.since = {one: self.since.get(one, now) for one in held}
        for one in held:
            self.last_met[one.condition] = now
        acting = [one for one, since in self.since.items() if now - since >= one.grace_seconds]
        self.acting = tuple(sorted(acting, key=lambda one: one.resource != "memory"))
        return self.acting

    def pressures(self, now: float, transition_seconds: float) -> set[str]:
        """A condition holds while its threshold is met, and for a while after, so that it does not flap."""
        return {kind for kind, when in self.last_met.items() if now - when < transition_seconds}


def shown_quantity(threshold: Threshold, observed: Mapping[str, Observation]) -> str:
    """The threshold as upstream's messages have it."""
    if not threshold.value.endswith("%"):
        return quantity.canonical(threshold.value)
    return binary(amount(threshold.value, observed[threshold.signal].capacity))


def binary(value: int) -> str:
    return quantity.format_quantity(value, "binary")
