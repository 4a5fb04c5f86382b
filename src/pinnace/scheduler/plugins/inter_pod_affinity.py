"""InterPodAffinity: near to, or far from, pods that match a selector, counted by a label of nodes.

Works both ways: the terms of the arriving pod, and the terms that pods on nodes carry. Preferred terms score.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.columns import ABSENT, Ids
from pinnace.scheduler.framework import MAX_SCORE, Mask, NodeTable, PodInfo, Refusal, Rows, Scores
from pinnace.scheduler.node_table import Sums, per_value
from pinnace.scheduler.pod_columns import PodQuery
from pinnace.scheduler.pod_info import AffinityTerm

AFFINITY = Refusal(("node(s) didn't match pod affinity rules",), preemption_may_help=False)
ANTI_AFFINITY = Refusal(("node(s) didn't match pod anti-affinity rules",), preemption_may_help=True)
EXISTING = Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",), preemption_may_help=True)
HARD_AFFINITY_WEIGHT = 1  # how much a required term of a pod on a node counts when nodes are scored


class InterPodAffinity:
    name: ClassVar[str] = "InterPodAffinity"
    reads: ClassVar[Literal["pods"]] = "pods"
    score_reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Node/Add", "Node/UpdateLabel", "Pod/Add", "Pod/Delete", "Pod/UpdateLabel", "Namespace/Update",
    )  # fmt: skip

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        demand = pod.demand
        return bool(
            demand.affinity
            or demand.anti_affinity
            or any(carried.kind == "anti" and _selects(carried.term, pod, nodes) for carried in nodes.carried)
        )

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        return _near(pod, nodes) & _far(pod, nodes) & _welcome(pod, nodes)

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        near, far = _near(pod, nodes), _far(pod, nodes)
        return [AFFINITY if not near[row] else ANTI_AFFINITY if not far[row] else EXISTING for row in rows]

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        demand = pod.demand
        return bool(
            demand.preferred_affinity
            or demand.preferred_anti_affinity
            or any(carried.kind != "anti" for carried in nodes.carried)
        )

    def score(self, pod: PodInfo, nodes: NodeTable, feasible: Rows) -> Scores:
        total = np.zeros(len(feasible))
        for weight, term, counts in _preferences(pod, nodes):
            total += weight * _by_domain(term, counts, nodes)[feasible]
        least, most = total.min(), total.max()
        if most == least:
            return np.zeros(len(feasible), np.int64)
        return (MAX_SCORE * (total - least) / (most - least)).astype(np.int64)


def _preferences(pod: PodInfo, nodes: NodeTable) -> Iterator[tuple[int, AffinityTerm, Ids]]:
    """(signed weight, term, pods per node that count) for the pod's own terms, then for those that others carry."""
    for term in pod.demand.preferred_affinity:
        yield term.weight, term, nodes.matching(_query((term,), nodes))
    for term in pod.demand.preferred_anti_affinity:
        yield -term.weight, term, nodes.matching(_query((term,), nodes))
    for carried, counts in nodes.carried.items():
        if carried.kind == "anti" or not _selects(carried.term, pod, nodes):
            continue
        if carried.kind == "affinity":
            yield HARD_AFFINITY_WEIGHT, carried.term, counts
        else:
            sign = 1 if carried.kind == "preferred" else -1
            yield sign * carried.term.weight, carried.term, counts


def _near(pod: PodInfo, nodes: NodeTable) -> Mask:
    """Every required affinity term finds, in the node's domain, a pod that matches all of them.

    The first pod of a group that attracts itself may go anywhere.
    """
    terms = pod.demand.affinity
    mask = np.ones_like(nodes.exists)
    if not terms:
        return mask
    matching = nodes.matching(_query(terms, nodes))
    found = False
    for term in terms:
        sums = _by_domain(term, matching, nodes)
        found = found or bool(sums.any())
        mask &= sums > 0
    if not found and all(_selects(term, pod, nodes) for term in terms):
        mask = np.ones_like(nodes.exists)
        for term in terms:
            mask &= nodes.label(term.topology_key).ids != ABSENT
    return mask


def _far(pod: PodInfo, nodes: NodeTable) -> Mask:
    mask = np.ones_like(nodes.exists)
    for term in pod.demand.anti_affinity:
        mask &= _by_domain(term, nodes.matching(_query((term,), nodes)), nodes) == 0
    return mask


def _welcome(pod: PodInfo, nodes: NodeTable) -> Mask:
    """No pod in the node's domain carries an anti-affinity term that matches the arriving pod."""
    mask = np.ones_like(nodes.exists)
    for carried, counts in nodes.carried.items():
        if carried.kind == "anti" and _selects(carried.term, pod, nodes):
            mask &= _by_domain(carried.term, counts, nodes) == 0
    return mask


def _by_domain(term: AffinityTerm, counts: Ids, nodes: NodeTable) -> Sums:
    """For each node, the pods counted in its domain of the term's label; 0 where the node has no such label."""
    column = nodes.label(term.topology_key)
    return np.append(per_value(column, counts, nodes.exists), 0)[column.ids]


def _query(terms: Iterable[AffinityTerm], nodes: NodeTable) -> PodQuery:
    return PodQuery(tuple((_namespaces(term, nodes), term.selector) for term in terms))


def _namespaces(term: AffinityTerm, nodes: NodeTable) -> frozenset[str]:
    if term.namespace_selector is None:
        return term.namespaces
    return term.namespaces | _selected(term.namespace_selector, nodes)


def _selected(selector: Selector, nodes: NodeTable) -> frozenset[str]:
    return frozenset(name for name, labels in nodes.namespace_labels.items() if selector.matches(labels))


def _selects(term: AffinityTerm, pod: PodInfo, nodes: NodeTable) -> bool:
    """Whether the term means this pod."""
    if not term.selector.matches(pod.labels):
        return False
    if pod.namespace in term.namespaces:
        return True
    labels = nodes.namespace_labels.get(pod.namespace, {})
    return term.namespace_selector is not None and term.namespace_selector.matches(labels)
