"""What is counted of calls of admission webhooks; `reports` shows it."""

from collections import Counter

from pinnace.component.metrics import Histogram, exponential

CONVERSION_SECONDS = exponential(0.001, 2, 15)
SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25)


class WebhookCounts:
    """Of admission webhooks; `type` is admit or validating."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, ...]] = Counter()  # name, type, operation, code, rejected
        self.rejections: Counter[tuple[str, ...]] = Counter()  # name, type, operation, error type, code
        self.failed_open: Counter[tuple[str, ...]] = Counter()  # name, type
        self.durations: dict[tuple[str, ...], Histogram] = {}  # name, type, operation, rejected
        self.conversions: dict[tuple[str, ...], Histogram] = {}  # definition, from, to, succeeded

    def converted(self, key: tuple[str, ...], seconds: float) -> None:
        self.conversions.setdefault(key, Histogram(CONVERSION_SECONDS)).observe(seconds)

    def took(self, name: str, kind: str, operation: str, *, rejected: bool, seconds: float) -> None:
        key = name, kind, operation, str(rejected).lower()
        self.durations.setdefault(key, Histogram(SECONDS)).observe(seconds)
