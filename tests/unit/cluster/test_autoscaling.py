"""The flags of the HorizontalPodAutoscaler controller."""

import pytest

from pinnace.cluster import autoscaling
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.errors import UsageError
from pinnace.controllers.horizontalpodautoscaling import AutoscalingConfig


def test_what_is_not_told_is_as_upstream_has_it() -> None:
    assert autoscaling.settings(ClusterConfig()) == AutoscalingConfig()


def test_what_is_told_counts_also_nothing() -> None:
    told = ClusterConfig(
        horizontal_pod_autoscaler_sync_period="500ms",
        horizontal_pod_autoscaler_downscale_stabilization="0",
        horizontal_pod_autoscaler_tolerance=0.0,
    )
    autoscaling.check(told)
    expected = AutoscalingConfig(sync_period=0.5, downscale_stabilization=0.0, tolerance=0.0)
    assert autoscaling.settings(told) == expected


@pytest.mark.parametrize(
    "told",
    [
        {"horizontal_pod_autoscaler_sync_period": "0s"},
        {"horizontal_pod_autoscaler_sync_period": "soon"},
        {"horizontal_pod_autoscaler_tolerance": -0.1},
        {"horizontal_pod_autoscaler_tolerance": float("nan")},
    ],
)
def test_what_cannot_work_is_refused(told: dict) -> None:
    with pytest.raises(UsageError):
        autoscaling.check(ClusterConfig(**told))
