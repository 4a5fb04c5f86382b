"""The settings of kube-controller-manager for autoscaling."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AutoscalingConfig:
    """Seconds (and a share), as kube-controller-manager's flags `--horizontal-pod-autoscaler-*` have them."""

    sync_period: float = 15.0
    downscale_stabilization: float = 300.0
    cpu_initialization_period: float = 300.0
    initial_readiness_delay: float = 30.0
    tolerance: float = 0.1
