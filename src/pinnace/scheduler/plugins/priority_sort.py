"""PrioritySort: pods of higher priority first, then those that wait longest."""

from typing import ClassVar

from pinnace.scheduler.pod_info import PodInfo


class PrioritySort:
    name: ClassVar[str] = "PrioritySort"

    def key(self, pod: PodInfo, queued_at: float) -> tuple[int, float]:
        return -pod.priority, queued_at
