"""What a loop counts of its passes, shown as upstream's `workqueue_*` metrics."""

from collections.abc import Iterable, Iterator, Sized

from pinnace.component.metrics import Family, Histogram, exponential

SECONDS = exponential(1e-8, 10, 10)


class LoopMetrics:
    __slots__ = ("_queue", "adds", "name", "retries", "waits", "work")

    def __init__(self, name: str, queue: Sized = ()) -> None:
        """A sweep has no queue."""
        self.name, self._queue = name, queue
        self.adds = self.retries = 0
        self.work, self.waits = Histogram(SECONDS), Histogram(SECONDS)

    def observe(self, seconds: float) -> None:
        self.work.observe(seconds)

    @property
    def depth(self) -> int:
        return len(self._queue)


def families(loops: Iterable[LoopMetrics]) -> Iterator[Family]:
    found, name = list(loops), ("name",)
    yield Family("workqueue_adds_total", "Total number of adds handled by workqueue", "counter", name,
                 [((each.name,), each.adds) for each in found])  # fmt: skip
    yield Family("workqueue_depth", "Current depth of workqueue", "gauge", name,
                 [((each.name,), each.depth) for each in found])  # fmt: skip
    yield Family("workqueue_retries_total", "Total number of retries handled by workqueue", "counter", name,
                 [((each.name,), each.retries) for each in found])  # fmt: skip
    yield Family("workqueue_queue_duration_seconds",
                 "How long in seconds an item stays in workqueue before being requested.", "histogram", name,
                 [((each.name,), each.waits) for each in found if each.waits.count])  # fmt: skip
    yield Family("workqueue_work_duration_seconds", "How long in seconds processing an item from workqueue takes.",
                 "histogram", name, [((each.name,), each.work) for each in found if each.work.count])  # fmt: skip
