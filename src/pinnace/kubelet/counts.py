"""What the kubelet counts for its `/metrics`: evictions, preemptions and resizes, with upstream's names and labels."""

from collections import Counter
from collections.abc import Iterable, Iterator

from pinnace.component.metrics import Family, Histogram, exponential
from pinnace.kubelet.allocation import Allocation

RESIZE_MILLISECONDS = exponential(10, 2, 15)


class Counts:
    """`requested_resizes` by (resource, requirement, operation); `late_resizes`, granted after they had to wait, by what made room."""

    def __init__(self) -> None:
        self.evictions: Counter[str] = Counter()
        self.preemptions: Counter[str] = Counter()
        self.requested_resizes: Counter[tuple[str, str, str]] = Counter()
        self.infeasible_resizes: Counter[str] = Counter()
        self.late_resizes: Counter[str] = Counter()
        self.resize_milliseconds: dict[bool, Histogram] = {}  # by success

    def resized(self, milliseconds: float, *, success: bool) -> None:
        self.resize_milliseconds.setdefault(success, Histogram(RESIZE_MILLISECONDS)).observe(milliseconds)

    def families(self, allocations: Iterable[Allocation]) -> Iterator[Family]:
        """`allocations` are those of the pods on the node."""
        yield _counter("kubelet_evictions", "Cumulative number of pod evictions by eviction signal",
                       "eviction_signal", self.evictions)  # fmt: skip
        yield _counter("kubelet_preemptions", "Cumulative number of pod preemptions by preemption resource",
                       "preemption_signal", self.preemptions)  # fmt: skip
        yield Family("kubelet_container_requested_resizes_total", "[ALPHA] Number of requested resizes, counted at the container level.",
                     "counter", ("resource", "requirement", "operation"), list(self.requested_resizes.items()))  # fmt: skip
        yield _counter("kubelet_pod_infeasible_resizes_total", "Number of infeasible resizes for pods.",
                       "reason_detail", self.infeasible_resizes)  # fmt: skip
        yield _counter("kubelet_pod_deferred_accepted_resizes_total",
                       "Cumulative number of resizes that were accepted after being deferred.",
                       "retry_trigger", self.late_resizes)  # fmt: skip
        durations = [((str(success).lower(),), held) for success, held in self.resize_milliseconds.items()]
        yield Family("kubelet_pod_resize_duration_milliseconds", "[ALPHA] Duration in milliseconds to actuate a pod resize",
                     "histogram", ("success",), durations)  # fmt: skip
        yield from _going_on(list(allocations))


def _counter(name: str, text: str, label: str, counted: Counter[str]) -> Family:
    return Family(name, f"[ALPHA] {text}", "counter", (label,), [((key,), n) for key, n in counted.items()])


def _going_on(allocations: list[Allocation]) -> Iterator[Family]:
    pending = Counter(str(one.pending.get("reason", "")).lower() for one in allocations if one.pending)
    yield Family("kubelet_pod_pending_resizes", "[ALPHA] Number of pending resizes for pods.", "gauge", ("reason",),
                 [((reason,), n) for reason, n in pending.items()])  # fmt: skip
    yield Family("kubelet_pod_in_progress_resizes", "[ALPHA] Number of in-progress resizes for pods.", "gauge", (),
                 [((), sum(one.progress is not None for one in allocations))])  # fmt: skip
