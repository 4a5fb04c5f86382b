"""PodTopologySpread: even numbers of matching pods over zones, nodes or any other label of nodes.

Hard constraints filter, soft ones score. A pod without constraints that belongs to a Service or a workload is spread softly
over nodes and zones, as upstream's system defaults have it.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.columns import ABSENT
from pinnace.scheduler.framework import MAX_SCORE, Mask, NodeTable, PodInfo, Refusal, Rows, Scores, Tallies
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.plugins import node_affinity
from pinnace.scheduler.plugins.taint_toleration import HARD, untolerated
from pinnace.scheduler.pod_columns import DomainSums, PodQuery
from pinnace.scheduler.pod_info import SpreadConstraint
from pinnace.scheduler.settings import DEFAULT_ARGS, SpreadArgs

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
SKEWED = "node(s) didn't match pod topology spread constraints"
UNLABELLED = f"{SKEWED} (missing required label)"


class PodTopologySpread:
    """`workload_selector` gives the selector of the Services and workloads that a pod belongs to, if any."""

    name: ClassVar[str] = "PodTopologySpread"
    reads: ClassVar[Literal["pods"]] = "pods"
    score_reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Node/Add", "Node/Delete", "Node/UpdateLabel", "Node/UpdateTaint",
        "Pod/Add", "Pod/Delete", "Pod/UpdateLabel",
    )  # fmt: skip

    def __init__(
        self, workload_selector: Callable[[PodInfo], Selector | None], args: SpreadArgs = DEFAULT_ARGS.spread
    ) -> None:
        self._workload_selector, self._args = workload_selector, args
        self._has_hard_defaults = any(default.is_hard for default in args.defaults)

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(self._hard(pod))

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = nodes.exists.copy()
        for constraint in self._hard(pod):
            mask &= self._is_even(pod, constraint, nodes)
        return mask

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        found = np.zeros_like(nodes.exists)
        for constraint in self._hard(pod):
            found |= others.tally(_query(pod, constraint)).rows > 0
        return found

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        kinds = (
            Refusal((UNLABELLED,), preemption_may_help=False),
            Refusal((SKEWED,), preemption_may_help=True),
        )
        first = np.full(len(rows), ABSENT)
        for constraint in self._hard(pod):
            labelled = nodes.label(constraint.topology_key).ids[rows] != ABSENT
            refused = (first == ABSENT) & ~self._is_even(pod, constraint, nodes)[rows]
            first[refused] = labelled[refused]
        return [kinds[number] for number in first.tolist()]

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
        if pod.demand.spread or not self._has_hard_defaults:
            return [constraint for constraint in pod.demand.spread if constraint.is_hard]
        return [constraint for constraint in self._defaults(pod) if constraint.is_hard]

    def _is_even(self, pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable) -> Mask:
        """False also for nodes that lack the label."""
        sums = _by_domain(pod, constraint, nodes, self._hard(pod))
        few_domains = constraint.min_domains > 1 and sums.domains < constraint.min_domains
        fewest = 0 if few_domains else sums.fewest()
        arriving = int(constraint.selector.matches(pod.labels))
        even = sums.values <= constraint.max_skew + fewest - arriving
        even[-1] = False
        return even[sums.ids]

    def _soft(self, pod: PodInfo) -> tuple[SpreadConstraint, ...]:
        if pod.demand.spread:
            return tuple(constraint for constraint in pod.demand.spread if not constraint.is_hard)
        return tuple(constraint for constraint in self._defaults(pod) if not constraint.is_hard)

    def _defaults(self, pod: PodInfo) -> tuple[SpreadConstraint, ...]:
        selector = self._workload_selector(pod) if self._args.defaults else None
        if selector is None or selector.is_everything:
            return ()
        return tuple(
            SpreadConstraint(
                one.topology_key, one.max_skew, selector, one.is_hard, one.min_domains,
                one.honor_affinity, one.honor_taints,
            )
            for one in self._args.defaults
        )  # fmt: skip

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(self._soft(pod))

    def score(self, pod: PodInfo, nodes: NodeTable, feasible: Mask) -> Scores:
        constraints = self._soft(pod)
        # The system's defaults also score nodes that carry only some of the labels.
        labelled = constraints if pod.demand.spread or not self._args.is_system else ()
        counted = feasible
        for constraint in labelled:
            counted = counted & (nodes.label(constraint.topology_key).ids != ABSENT)
        total = np.zeros(len(feasible))
        for constraint in constraints:
            total += _weighed(pod, constraint, nodes, counted, labelled)
        return _inverted((total + 0.5).astype(np.int64), counted)


def _weighed(
    pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable, counted: Mask,
    labelled: tuple[SpreadConstraint, ...],
) -> NDArray[np.float64]:  # fmt: skip
    """Matching pods in each node's domain, weighed so that keys with many domains do not drown the others; `counted`: the
    nodes that are compared; `labelled`: the constraints whose labels all of them must carry."""
    if constraint.topology_key == HOSTNAME:
        weight = np.log(int(np.count_nonzero(counted)) + 2)
        points = nodes.tally(_query(pod, constraint)).rows * weight + (constraint.max_skew - 1)
        return np.where(nodes.label(HOSTNAME).ids != ABSENT, points, 0.0)
    sums = _by_domain(pod, constraint, nodes, labelled)
    present = np.bincount(sums.ids[counted] + 1)[1:]  # the first is for nodes without the label
    by_domain = sums.values * np.log(int(np.count_nonzero(present)) + 2) + (constraint.max_skew - 1)
    by_domain[-1] = 0.0
    return by_domain[sums.ids]


def _inverted(total: Scores, counted: Mask) -> Scores:
    """Fewest matching pods becomes the highest score; nodes that lack a label get 0."""
    among = total[counted]
    if not len(among):
        return np.zeros(len(total), np.int64)
    least, most = int(among.min()), int(among.max())
    if most == 0:
        return np.where(counted, MAX_SCORE, 0)
    return np.where(counted, MAX_SCORE * (most + least - total) // most, 0)


def _query(pod: PodInfo, constraint: SpreadConstraint) -> PodQuery:
    return PodQuery(((frozenset((pod.namespace,)), constraint.selector),), live_only=True)


def _by_domain(
    pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable, labelled: Sequence[SpreadConstraint]
) -> DomainSums:
    """Matching pods by domain, on the nodes that are eligible."""
    demand, query = pod.demand, _query(pod, constraint)
    token: Hashable = (
        tuple(other.topology_key for other in labelled),
        (demand.node_selector, demand.required_node_terms) if constraint.honor_affinity else None,
        demand.tolerations if constraint.honor_taints else None,
    )
    return nodes.sums(
        nodes.tally(query),
        constraint.topology_key,
        token,
        lambda: _eligible(pod, constraint, nodes, labelled),
    )


def _eligible(
    pod: PodInfo, constraint: SpreadConstraint, nodes: NodeTable, labelled: Sequence[SpreadConstraint]
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
