"""Counts of pods per node, kept current as pods come and go: the material of topology spread and pod affinity.

A column is built by one scan when a plugin first asks for it, and from then on costs one comparison per pod that comes or
goes in its namespaces. The least recently asked columns are dropped.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.columns import Ids, grown
from pinnace.scheduler.pod_info import AffinityTerm, PodInfo

KEPT = 512


@dataclass(frozen=True, slots=True)
class PodQuery:
    """Pods in one of `namespaces` that match every selector. With `live_only`, pods being deleted do not count."""

    conditions: tuple[tuple[frozenset[str], Selector], ...]
    live_only: bool = False

    @property
    def namespaces(self) -> frozenset[str]:
        return self.conditions[0][0]

    def matches(self, pod: PodInfo) -> bool:
        if self.live_only and pod.is_terminating:
            return False
        return all(
            pod.namespace in namespaces and selector.matches(pod.labels)
            for namespaces, selector in self.conditions
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """A pod affinity term that pods on nodes carry, and how it counts: kind is `anti`, `affinity`, `preferred`, `preferred_anti`."""

    kind: str
    term: AffinityTerm


class PodColumns:
    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._counts: OrderedDict[PodQuery, Ids] = OrderedDict()
        self._asked_in: dict[str, dict[PodQuery, None]] = {}  # namespace -> kept queries that may match there
        self.carried: dict[Carried, Ids] = {}

    def count(self, query: PodQuery, placed: Iterable[tuple[int, PodInfo]]) -> Ids:
        """Matching pods per row. `placed` is read only when the column is not kept yet. Not to be changed."""
        column = self._counts.get(query)
        if column is None:
            column = self._counts[query] = np.zeros(self._capacity, np.int32)
            for row, pod in placed:
                if query.matches(pod):
                    column[row] += 1
            for namespace in query.namespaces:
                self._asked_in.setdefault(namespace, {})[query] = None
            if len(self._counts) > KEPT:
                self._drop(next(iter(self._counts)))
        else:
            self._counts.move_to_end(query)
        return column

    def _drop(self, query: PodQuery) -> None:
        del self._counts[query]
        for namespace in query.namespaces:
            del self._asked_in[namespace][query]

    def charge(self, row: int, pod: PodInfo, sign: int) -> None:
        for query in self._asked_in.get(pod.namespace, ()):
            if query.matches(pod):
                self._counts[query][row] += sign
        demand = pod.demand
        if not (
            demand.affinity
            or demand.anti_affinity
            or demand.preferred_affinity
            or demand.preferred_anti_affinity
        ):
            return
        for carried in carried_by(pod):
            if carried not in self.carried:
                self.carried[carried] = np.zeros(self._capacity, np.int32)
            self.carried[carried][row] += sign
            if sign < 0 and not self.carried[carried].any():
                del self.carried[carried]

    def grow(self, capacity: int) -> None:
        self._capacity = capacity
        for query, column in self._counts.items():
            self._counts[query] = grown(column, capacity)
        for carried, column in self.carried.items():
            self.carried[carried] = grown(column, capacity)


def carried_by(pod: PodInfo) -> Iterable[Carried]:
    demand = pod.demand
    for kind, terms in (
        ("anti", demand.anti_affinity),
        ("affinity", demand.affinity),
        ("preferred", demand.preferred_affinity),
        ("preferred_anti", demand.preferred_anti_affinity),
    ):
        for term in terms:
            yield Carried(kind, term)
