"""Counting passes: plain numbers that the assembly renders as upstream's `workqueue_*` metrics. Leaves out histograms."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class LoopMetrics:
    name: str
    adds: int = 0
    depth: int = 0
    retries: int = 0
    passes: int = 0
    work_seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        self.passes += 1
        self.work_seconds += seconds

    def samples(self) -> Iterator[tuple[str, float]]:
        """(metric name, value); the label is `name`."""
        yield "workqueue_adds_total", self.adds
        yield "workqueue_depth", self.depth
        yield "workqueue_retries_total", self.retries
        yield "workqueue_work_duration_seconds_count", self.passes
        yield "workqueue_work_duration_seconds_sum", self.work_seconds
