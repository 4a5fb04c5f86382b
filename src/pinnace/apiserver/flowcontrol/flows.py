"""What is counted per FlowSchema and priority level: kept while either is gone, so that counters never fall."""

from pinnace.component.metrics import Histogram

SECONDS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)


class FlowCounts:
    __slots__ = (
        "dispatched", "executed", "executing", "level", "rejected", "schema", "seats", "waited", "waited_in_vain", "waiting",
    )  # fmt: skip

    def __init__(self, level: str, schema: str) -> None:
        self.level, self.schema = level, schema
        self.dispatched = self.executing = self.seats = self.waiting = 0
        self.rejected: dict[str, int] = {}  # reason -> count
        self.executed = Histogram(SECONDS)
        self.waited, self.waited_in_vain = Histogram(SECONDS), Histogram(SECONDS)
