"""The waiting room of one priority level: queues chosen by shuffle sharding, served fairly. Pure: no clock, no futures.

A flow is dealt a hand of queues and its request waits in the one with the least work. The queue that has been served
least goes first: each queue keeps the work (seats times seconds) done for it, and a queue that was empty starts at
the level of those that were not, so that idling earns no credit.
"""

from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any


@dataclass(slots=True)
class _Queue:
    waiting: "deque[Waiting]" = field(default_factory=deque)
    served: float = 0.0  # virtual time: work done and begun


@dataclass(eq=False, slots=True)
class Waiting:
    """A request that waits; `ticket` is whatever its owner needs to wake it."""

    ticket: object
    seats: int
    flow: str
    since: float = 0.0
    counts: Any = None  # its owner's, as the ticket
    home: "Queues | None" = None
    queue: _Queue | None = None

    def begin(self, expected_seconds: float) -> None:
        """It runs now; its queue pays in advance what such requests usually take."""
        self.leave()
        if self.queue is not None:
            self.queue.served += self.seats * expected_seconds

    def leave(self) -> None:
        """Out of the queue, if it still stands in one."""
        if self.home is not None and self.queue is not None:
            self.queue.waiting.remove(self)
            self.home.waiting -= 1
            self.home = None

    def settle(self, difference_seconds: float) -> None:
        """It has ended; what it took beyond the expectation is charged to its queue."""
        if self.queue is not None:
            self.queue.served += self.seats * difference_seconds


class Queues:
    def __init__(self, count: int, hand_size: int, length: int) -> None:
        self.count, self.hand_size, self.length = count, hand_size, length
        self._queues: dict[int, _Queue] = {}  # only those that were ever used
        self.waiting = 0

    def hand(self, flow: str) -> list[int]:
        """The flow's queues: `hand_size` different ones, always the same for the same flow."""
        value = int.from_bytes(blake2b(flow.encode(), digest_size=16).digest())
        left, dealt = list(range(self.count)), []
        for _ in range(min(self.hand_size, self.count)):
            value, card = divmod(value, len(left))
            dealt.append(left.pop(card))
        return dealt

    def add(self, waiting: Waiting) -> bool:
        """False when the queue that this flow gets is full."""
        chosen = min(self.hand(waiting.flow), key=self._load)
        queue = self._queues.get(chosen)
        if queue is None:
            queue = self._queues[chosen] = _Queue()
        if len(queue.waiting) >= self.length:
            return False
        if not queue.waiting:
            queue.served = max(queue.served, self._least_served())
        queue.waiting.append(waiting)
        waiting.home, waiting.queue = self, queue
        self.waiting += 1
        return True

    def everybody(self) -> list[Waiting]:
        return [each for queue in self._queues.values() for each in queue.waiting]

    def _load(self, index: int) -> int:
        queue = self._queues.get(index)
        return sum(each.seats for each in queue.waiting) if queue else 0

    def _least_served(self) -> float:
        return min((queue.served for queue in self._queues.values() if queue.waiting), default=0.0)

    def head(self) -> Waiting | None:
        """Who goes next: the first of the queue that was served least."""
        best: _Queue | None = None
        for queue in self._queues.values():
            if queue.waiting and (best is None or queue.served < best.served):
                best = queue
        return best.waiting[0] if best else None

    def lengths(self) -> dict[int, int]:
        return {index: len(queue.waiting) for index, queue in self._queues.items() if queue.waiting}
