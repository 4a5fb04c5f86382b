"""Which pods would have to leave a node so that another one fits, and which of several nodes loses least.

Per node, as upstream: all pods of lower priority are taken away; when the pod fits then, they are given back one after the
other, those whose eviction breaks a budget first, and in each group the most important first; who no longer fits is a victim.
Filters that read a node's usage alone are asked for many nodes at a time. Others (affinity, spread) look at the whole table:
where a node has pods that have a part in what they say, pods are really taken off the table, node by node, and put back. On
all other nodes they say the same with and without the victims, and are asked once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.columns import Ints, Usage
from pinnace.scheduler.framework import (
    Involving,
    Mask,
    NodeTable,
    PodFilter,
    PodInfo,
    Refusal,
    Rows,
    UsageFilter,
)
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.pod_info import PODS

NO_VICTIMS = Refusal(("No preemption victims found for incoming pod",), preemption_may_help=False)
LEAST_PRIORITY = 2**31  # added to every priority when they are summed, so that more victims never weigh less


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and who must leave it, most important first. `weight` orders candidates: the least is chosen."""

    row: int
    victims: tuple[PodInfo, ...]
    violations: int  # victims whose eviction breaks a budget
    weight: tuple[float, ...]


@dataclass(slots=True)
class Search:
    """What is tried for one pod: the filters that have something to say about it."""

    pod: PodInfo
    nodes: NodeTable
    usage_filters: list[UsageFilter]
    pod_filters: list[PodFilter]
    refused: dict[int, Refusal] = field(default_factory=dict)  # why a node is no candidate
    _involved: Mask | None = None

    @property
    def involved(self) -> Mask:
        """Rows with pods that have a part in what the pod filters say: elsewhere they say the same whoever leaves."""
        if self._involved is None:
            self._involved = np.zeros_like(self.nodes.exists)
            for plugin in self.pod_filters:
                if not isinstance(plugin, Involving):
                    self._involved = self.nodes.exists
                    break
                found = plugin.involved(self.pod, self.nodes, self.nodes)
                if found is not None:
                    self._involved |= found
        return self._involved


class PriorityUsage:
    """What pods of each priority ask for, per node: built when the first pod wants to preempt, kept by rows that changed."""

    def __init__(self) -> None:
        self._version = -1
        self._shape = (0, 0)
        self._sums: dict[int, Ints] = {}

    def lower(self, priority: int, nodes: NodeTable) -> Ints:
        """Requests (and number) of the pods of lower priority; shape (resources, nodes)."""
        self._update(nodes)
        total = np.zeros(self._shape, np.int64)
        for other, sums in self._sums.items():
            if other < priority:
                total += sums
        return total

    def _update(self, nodes: NodeTable) -> None:
        usage = nodes.usage
        if self._shape != usage.requested.shape:
            self._version, self._sums, self._shape = -1, {}, usage.requested.shape
        for row in nodes.rows_changed_since(self._version).tolist():
            for sums in self._sums.values():
                sums[:, row] = 0
            for pod in nodes.pods[row].values():
                if pod.priority not in self._sums:
                    self._sums[pod.priority] = np.zeros(self._shape, np.int64)
                sums = self._sums[pod.priority]
                sums[usage.resources[PODS], row] += 1
                for resource, amount in pod.demand.requests.items():
                    sums[usage.resources[resource], row] += amount
        self._version = nodes.usage_version


class VictimFinder:
    """`started` gives the time at which a pod started, in seconds; infinity while it has not."""

    def __init__(self, nominator: Nominator, budgets: Budgets, started: Callable[[PodInfo], float]) -> None:
        self._nominator, self._budgets, self._started = nominator, budgets, started

    def find(self, search: Search, rows: Rows) -> list[Candidate]:
        """The candidates among these rows; why the others are none goes to `search.refused`."""
        lower = {row: self._lower(search, row) for row in rows.tolist()}
        for row, pods in lower.items():
            if not pods:
                search.refused[row] = NO_VICTIMS
        rows = np.array([row for row, pods in lower.items() if pods], np.intp)
        if not len(rows):
            return []
        if not search.pod_filters:
            return self._together(search, rows, lower)
        involved = search.involved[rows]
        found = self._one_by_one(search, rows[involved], lower) if involved.any() else []
        return found + self._together(search, rows[~involved], lower)

    def admitted(self, search: Search, rows: Rows) -> Rows:
        """Those of the rows that the pod filters let the pod onto; why they refuse the others is noted."""
        rows = _admitted(search, rows)
        with self._nominator.placed(search.pod, search.pod_filters) as are_there:
            return _admitted(search, rows) if are_there else rows

    def _lower(self, search: Search, row: int) -> list[PodInfo]:
        """Pods of lower priority in the order in which they are given back."""
        pods = [pod for pod in search.nodes.pods[row].values() if pod.priority < search.pod.priority]
        pods.sort(key=self._importance)
        return pods

    def _importance(self, pod: PodInfo) -> tuple[float, float]:
        return -pod.priority, self._started(pod)

    def _usage(self, search: Search, rows: Rows) -> Usage:
        """A copy of the rows' usage, with the nominated pods that count."""
        usage = search.nodes.usage.at(rows)
        if len(self._nominator):
            self._nominator.charge(search.pod, usage, rows)
        return usage

    def _together(self, search: Search, rows: Rows, lower: Mapping[int, list[PodInfo]]) -> list[Candidate]:
        usage = self._usage(search, rows)
        for position, row in enumerate(rows.tolist()):
            for pod in lower[row]:
                usage.charge(position, pod, -1)
        chosen = np.flatnonzero(self._still_fits(search, usage, rows))
        if search.pod_filters:
            chosen = chosen[np.isin(rows[chosen], self.admitted(search, rows[chosen]))]
        rows, usage = rows[chosen], usage.at(chosen)
        orders = [self._order(lower[row]) for row in rows.tolist()]
        victims: list[list[PodInfo]] = [[] for _ in orders]
        for turn in range(max((len(order) for order, _ in orders), default=0)):
            playing = [position for position, (order, _) in enumerate(orders) if turn < len(order)]
            for position in playing:
                usage.charge(position, orders[position][0][turn], 1)
            fits = _fits(search, usage)
            for position in playing:
                if not fits[position]:
                    pod = orders[position][0][turn]
                    usage.charge(position, pod, -1)
                    victims[position].append(pod)
        return [
            self._candidate(row, found, breaking)
            for row, found, (_, breaking) in zip(rows.tolist(), victims, orders, strict=True)
        ]

    def _still_fits(self, search: Search, usage: Usage, rows: Rows) -> Mask:
        """Whether the pod fits with all lower pods gone; the refusals of those where it does not are noted."""
        open_ = np.ones(len(rows), np.bool_)
        for plugin in search.usage_filters:
            mask = plugin.filter(search.pod, usage)
            closed = np.flatnonzero(open_ & ~mask)
            if len(closed):
                refusals = plugin.refusals(search.pod, usage.at(closed))
                search.refused.update(zip(rows[closed].tolist(), refusals, strict=True))
            open_ &= mask
        return open_

    def _order(self, pods: list[PodInfo]) -> tuple[list[PodInfo], set[str]]:
        """The order of giving back, and the uids of those whose eviction breaks a budget."""
        breaking = self._budgets.violating(pods)
        if not breaking:
            return pods, breaking
        return sorted(pods, key=lambda pod: pod.uid not in breaking), breaking

    def _one_by_one(self, search: Search, rows: Rows, lower: Mapping[int, list[PodInfo]]) -> list[Candidate]:
        found = []
        for row in rows.tolist():
            with (
                search.nodes.unnoticed(),
                _taken_off(search.nodes, row, lower[row]) as give_back,
            ):
                victims = self._on_table(search, row, *self._order(lower[row]), give_back)
            if victims is not None:
                found.append(self._candidate(row, *victims))
        return found

    def _on_table(
        self, search: Search, row: int, order: list[PodInfo], breaking: set[str],
        give_back: Callable[[PodInfo, bool], None],
    ) -> tuple[list[PodInfo], set[str]] | None:  # fmt: skip
        refusal = self._refusal_on_table(search, row)
        if refusal is not None:
            search.refused[row] = refusal
            return None
        victims = []
        for pod in order:
            give_back(pod, True)
            if self._refusal_on_table(search, row) is not None:
                give_back(pod, False)
                victims.append(pod)
        return victims, breaking

    def _refusal_on_table(self, search: Search, row: int) -> Refusal | None:
        rows = np.array([row], np.intp)
        usage = self._usage(search, rows)
        for plugin in search.usage_filters:
            if not plugin.filter(search.pod, usage)[0]:
                return plugin.refusals(search.pod, usage)[0]
        refusal = _refusal_of_pods(search, rows)
        if refusal is None and len(self._nominator):
            with self._nominator.placed(search.pod, search.pod_filters):
                refusal = _refusal_of_pods(search, rows)
        return refusal

    def _candidate(self, row: int, victims: list[PodInfo], breaking: set[str]) -> Candidate:
        victims.sort(key=self._importance)
        violations = sum(pod.uid in breaking for pod in victims)
        highest = victims[0].priority if victims else -LEAST_PRIORITY
        earliest = min((self._started(pod) for pod in victims if pod.priority == highest), default=0.0)
        weight = (
            violations, highest, sum(pod.priority + LEAST_PRIORITY for pod in victims), len(victims), -earliest,
        )  # fmt: skip
        return Candidate(row, tuple(victims), violations, weight)


def _fits(search: Search, usage: Usage) -> Mask:
    mask = np.ones(usage.nonzero.shape[1], np.bool_)
    for plugin in search.usage_filters:
        mask &= plugin.filter(search.pod, usage)
    return mask


def _admitted(search: Search, rows: Rows) -> Rows:
    for plugin in search.pod_filters:
        closed = rows[~plugin.filter(search.pod, search.nodes)[rows]]
        if len(closed):
            refusals = plugin.refusals(search.pod, search.nodes, closed)
            search.refused.update(zip(closed.tolist(), refusals, strict=True))
            rows = rows[~np.isin(rows, closed)]
    return rows


def _refusal_of_pods(search: Search, rows: Rows) -> Refusal | None:
    for plugin in search.pod_filters:
        if not plugin.filter(search.pod, search.nodes)[rows[0]]:
            return plugin.refusals(search.pod, search.nodes, rows)[0]
    return None


@contextmanager
def _taken_off(
    nodes: NodeTable, row: int, pods: Sequence[PodInfo]
) -> Iterator[Callable[[PodInfo, bool], None]]:
    """The table without these pods, until the end of the block; the value puts one back or takes it off again."""
    name = nodes.names[row]
    off = {pod.uid: pod for pod in pods}
    for pod in pods:
        nodes.remove_pod(name, pod.uid)

    def give_back(pod: PodInfo, back: bool) -> None:
        if back:
            nodes.add_pod(name, off.pop(pod.uid))
        else:
            nodes.remove_pod(name, pod.uid)
            off[pod.uid] = pod

    try:
        yield give_back
    finally:
        for pod in off.values():
            nodes.add_pod(name, pod)
