"""NodeResourcesBalancedAllocation: prefer nodes where cpu and memory would be used to a similar degree."""

from typing import ClassVar, Literal

import numpy as np

from pinnace.scheduler.framework import MAX_SCORE, Demand, PodInfo, Scores, Usage
from pinnace.scheduler.pod_info import CPU, MEMORY


class NodeResourcesBalancedAllocation:
    name: ClassVar[str] = "NodeResourcesBalancedAllocation"
    score_reads: ClassVar[Literal["usage"]] = "usage"

    def scores(self, demand: Demand) -> bool:
        """Pods that request neither are not scored: all of them would go to one node.
        https://github.com/kubernetes/kubernetes/issues/129138"""
        return bool(demand.requests.get(CPU) or demand.requests.get(MEMORY))

    def score(self, pod: PodInfo, usage: Usage) -> Scores:
        requests = pod.demand.requests
        added = np.array([[requests.get(CPU, 0)], [requests.get(MEMORY, 0)]])
        capacity = usage.allocatable[:2]
        shares = np.minimum((usage.requested[:2] + added) / np.maximum(capacity, 1), 1.0)
        deviation = np.where((capacity > 0).all(axis=0), np.abs(shares[0] - shares[1]) / 2, 0.0)
        return ((1.0 - deviation) * MAX_SCORE).astype(np.int64)

    def score_row(self, pod: PodInfo, usage: Usage, row: int) -> int:
        shares = []
        for at, resource in enumerate((CPU, MEMORY)):
            capacity = usage.allocatable.item(at, row)
            if capacity <= 0:
                return MAX_SCORE
            wanted = usage.requested.item(at, row) + pod.demand.requests.get(resource, 0)
            shares.append(min(wanted / capacity, 1.0))
        return int((1.0 - abs(shares[0] - shares[1]) / 2) * MAX_SCORE)
