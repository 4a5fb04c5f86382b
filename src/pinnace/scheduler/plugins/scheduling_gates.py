"""SchedulingGates: a pod with gates is not ready to be scheduled; the API server says so in its PodScheduled condition."""

from typing import ClassVar

from pinnace.scheduler.pod_info import PodInfo


class SchedulingGates:
    name: ClassVar[str] = "SchedulingGates"

    def admits(self, pod: PodInfo) -> bool:
        return not pod.is_gated
