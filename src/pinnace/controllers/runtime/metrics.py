"""What a controller counts, as it is shown: its queue's numbers as upstream's `workqueue_*`, and its failures."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pinnace.apimachinery.errors import StatusError
from pinnace.client.events import EventRecorder, lost_events
from pinnace.client.workqueue import WorkQueue
from pinnace.component.metrics import Family, Histogram
from pinnace.controllers.runtime.measures import Measures


class LoopMetrics:
    """`failures` are counted by reason: that of the Status, or the class of what was raised."""

    __slots__ = ("failures", "measures", "name", "queue", "recorder")

    def __init__(
        self, name: str, queue: WorkQueue[Any] | None = None, recorder: EventRecorder | None = None
    ) -> None:
        """A sweep has no queue, and some tell no events."""
        self.name, self.queue, self.recorder = name, queue, recorder
        self.failures: Counter[str] = Counter()
        self.measures = Measures()

    def failed(self, error: BaseException) -> None:
        reason = error.reason if isinstance(error, StatusError) else ""
        self.failures[reason or type(error).__name__] += 1


Reading = Callable[[WorkQueue[Any]], float | Histogram]

QUEUES: tuple[tuple[str, str, str, Reading], ...] = (
    ("workqueue_adds_total", "counter", "Total number of adds handled by workqueue", lambda queue: queue.adds),
    ("workqueue_depth", "gauge", "Current depth of workqueue", len),
    ("workqueue_retries_total", "counter", "Total number of retries handled by workqueue",
     lambda queue: queue.retries),
    ("workqueue_queue_duration_seconds", "histogram",
     "How long in seconds an item stays in workqueue before being requested.", lambda queue: queue.waits),
    ("workqueue_work_duration_seconds", "histogram",
     "How long in seconds processing an item from workqueue takes.", lambda queue: queue.work),
    ("workqueue_unfinished_work_seconds", "gauge",
     "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values "
     "indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
     lambda queue: sum(queue.unfinished())),
    ("workqueue_longest_running_processor_seconds", "gauge",
     "How many seconds has the longest running processor for workqueue been running.",
     lambda queue: max(queue.unfinished(), default=0.0)),
)  # fmt: skip


def families(loops: Iterable[LoopMetrics]) -> Iterator[Family]:
    found = list(loops)
    queues = [(each.name, each.queue) for each in found if each.queue is not None]
    for name, kind, text, reading in QUEUES:
        yield Family(name, text, kind, ("name",), [((of,), reading(queue)) for of, queue in queues])
    yield Family(
        "pinnace_controller_failures_total",
        "Total number of passes of a controller that failed and are tried again, by reason",
        "counter",
        ("name", "reason"),
        [((each.name, reason), count) for each in found for reason, count in sorted(each.failures.items())],
    )
    for each in found:
        yield from each.measures.families()
    yield lost_events({each.recorder for each in found if each.recorder is not None})
