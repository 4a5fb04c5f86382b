"""Priority levels and the seats they share: who may run at once, who lends to whom. Pure but for its own counters.

Upstream moves lent seats every ten seconds; here a level borrows at the moment of need. What a level may not lend
(its guarantee) stays free for it: a borrower only takes seats that are neither used nor guaranteed to another.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pinnace.apiserver.flowcontrol.queues import Queues

Object = dict[str, Any]
EXEMPT, CATCH_ALL = "exempt", "catch-all"

# What every server has even if nobody stored it; upstream calls these two mandatory.
MANDATORY_LEVELS: dict[str, Object] = {
    EXEMPT: {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    CATCH_ALL: {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}},
    },
}


@dataclass(slots=True)
class Level:
    name: str
    uid: str = ""
    exempt: bool = False
    nominal: int = 1  # seats
    guaranteed: int = 1  # of these, what is never lent
    maximum: int = 1  # with what it may borrow
    queues: Queues | None = None  # None: excess requests are rejected
    in_use: int = 0
    expected_seconds: float = 0.003  # running mean of what a request takes
    executing: int = 0
    dispatched: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # reason -> count
    timed_out: int = 0
    cancelled: int = 0

    @property
    def waiting(self) -> int:
        return self.queues.waiting if self.queues else 0


def configure(known: dict[str, Level], objects: Iterable[Object], total: int) -> dict[str, Level]:
    """The levels of these PriorityLevelConfigurations over `total` seats; levels that stay keep their counters."""
    specs = {name: ("", spec) for name, spec in MANDATORY_LEVELS.items()}
    specs |= {obj["metadata"]["name"]: (obj["metadata"].get("uid", ""), obj["spec"]) for obj in objects}
    shares = sum(_shares(spec) for _, spec in specs.values()) or 1
    levels: dict[str, Level] = {}
    for name, (uid, spec) in specs.items():
        level = levels[name] = known.get(name) or Level(name)
        level.uid, level.exempt = uid, spec.get("type") == "Exempt"
        level.nominal = math.ceil(total * _shares(spec) / shares)
        part = _part(spec)
        level.guaranteed = level.nominal - round(level.nominal * part.get("lendablePercent", 0) / 100)
        borrowing = part.get("borrowingLimitPercent")
        level.maximum = total if borrowing is None else level.nominal + round(level.nominal * borrowing / 100)
        level.queues = _queues(level, part.get("limitResponse") or {})
    return levels


def _part(spec: Object) -> Object:
    part: Object = spec.get("exempt" if spec.get("type") == "Exempt" else "limited") or {}
    return part


def _shares(spec: Object) -> int:
    shares: int = _part(spec).get("nominalConcurrencyShares", 0 if spec.get("type") == "Exempt" else 30)
    return shares


def _queues(level: Level, response: Object) -> Queues | None:
    """Queues that keep their shape are kept, with those who wait in them."""
    if level.exempt or response.get("type") != "Queue":
        return None
    shape = response.get("queuing") or {}
    count, hand, length = shape.get("queues", 64), shape.get("handSize", 8), shape.get("queueLengthLimit", 50)
    old = level.queues
    if old is not None and (old.count, old.hand_size, old.length) == (count, hand, length):
        return old
    return Queues(count, hand, length)
