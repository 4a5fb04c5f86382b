"""NodeResourcesFit: the node must have room for the pod; nodes with more room left score higher (LeastAllocated)."""

from collections.abc import Sequence
from itertools import compress
from typing import ClassVar, Literal

import numpy as np

from pinnace.scheduler.framework import MAX_SCORE, Demand, Mask, PodInfo, Refusal, Scores, Usage
from pinnace.scheduler.pod_info import PODS

TOO_MANY = "Too many pods"


class NodeResourcesFit:
    name: ClassVar[str] = "NodeResourcesFit"
    reads: ClassVar[Literal["usage"]] = "usage"
    score_reads: ClassVar[Literal["usage"]] = "usage"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Node/Add",
        "Node/UpdateAllocatable",
        "Pod/Delete",
        "Pod/ScaleDown",
    )

    def applies(self, demand: Demand) -> bool:
        return True

    def filter(self, pod: PodInfo, usage: Usage) -> Mask:
        pods = usage.resources[PODS]
        mask: Mask = usage.requested[pods] < usage.allocatable[pods]
        for resource, amount in pod.demand.requests.items():
            mask &= _fits(usage, resource, amount)
        return mask

    def fits_row(self, pod: PodInfo, usage: Usage, row: int) -> bool:
        requested, allocatable, resources = usage.requested, usage.allocatable, usage.resources
        pods = resources[PODS]
        if requested.item(pods, row) >= allocatable.item(pods, row):
            return False
        for resource, amount in pod.demand.requests.items():
            at = resources.get(resource)
            if at is None or requested.item(at, row) + amount > allocatable.item(at, row):
                return False
        return True

    def refusals(self, pod: PodInfo, usage: Usage) -> list[Refusal]:
        """Rows that lack the same share one refusal."""
        pods = usage.resources[PODS]
        texts, lacks = [TOO_MANY], [usage.requested[pods] >= usage.allocatable[pods]]
        hopeless = np.zeros(usage.nonzero.shape[1], np.bool_)
        for resource, amount in pod.demand.requests.items():
            texts.append(f"Insufficient {resource}")
            lacks.append(~_fits(usage, resource, amount))
            hopeless |= amount > _allocatable(usage, resource)
        packed = np.packbits(np.array((hopeless, *lacks)), axis=0).T
        rows = np.ascontiguousarray(packed).tobytes()
        width = packed.shape[1]
        codes = [rows[begin : begin + width] for begin in range(0, len(rows), width)]
        known = {code: _refusal(code, texts) for code in set(codes)}
        return [known[code] for code in codes]

    def scores(self, demand: Demand) -> bool:
        return True

    def score(self, pod: PodInfo, usage: Usage) -> Scores:
        """The mean, over cpu and memory, of the share in per cent that is left after the pod has come."""
        added = np.array([[pod.demand.nonzero_cpu_millis], [pod.demand.nonzero_memory_bytes]])
        capacity = usage.allocatable[:2]
        left = capacity - usage.nonzero - added
        share = np.where(left > 0, left * MAX_SCORE // np.maximum(capacity, 1), 0)
        counted = (capacity > 0).sum(axis=0)
        return share.sum(axis=0) // np.maximum(counted, 1)

    def score_row(self, pod: PodInfo, usage: Usage, row: int) -> int:
        total = counted = 0
        added = pod.demand.nonzero_cpu_millis, pod.demand.nonzero_memory_bytes
        for at, amount in enumerate(added):
            capacity = usage.allocatable.item(at, row)
            left = capacity - usage.nonzero.item(at, row) - amount
            counted += capacity > 0
            if left > 0:
                total += left * MAX_SCORE // capacity
        return total // max(counted, 1)


def _refusal(code: bytes, texts: Sequence[str]) -> Refusal:
    """The first bit of the code: no eviction helps; the others: which of the texts hold."""
    never, *lacking = np.unpackbits(np.frombuffer(code, np.uint8), count=len(texts) + 1).tolist()
    return Refusal(tuple(compress(texts, lacking)), preemption_may_help=not never)


def _allocatable(usage: Usage, resource: str) -> Scores:
    position = usage.resources.get(resource)
    return np.zeros(usage.nonzero.shape[1], np.int64) if position is None else usage.allocatable[position]


def _fits(usage: Usage, resource: str, amount: int) -> Mask:
    position = usage.resources.get(resource)
    if position is None:  # no node ever had any
        return np.zeros(usage.nonzero.shape[1], np.bool_)
    return usage.requested[position] + amount <= usage.allocatable[position]
