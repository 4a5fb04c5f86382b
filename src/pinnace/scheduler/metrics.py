"""What the scheduler counts, under upstream's names. Leaves out the time of single plugins and extension points."""

from collections.abc import Callable, Iterator, Sequence

from pinnace.client.events import EventRecorder, lost_events
from pinnace.component.metrics import Family, Histogram, exponential
from pinnace.scheduler.queue import SchedulingQueue

ATTEMPT_SECONDS = exponential(0.001, 2, 15)
SLI_SECONDS = exponential(0.01, 2, 20)
ATTEMPTS = exponential(1, 2, 5)
MANY = 16  # attempts are a label up to 15, as upstream


class SchedulerMetrics:
    def __init__(
        self,
        queue: SchedulingQueue,
        cached: Callable[[], dict[str, int]],
        recorders: Sequence[EventRecorder] = (),
    ) -> None:
        self._queue, self._cached, self._recorders = queue, cached, recorders
        self.attempts: dict[tuple[str, str], Histogram] = {}  # by profile and result
        self.algorithm = Histogram(ATTEMPT_SECONDS)
        self.until_bound: dict[str, Histogram] = {}  # by number of attempts
        self.needed = Histogram(ATTEMPTS)
        self.victims = Histogram(exponential(1, 2, 7))
        self.preemptions = 0

    def attempted(self, profile: str, result: str, seconds: float) -> None:
        """result: scheduled, unschedulable or error."""
        histogram = self.attempts.get((profile, result))
        if histogram is None:
            histogram = self.attempts[profile, result] = Histogram(ATTEMPT_SECONDS)
        histogram.observe(seconds)

    def bound(self, attempts: int, seconds: float) -> None:
        label = str(attempts) if attempts < MANY else f"{MANY - 1}+"
        self.until_bound.setdefault(label, Histogram(SLI_SECONDS)).observe(seconds)
        self.needed.observe(attempts)

    def preempted(self, victims: int) -> None:
        self.victims.observe(victims)

    def families(self) -> Iterator[Family]:
        yield lost_events(self._recorders)
        results = list(self.attempts.items())
        labels = "profile", "result"
        yield Family("scheduler_schedule_attempts_total",
                     "Number of attempts to schedule pods, by the result: scheduled, unschedulable or error.", "counter",
                     labels, [(values, each.count) for values, each in results])  # fmt: skip
        yield Family("scheduler_scheduling_attempt_duration_seconds",
                     "Scheduling attempt latency in seconds (scheduling algorithm + binding)", "histogram", labels, results)  # fmt: skip
        yield Family("scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency in seconds",
                     "histogram", (), [((), self.algorithm)] if self.algorithm.count else [])  # fmt: skip
        yield Family("scheduler_pod_scheduling_sli_duration_seconds",
                     "Latency for a pod being scheduled, from the time it entered the queue, by attempts.", "histogram",
                     ("attempts",), [((label,), each) for label, each in self.until_bound.items()])  # fmt: skip
        yield Family("scheduler_pod_scheduling_attempts", "Number of attempts to successfully schedule a pod.",
                     "histogram", (), [((), self.needed)] if self.needed.count else [])  # fmt: skip
        yield Family("scheduler_preemption_attempts_total", "Total preemption attempts in the cluster till now", "counter",
                     (), [((), self.preemptions)] if self.preemptions else [])  # fmt: skip
        yield Family("scheduler_preemption_victims", "Number of selected preemption victims", "histogram", (),
                     [((), self.victims)] if self.victims.count else [])  # fmt: skip
        yield Family("scheduler_pending_pods", "Number of pending pods, by the queue: active, backoff, unschedulable or gated.",
                     "gauge", ("queue",), [((queue,), count) for queue, count in self._queue.sizes().items()])  # fmt: skip
        yield Family("scheduler_queue_incoming_pods_total", "Number of pods added to scheduling queues by event and queue type.",
                     "counter", ("queue", "event"), list(self._queue.incoming.items()))  # fmt: skip
        yield Family("scheduler_unschedulable_pods", "The number of unschedulable pods broken down by plugin name. A pod will increment "
                     "the gauge for all plugins that caused it to not schedule and so this metric have meaning only when broken down by "
                     "plugin.", "gauge", ("plugin", "profile"), list(self._queue.refused_by().items()))  # fmt: skip
        yield Family("scheduler_cache_size", "Number of nodes and of pods in the scheduler cache.", "gauge", ("type",),
                     [((kind,), count) for kind, count in self._cached().items()])  # fmt: skip
