"""Counts of pods per node and per domain, kept current as pods come and go: the material of topology spread and pod affinity.

A tally is built by one scan when a plugin first asks for it. From then on a pod that comes or goes costs a look-up by its
labels and one addition per tally that it matches; sums over domains (zones, racks, ...) follow by one addition each, so that
no plugin adds up thousands of nodes for a pod. The least recently asked tallies are dropped.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pinnace.apimachinery.selectors import Requirement, Selector
from pinnace.scheduler.columns import ABSENT, Distinct, Ids, grown
from pinnace.scheduler.pod_info import AffinityTerm, PodInfo

KEPT = 512
MANY = 2**31  # more pods than any domain has

T = TypeVar("T", bound=Hashable)
Mask = NDArray[np.bool_]
Sums = NDArray[np.int64]


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
        for namespaces, selector in self.conditions:
            if pod.namespace not in namespaces or not selector.matches(pod.labels):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Carried:
    """A pod affinity term that pods on nodes carry, and how it counts: kind is `anti`, `affinity`, `preferred`, `preferred_anti`."""

    kind: str
    term: AffinityTerm


class DomainSums:
    """Pods per domain, i.e. per value of a label of nodes, over the nodes that count; valid until a node changes.

    `of(row)` is `values[ids[row]]`; the last entry answers for nodes without the label and stays 0.
    """

    __slots__ = ("_counted", "_everywhere", "_present", "ids", "values")

    def __init__(self, column: Distinct[str], counts: Ids, counted: Mask) -> None:
        self.ids, self._counted = column.ids, counted & (column.ids != ABSENT)
        chosen, size = self.ids[self._counted], len(column.values)
        self.values: Sums = np.zeros(size + 1, np.int64)
        self.values[:size] = np.bincount(chosen, weights=counts[self._counted], minlength=size)
        self._present = np.bincount(chosen, minlength=size + 1) > 0
        self._everywhere = bool(self._present[:-1].all())

    def charge(self, row: int, sign: int) -> None:
        if self._counted[row]:
            self.values[self.ids[row]] += sign

    @property
    def domains(self) -> int:
        """How many domains have a node that counts."""
        return int(np.count_nonzero(self._present))

    def fewest(self) -> int:
        """Pods of the domain that has the fewest; 0 without domains."""
        if self._everywhere:
            return int(self.values[:-1].min(initial=MANY)) if len(self.values) > 1 else 0
        least = int(self.values.min(where=self._present, initial=MANY))
        return 0 if least == MANY else least


class Tally:
    """Pods per row of the table, and their sums over domains that plugins have asked for."""

    __slots__ = ("rows", "sums", "total")

    def __init__(self, capacity: int) -> None:
        self.rows: Ids = np.zeros(capacity, np.int32)
        self.sums: dict[tuple[str, Hashable], DomainSums] = {}
        self.total = 0

    def charge(self, row: int, sign: int) -> None:
        self.rows[row] += sign
        self.total += sign
        for sums in self.sums.values():
            sums.charge(row, sign)


class ByLabel(Generic[T]):
    """Things found by the labels that their selector asks for: all that may match a pod, without asking each of them."""

    def __init__(self) -> None:
        self._by_pair: dict[tuple[str, str], dict[T, None]] = {}
        self._others: dict[T, None] = {}

    def add(self, thing: T, requirements: Iterable[Requirement]) -> None:
        for shelf in self._shelves(requirements):
            shelf[thing] = None

    def remove(self, thing: T, requirements: Iterable[Requirement]) -> None:
        for shelf in self._shelves(requirements):
            shelf.pop(thing, None)
        for pair in [pair for pair in _pairs(requirements) or () if not self._by_pair.get(pair)]:
            self._by_pair.pop(pair, None)

    def _shelves(self, requirements: Iterable[Requirement]) -> list[dict[T, None]]:
        pairs = _pairs(requirements)
        if pairs is None:
            return [self._others]
        return [self._by_pair.setdefault(pair, {}) for pair in pairs]

    def candidates(self, labels: Mapping[str, str]) -> list[T]:
        """Each once; what is not among them does not match these labels."""
        found = list(self._others)
        if self._by_pair:
            for pair in labels.items():
                found += self._by_pair.get(pair, ())
        return found


def _pairs(requirements: Iterable[Requirement]) -> list[tuple[str, str]] | None:
    """The labels one of which a pod must have; None when no requirement says so."""
    for requirement in requirements:
        if requirement.operator == "In":
            return [(requirement.key, value) for value in requirement.values]
    return None


class PodColumns:
    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._tallies: OrderedDict[PodQuery, Tally] = OrderedDict()
        self._asked_in: dict[str, ByLabel[PodQuery]] = {}  # namespace -> kept queries that may match there
        self.carried: dict[Carried, Tally] = {}
        self._carriers: dict[str, ByLabel[Carried]] = {}  # kind -> terms, by the labels that they select
        self._kinds: dict[str, int] = {}  # kind -> how many different terms
        self._with_sums: list[Tally] = []
        self._placed: dict[str, dict[str, tuple[int, PodInfo]]] = {}  # namespace -> uid -> row, pod

    def tally(self, query: PodQuery) -> Tally:
        """Matching pods. Not to be changed."""
        tally = self._tallies.get(query)
        if tally is not None:
            self._tallies.move_to_end(query)
            return tally
        tally = self._tallies[query] = Tally(self._capacity)
        for namespace in query.namespaces:
            for row, pod in self._placed.get(namespace, {}).values():
                if query.matches(pod):
                    tally.charge(row, 1)
            self._asked_in.setdefault(namespace, ByLabel()).add(query, _requirements(query))
        if len(self._tallies) > KEPT:
            self._drop(next(iter(self._tallies)))
        return tally

    def _drop(self, query: PodQuery) -> None:
        del self._tallies[query]
        for namespace in query.namespaces:
            self._asked_in[namespace].remove(query, _requirements(query))

    def sums(
        self, tally: Tally, key: str, column: Distinct[str], token: Hashable, counted: Callable[[], Mask]
    ) -> DomainSums:
        """Over the nodes that `counted` says; `token` stands for which these are."""
        sums = tally.sums.get((key, token))
        if sums is None:
            if not tally.sums:
                self._with_sums.append(tally)
            sums = tally.sums[key, token] = DomainSums(column, tally.rows, counted())
        return sums

    def forget_sums(self) -> None:
        """Nodes have changed: domains may be others now."""
        for tally in self._with_sums:
            tally.sums.clear()
        self._with_sums.clear()

    # --- pods come and go

    def charge(self, row: int, pod: PodInfo, sign: int) -> None:
        """A pod has come to the row (sign 1) or left it (-1)."""
        if sign > 0:
            self._placed.setdefault(pod.namespace, {})[pod.uid] = row, pod
        else:
            members = self._placed[pod.namespace]
            del members[pod.uid]
            if not members:
                del self._placed[pod.namespace]
        asked = self._asked_in.get(pod.namespace)
        if asked is not None:
            for query in asked.candidates(pod.labels):
                if query.matches(pod):
                    self._tallies[query].charge(row, sign)
        if pod.demand.has_pod_terms:
            for carried in carried_by(pod):
                self._carry(carried, row, sign)

    def replace(self, row: int, old: PodInfo, new: PodInfo) -> None:
        """The pod has changed, but for its demand."""
        self._placed[new.namespace][new.uid] = row, new
        asked = self._asked_in.get(new.namespace)
        if asked is None or (old.labels == new.labels and old.is_terminating == new.is_terminating):
            return
        for query in {*asked.candidates(old.labels), *asked.candidates(new.labels)}:
            sign = query.matches(new) - query.matches(old)
            if sign:
                self._tallies[query].charge(row, sign)

    def _carry(self, carried: Carried, row: int, sign: int) -> None:
        tally = self.carried.get(carried)
        if tally is None:
            tally = self.carried[carried] = Tally(self._capacity)
            self._kinds[carried.kind] = self._kinds.get(carried.kind, 0) + 1
            self._carriers.setdefault(carried.kind, ByLabel()).add(
                carried, carried.term.selector.requirements
            )
        tally.charge(row, sign)
        if sign < 0 and not tally.total:
            del self.carried[carried]
            self._kinds[carried.kind] -= 1
            self._carriers[carried.kind].remove(carried, carried.term.selector.requirements)

    def carries(self, kind: str) -> bool:
        return self._kinds.get(kind, 0) > 0

    def carried_for(self, kind: str, pod: PodInfo) -> Iterator[tuple[AffinityTerm, Tally]]:
        """Terms of this kind whose selector may match the pod."""
        carriers = self._carriers.get(kind)
        if carriers is not None:
            for carried in carriers.candidates(pod.labels):
                yield carried.term, self.carried[carried]

    def grow(self, capacity: int) -> None:
        self._capacity = capacity
        for tally in (*self._tallies.values(), *self.carried.values()):
            tally.rows = grown(tally.rows, capacity)


def _requirements(query: PodQuery) -> tuple[Requirement, ...]:
    return tuple(requirement for _, selector in query.conditions for requirement in selector.requirements)


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
