"""HorizontalPodAutoscaler controller: the scale of a target follows what its pods, or something else, measure.

`measurements` asks the metrics APIs, `calculator` says what a metric asks for, `limits` what may be done about it,
`metrics` goes through the metrics of one autoscaler, `judge` decides and writes, and `controller` is the loop.
"""

from pinnace.controllers.horizontalpodautoscaling.config import AutoscalingConfig
from pinnace.controllers.horizontalpodautoscaling.controller import HorizontalPodAutoscalerController

__all__ = ["AutoscalingConfig", "HorizontalPodAutoscalerController"]
