"""What is counted of autoscalers: upstream's `horizontal_pod_autoscaler_controller_*`.

`action` is scale_up, scale_down or none; `error` is spec for what the autoscaler itself has wrong, else internal or none.
"""

from typing import NamedTuple

from pinnace.component.metrics import exponential
from pinnace.controllers.runtime.measures import Measure, Measures

_PREFIX = "horizontal_pod_autoscaler_controller_"
_BOUNDS = exponential(0.001, 2, 15)
_LABELS = ("action", "error")


class _Pair(NamedTuple):
    total: Measure
    duration: Measure


RECONCILIATIONS = _Pair(
    Measure(f"{_PREFIX}reconciliations_total", "Number of reconciliations of HPA controller", _LABELS),
    Measure(
        f"{_PREFIX}reconciliation_duration_seconds",
        "The time(seconds) that the HPA controller takes to reconcile once",
        _LABELS,
        _BOUNDS,
    ),
)
COMPUTATIONS = _Pair(
    Measure(f"{_PREFIX}metric_computation_total", "Number of metric computations", (*_LABELS, "metric_type")),
    Measure(
        f"{_PREFIX}metric_computation_duration_seconds",
        "The time(seconds) that the HPA controller takes to calculate one metric",
        (*_LABELS, "metric_type"),
        _BOUNDS,
    ),
)


def action(current: int, desired: int) -> str:
    return "none" if desired == current else "scale_up" if desired > current else "scale_down"


def note(measures: Measures, pair: _Pair, labels: tuple[str, ...], seconds: float) -> None:
    measures.count(pair.total, labels)
    measures.observe(pair.duration, labels, seconds)
