"""PodTopologySpread: even numbers of matching pods over zones, nodes or any other label of nodes.

Hard constraints filter, soft ones score. A pod without constraints that belongs to a Service or a workload is spread softly
over nodes and zones, as upstream's system defaults have it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.columns import ABSENT
from pinnace.scheduler.framework import MAX_SCORE, Mask, NodeTable, PodInfo, Refusal, Rows, Scores
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.node_table import Sums, per_value
from pinnace.scheduler.plugins import node_affinity
from pinnace.scheduler.plugins.taint_toleration import HARD, untolerated
from pinnace.scheduler.pod_columns import PodQuery
from pinnace.scheduler.pod_info import SpreadConstraint

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
SKEWED = "node(s) didn't match pod topology spread constraints"
UNLABELLED = f"{SKEWED} (missing required label)"
DEFAULT_SKEWS = ((HOSTNAME, 3), (ZONE, 5))


class PodTopologySpread:
    """`workload_selector` gives the selector of the Services and workloads that a pod belongs to, if any."""

    name: ClassVar[str] = "PodTopologySpread"
    reads: ClassVar[Literal["pods"]] = "pods"
    score_reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Node/Add", "Node/Delete", "Node/UpdateLabel", "Node/UpdateTaint",
        "Pod/Add", "Pod/Delete", "Pod/UpdateLabel",
    )  # fmt: skip

    def __init__(self, workload_selector: Callable[[PodInfo], Selector | None]) -> None:
        self._workload_selector = workload_selector

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return any(constraint.is_hard for constraint in pod.demand.spread)

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = np.ones_like(nodes.exists)
        for constraint in self._hard(pod):
            mask &= self._has_label(constraint, nodes) & self._is_even(pod, constraint, nodes)
        return mask

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        answers: dict[int, Refusal] = {}
        for constraint in self._hard(pod):
            labelled, even = self._has_label(constraint, nodes), self._is_even(pod, constraint, nodes)
            for row in rows:
                if not labelled[row]:
                    answers.setdefault(row, Refusal((UNLABELLED,), preemption_may_help=False))
                elif not even[row]:
                    answers.setdefault(row, Refusal((SKEWED,), preemption_may_help=True))
        return [answers[row] for row in rows]

    def may_help(self, pod: PodInfo, what: Happening) -> bool:
        """A pod that is counted came, changed or left, or a node that is counted did."""
        hard = self._hard(pod)
        others = [other for other in (what.pod, what.old) if other is not None]
        if others:
            return any(
                other.namespace == pod.namespace and constraint.selector.matches(other.labels)
                for other in others
                for constraint in hard
            )
        keys = [constraint.topology_key for constraint in hard]
        return any(all(key in labels for key in keys) for labels in (what.labels, what.labels_before))

    def _hard(self, pod: PodInfo) -> list[SpreadConstraint]:
        return [constraint for constraint in pod.demand.spread if constraint.is_hard]

    def _has_label(self, constraint: SpreadConstraint, nodes: NodeTable) -> Mask:
        return nodes.label(constraint.topology_key).ids != ABSENT

    def _is_even(self, pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable) -> Mask:
        column = nodes.label(constraint.topology_key)
        eligible = _eligible(pod, constraint, nodes, self._hard(pod))
        sums = per_value(column, nodes.matching(_query(pod, constraint)), eligible)
        domains = np.bincount(column.ids[eligible], minlength=len(column.values)) > 0
        fewest = sums[domains].min() if np.count_nonzero(domains) >= constraint.min_domains else 0
        arriving = int(constraint.selector.matches(pod.labels))
        return np.append(sums, 0)[column.ids] + arriving - fewest <= constraint.max_skew

    def _soft(self, pod: PodInfo) -> tuple[SpreadConstraint, ...]:
        if pod.demand.spread:
            return tuple(constraint for constraint in pod.demand.spread if not constraint.is_hard)
        selector = self._workload_selector(pod)
        if selector is None or selector.is_everything:
            return ()
        return tuple(SpreadConstraint(key, skew, selector, is_hard=False) for key, skew in DEFAULT_SKEWS)

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(self._soft(pod))

    def score(self, pod: PodInfo, nodes: NodeTable, feasible: Rows) -> Scores:
        constraints = self._soft(pod)
        all_needed = bool(
            pod.demand.spread
        )  # the defaults also score nodes that carry only some of the labels
        counted = np.ones(len(feasible), np.bool_)
        if all_needed:
            for constraint in constraints:
                counted &= nodes.label(constraint.topology_key).ids[feasible] != ABSENT
        total = np.zeros(len(feasible))
        among = _Field(feasible, counted, constraints if all_needed else ())
        for constraint in constraints:
            total += _weighed(pod, constraint, nodes, among)
        return _inverted(np.floor(total + 0.5), counted)


@dataclass(frozen=True, slots=True)
class _Field:
    """The nodes that are compared: feasible rows, which of them count, and the constraints whose labels all must carry."""

    rows: Rows
    counted: Mask
    labelled: tuple[SpreadConstraint, ...]


def _weighed(pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable, among: _Field) -> Sums:
    """Matching pods in each node's domain, weighed so that keys with many domains do not drown the others."""
    column = nodes.label(constraint.topology_key)
    ids, matching = column.ids[among.rows], nodes.matching(_query(pod, constraint))
    present = ids != ABSENT
    if constraint.topology_key == HOSTNAME:
        counts, domains = matching[among.rows].astype(np.float64), int(np.count_nonzero(among.counted))
    else:
        eligible = _eligible(pod, constraint, nodes, list(among.labelled))
        counts = np.append(per_value(column, matching, eligible), 0)[ids]
        domains = int(np.count_nonzero(np.bincount(ids[among.counted & present])))
    return np.where(present, counts * np.log(domains + 2) + (constraint.max_skew - 1), 0.0)


def _inverted(total: Sums, counted: Mask) -> Scores:
    """Fewest matching pods becomes the highest score; nodes that lack a label get 0."""
    if not counted.any():
        return np.zeros(len(total), np.int64)
    least, most = total[counted].min(), total[counted].max()
    if most == 0:
        return np.where(counted, MAX_SCORE, 0).astype(np.int64)
    return np.where(counted, MAX_SCORE * (most + least - total) // most, 0).astype(np.int64)


def _query(pod: PodInfo, constraint: SpreadConstraint) -> PodQuery:
    return PodQuery(((frozenset((pod.namespace,)), constraint.selector),), live_only=True)


def _eligible(
    pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable, labelled: list[SpreadConstraint]
) -> Mask:
    """Nodes whose pods count: they have the labels of all constraints, and pass the constraint's inclusion policies."""
    mask = nodes.exists.copy()
    for other in labelled or [constraint]:
        mask &= nodes.label(other.topology_key).ids != ABSENT
    demand = pod.demand
    if constraint.honor_affinity and (demand.node_selector or demand.required_node_terms is not None):
        mask &= node_affinity.required(demand, nodes)
    if constraint.honor_taints:
        mask &= untolerated(pod, nodes, HARD) == 0
    return mask
