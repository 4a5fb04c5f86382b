"""NodeResourcesFit and NodeResourcesBalancedAllocation as a scheduler configuration may want them: other resources, weights,
strategies, and resources that are not looked at. Without such wishes the plain plugins run, which know only cpu and memory.
"""

import itertools
from collections.abc import Callable

import numpy as np

from pinnace.scheduler.framework import MAX_SCORE, Mask, PodInfo, Refusal, Scores, Usage
from pinnace.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from pinnace.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pinnace.scheduler.pod_info import CPU, MEMORY, PODS, STORAGE
from pinnace.scheduler.settings import FitArgs

PRIMARY = (CPU, MEMORY, STORAGE)  # known of every node; others count only for pods that ask for them
Rate = Callable[[Scores, Scores], Scores]  # (requested, capacity) -> 0..100


def fit_for(args: FitArgs) -> NodeResourcesFit:
    return NodeResourcesFit() if args == FitArgs() else ConfiguredFit(args)


def balance_for(resources: tuple[str, ...]) -> NodeResourcesBalancedAllocation:
    plain = resources == (CPU, MEMORY)
    return NodeResourcesBalancedAllocation() if plain else ConfiguredBalance(resources)


class ConfiguredFit(NodeResourcesFit):
    def __init__(self, args: FitArgs) -> None:
        self._args = args
        self._rate, self._rounds_zero_away = _rate(args), args.strategy == "RequestedToCapacityRatio"

    def _counted(self, pod: PodInfo) -> dict[str, int]:
        return {r: amount for r, amount in pod.demand.requests.items() if not self._args.ignores(r)}

    def filter(self, pod: PodInfo, usage: Usage) -> Mask:
        pods = usage.resources[PODS]
        mask: Mask = usage.requested[pods] < usage.allocatable[pods]
        for resource, amount in self._counted(pod).items():
            requested, allocatable = _columns(usage, resource)
            mask &= requested + amount <= allocatable
        return mask

    def fits_row(self, pod: PodInfo, usage: Usage, row: int) -> bool:
        return bool(self.filter(pod, usage.at(np.array([row], np.intp)))[0])

    def refusals(self, pod: PodInfo, usage: Usage) -> list[Refusal]:
        """What the plain plugin says, without the resources that are not looked at."""
        ignored = {
            f"Insufficient {resource}" for resource in pod.demand.requests if self._args.ignores(resource)
        }
        found = super().refusals(pod, usage)
        if not ignored:
            return found
        hopeless = np.zeros(usage.nonzero.shape[1], np.bool_)
        for resource, amount in self._counted(pod).items():
            hopeless |= amount > _columns(usage, resource)[1]
        return [
            Refusal(tuple(text for text in refusal.reasons if text not in ignored), not never)
            for refusal, never in zip(found, hopeless.tolist(), strict=True)
        ]

    def score(self, pod: PodInfo, usage: Usage) -> Scores:
        total = np.zeros(usage.nonzero.shape[1], np.int64)
        weights = np.zeros_like(total)
        for resource, weight in self._args.resources:
            if resource not in PRIMARY and not pod.demand.requests.get(resource):
                continue
            requested, capacity = _with_pod(pod, usage, resource)
            points = np.where(capacity > 0, self._rate(requested, capacity), 0)
            counts = (capacity > 0) & ((points > 0) if self._rounds_zero_away else True)
            total += np.where(counts, points * weight, 0)
            weights += np.where(counts, weight, 0)
        share = total / np.maximum(weights, 1)
        rounded = np.floor(share + 0.5) if self._rounds_zero_away else np.floor(share)
        return rounded.astype(np.int64)

    def score_row(self, pod: PodInfo, usage: Usage, row: int) -> int:
        return int(self.score(pod, usage.at(np.array([row], np.intp)))[0])


class ConfiguredBalance(NodeResourcesBalancedAllocation):
    def __init__(self, resources: tuple[str, ...]) -> None:
        self._resources = resources

    def scores(self, demand: object) -> bool:
        return any(demand.requests.get(resource) for resource in self._resources)  # type: ignore[attr-defined]

    def score(self, pod: PodInfo, usage: Usage) -> Scores:
        shares, counts = [], []
        for resource in self._resources:
            if resource not in PRIMARY and not pod.demand.requests.get(resource):
                continue
            requested, capacity = _columns(usage, resource)
            wanted = requested + pod.demand.requests.get(resource, 0)
            shares.append(np.minimum(wanted / np.maximum(capacity, 1), 1.0))
            counts.append(capacity > 0)
        if not shares:
            return np.full(usage.nonzero.shape[1], MAX_SCORE, np.int64)
        among, values = np.stack(counts), np.stack(shares)
        number = np.maximum(among.sum(axis=0), 1)
        mean = np.where(among, values, 0).sum(axis=0) / number
        deviation = np.sqrt(np.where(among, (values - mean) ** 2, 0).sum(axis=0) / number)
        return ((1.0 - deviation) * MAX_SCORE).astype(np.int64)

    def score_row(self, pod: PodInfo, usage: Usage, row: int) -> int:
        return int(self.score(pod, usage.at(np.array([row], np.intp)))[0])


def _columns(usage: Usage, resource: str) -> tuple[Scores, Scores]:
    """(requested, allocatable) of a resource, zeros when no node ever had any."""
    position = usage.resources.get(resource)
    if position is None:
        nothing = np.zeros(usage.nonzero.shape[1], np.int64)
        return nothing, nothing
    return usage.requested[position], usage.allocatable[position]


def _with_pod(pod: PodInfo, usage: Usage, resource: str) -> tuple[Scores, Scores]:
    """(requested with the pod, capacity), where containers that say nothing of cpu and memory count with a default."""
    requested, capacity = _columns(usage, resource)
    if resource == CPU:
        return usage.nonzero[0] + pod.demand.nonzero_cpu_millis, capacity
    if resource == MEMORY:
        return usage.nonzero[1] + pod.demand.nonzero_memory_bytes, capacity
    return requested + pod.demand.requests.get(resource, 0), capacity


def _rate(args: FitArgs) -> Rate:
    if args.strategy == "LeastAllocated":
        return lambda requested, capacity: np.where(
            requested > capacity, 0, (capacity - requested) * MAX_SCORE // np.maximum(capacity, 1)
        )
    if args.strategy == "MostAllocated":
        return lambda requested, capacity: (
            np.minimum(requested, capacity) * MAX_SCORE // np.maximum(capacity, 1)
        )
    return _broken_line(tuple((utilization, score * 10) for utilization, score in args.shape))


def _broken_line(shape: tuple[tuple[int, int], ...]) -> Rate:
    """Between two points the score follows the line that joins them, cut to whole numbers; outside it is that of the end."""

    def rate(requested: Scores, capacity: Scores) -> Scores:
        used = np.where(requested > capacity, 100, requested * 100 // np.maximum(capacity, 1))
        found = np.full_like(used, shape[-1][1])
        for (low, start), (high, end) in reversed(list(itertools.pairwise(shape))):
            between = start + np.trunc((end - start) * (used - low) / (high - low)).astype(np.int64)
            found = np.where(used <= high, between, found)
        return np.where(used <= shape[0][0], shape[0][1], found)

    return rate
