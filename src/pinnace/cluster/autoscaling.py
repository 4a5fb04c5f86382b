"""kube-controller-manager's flags of the HorizontalPodAutoscaler controller, under their own names: one table row each."""

import argparse
import math
from typing import TYPE_CHECKING, Any

from pinnace.cluster.errors import UsageError
from pinnace.cluster.security import check_duration, seconds

if TYPE_CHECKING:
    from pinnace.cluster.config import ClusterConfig
    from pinnace.controllers.horizontalpodautoscaling import AutoscalingConfig

PREFIX = "horizontal-pod-autoscaler-"
TIMES = {
    "sync_period": "time between two looks at an autoscaler (default 15s)",
    "downscale_stabilization": "how long the highest recommendation counts (default 5m)",
    "cpu_initialization_period": "how long a new pod's cpu may be left out (default 5m)",
    "initial_readiness_delay": "how long a new pod may be unready from its start (default 30s)",
}  # fields of AutoscalingConfig
TOLERANCE = "tolerance"


def _flag(field: str) -> str:
    return PREFIX + field.replace("_", "-")


def _told(config: "ClusterConfig", field: str) -> Any:
    return getattr(config, _flag(field).replace("-", "_"))


def add_flags(parser: argparse.ArgumentParser) -> None:
    for field, text in TIMES.items():
        parser.add_argument(f"--{_flag(field)}", help=text)
    text = "by how much usage may be off before anything is scaled (default 0.1)"
    parser.add_argument(f"--{_flag(TOLERANCE)}", type=float, help=text)


def command_line(config: "ClusterConfig") -> list[str]:
    told = {field: _told(config, field) for field in (*TIMES, TOLERANCE)}
    return [f"--{_flag(field)}={value}" for field, value in told.items() if value not in (None, "")]


def check(config: "ClusterConfig") -> None:
    """Raises UsageError."""
    for field in TIMES:
        if text := _told(config, field):
            check_duration(_flag(field), text)
            if field == "sync_period" and seconds(text, 0.0) <= 0:
                raise UsageError(f"--{_flag(field)} {text}: must be more than nothing")
    tolerance = _told(config, TOLERANCE)
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise UsageError(f"--{_flag(TOLERANCE)} {tolerance}: must not be negative")


def settings(config: "ClusterConfig") -> "AutoscalingConfig":
    from pinnace.controllers.horizontalpodautoscaling import AutoscalingConfig

    usual = AutoscalingConfig()
    times = {field: seconds(_told(config, field), getattr(usual, field)) for field in TIMES}
    tolerance = _told(config, TOLERANCE)
    return AutoscalingConfig(**times, tolerance=usual.tolerance if tolerance is None else tolerance)
