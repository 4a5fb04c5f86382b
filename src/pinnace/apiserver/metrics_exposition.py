"""`/metrics`: the counters of `metrics.py` and the process's own as Prometheus text."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")


_FAMILIES = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class _Snapshot:
    """A prometheus-client collector over the plain counters."""

    def __init__(
        self,
        requests: Mapping[Any, int],
        durations: Mapping[Any, Any],
        gauges: Mapping[str, tuple[str, Callable[[], float]]],
        families: Iterable[Any],
        buckets: tuple[float, ...],
    ) -> None:
        self._requests, self._durations, self._gauges, self._buckets = requests, durations, gauges, buckets
        self._families = families

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "apiserver_request", "Counter of apiserver requests.", labels=(*_LABELS, "code", "dry_run")
        )
        for (labels, code), value in self._requests.items():
            total.add_metric((*labels, str(code), ""), value)
        yield total
        yield self._duration()
        for name, (text, value_of) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=value_of())
        for name, text, kind, labels, samples in self._families:
            family = _FAMILIES[kind](name, text, labels=labels)
            for values, value in samples:
                family.add_metric(values, value)
            yield family

    def _duration(self) -> Metric:
        family = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Response latency distribution in seconds.",
            labels=(*_LABELS, "dry_run"),
        )  # fmt: skip
        for labels, histogram in self._durations.items():
            running, rows = 0, []
            for bound, count in zip((*map(str, self._buckets), "+Inf"), histogram.counts, strict=True):
                running += count
                rows.append((bound, float(running)))
            family.add_metric((*labels, ""), rows, histogram.total)
        return family


def render(
    requests: Mapping[Any, int],
    durations: Mapping[Any, Any],
    gauges: Mapping[str, tuple[str, Callable[[], float]]],
    families: Iterable[Any],
    buckets: tuple[float, ...],
) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Snapshot(requests, durations, gauges, families, buckets))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
