"""The server's Prometheus metrics under upstream's names; prometheus-client is loaded with the first scrape's need, not before.

Counting is a dict increment on the request path; the exposition is made when `/metrics` is read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from pinnace.apiserver.request_info import RequestInfo

_BUCKETS = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    15,
    20,
    30,
    45,
    60,
)
_Key = tuple[str, str, str, str, str, str]


def _scope(info: RequestInfo) -> str:
    if not info.is_resource:
        return ""
    if info.name_in_path:
        return "resource"
    return "namespace" if info.namespace else "cluster"


def _labels(info: RequestInfo) -> _Key:
    return info.verb.upper(), info.group, info.version, info.resource, info.subresource, _scope(info)


# (name, help, type: "gauge" or "counter", label names, samples); a counter's name comes without _total
Family = tuple[str, str, str, tuple[str, ...], Iterable[tuple[tuple[str, ...], float]]]
Source = Callable[[], Iterable[Family]]


class Histogram:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0


class Metrics:
    def __init__(self) -> None:
        self._requests: dict[tuple[_Key, int], int] = defaultdict(int)
        self._durations: dict[_Key, Histogram] = defaultdict(Histogram)
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.long_running: dict[_Key, int] = defaultdict(int)
        self.sources: list[Source] = []  # asked at each scrape, so that they cost nothing between

    def count(self, info: RequestInfo, code: int) -> None:
        self._requests[_labels(info), code] += 1

    def observe(self, info: RequestInfo, seconds: float) -> None:
        histogram = self._durations[_labels(info)]
        histogram.total += seconds
        for position, bound in enumerate(_BUCKETS):
            if seconds <= bound:
                histogram.counts[position] += 1
                return
        histogram.counts[-1] += 1

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._gauges[name] = text, value

    def exposition(self) -> bytes:
        from pinnace.apiserver import metrics_exposition

        families = [family for source in self.sources for family in source()]
        return metrics_exposition.render(self._requests, self._durations, self._gauges, families, _BUCKETS)
