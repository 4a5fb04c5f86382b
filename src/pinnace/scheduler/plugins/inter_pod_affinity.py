"""InterPodAffinity: near to, or far from, pods that match a selector, counted by a label of nodes.

Works both ways: the terms of the arriving pod, and the terms that pods on nodes carry. Preferred terms score.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.columns import ABSENT
from pinnace.scheduler.framework import MAX_SCORE, Mask, NodeTable, PodInfo, Refusal, Rows, Scores, Tallies
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.pod_columns import DomainSums, PodQuery, Tally
from pinnace.scheduler.pod_info import AffinityTerm
from pinnace.scheduler.settings import DEFAULT_ARGS, InterPodAffinityArgs

AFFINITY = Refusal(("node(s) didn't match pod affinity rules",), preemption_may_help=False)
ANTI_AFFINITY = Refusal(("node(s) didn't match pod anti-affinity rules",), preemption_may_help=True)
EXISTING = Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",), preemption_may_help=True)
SCORING = ("affinity", "preferred", "preferred_anti")


class InterPodAffinity:
    name: ClassVar[str] = "InterPodAffinity"
    reads: ClassVar[Literal["pods"]] = "pods"
    score_reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Node/Add", "Node/UpdateLabel", "Pod/Add", "Pod/Delete", "Pod/UpdateLabel", "Namespace/Update",
    )  # fmt: skip

    def __init__(self, args: InterPodAffinityArgs = DEFAULT_ARGS.inter_pod_affinity) -> None:
        self._args = args

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        demand = pod.demand
        return bool(demand.affinity or demand.anti_affinity) or _is_selected(pod, nodes, ("anti",))

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = _near(pod, nodes) if pod.demand.affinity else nodes.exists.copy()
        for answer in _none_of(_far_from(pod, nodes)), _none_of(_unwelcome(pod, nodes)):
            if answer is not None:
                mask &= answer
        return mask

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        demand, found = pod.demand, np.zeros_like(nodes.exists)
        if demand.affinity:
            found |= others.tally(_query(demand.affinity, nodes)).rows > 0
        for term in demand.anti_affinity:
            found |= others.tally(_query((term,), nodes)).rows > 0
        for term, tally in others.carried_for("anti", pod):
            if _selects(term, pod, nodes):
                found |= tally.rows > 0
        return found

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        near, far = _near(pod, nodes), _none_of(_far_from(pod, nodes))
        second = np.full(len(rows), 2) if far is None else np.where(far[rows], 2, 1)
        kinds = AFFINITY, ANTI_AFFINITY, EXISTING
        return [kinds[number] for number in np.where(near[rows], second, 0).tolist()]

    def may_help(self, pod: PodInfo, what: Happening) -> bool:
        """A pod that it wants to be near came, one that it must not meet left, or a node got into another domain."""
        if what.pod is not None and what.nodes is not None:
            return _pod_helps(pod, what, what.nodes)
        if not what.node:
            return True
        near = [term.topology_key for term in pod.demand.affinity]
        if "Node/Add" in what.kinds:
            return all(key in what.labels for key in near)
        keys = [*near, *(term.topology_key for term in pod.demand.anti_affinity)]
        return not keys or any(what.labels.get(key) != what.labels_before.get(key) for key in keys)

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        demand = pod.demand
        if demand.preferred_affinity or demand.preferred_anti_affinity:
            return True
        if self._args.ignore_preferred_terms_of_existing_pods:
            return False
        return _is_selected(pod, nodes, SCORING)

    def score(self, pod: PodInfo, nodes: NodeTable, feasible: Mask) -> Scores:
        by_key: dict[str, Scores] = {}  # added up by domain, so that nodes are gone over once for each label
        for weight, term, tally in _preferences(pod, nodes, self._args.hard_pod_affinity_weight):
            points = weight * nodes.sums(tally, term.topology_key).values
            known = by_key.get(term.topology_key)
            by_key[term.topology_key] = points if known is None else known + points
        total = np.zeros(len(feasible), np.int64)
        for key, values in by_key.items():
            total += values[nodes.label(key).ids]
        among = total[feasible]
        least, most = int(among.min()), int(among.max())
        if most == least:
            return np.zeros(len(feasible), np.int64)
        return (MAX_SCORE * ((total - least) / (most - least))).astype(np.int64)


def _preferences(
    pod: PodInfo, nodes: NodeTable, hard_weight: int
) -> Iterator[tuple[int, AffinityTerm, Tally]]:
    """(signed weight, term, pods that count) for the pod's own terms, then for those that others carry."""
    for term in pod.demand.preferred_affinity:
        yield term.weight, term, nodes.tally(_query((term,), nodes))
    for term in pod.demand.preferred_anti_affinity:
        yield -term.weight, term, nodes.tally(_query((term,), nodes))
    for kind in SCORING:
        for term, tally in nodes.carried_for(kind, pod):
            if not _selects(term, pod, nodes):
                continue
            if kind == "affinity":
                yield hard_weight, term, tally
            else:
                yield term.weight if kind == "preferred" else -term.weight, term, tally


def _is_selected(pod: PodInfo, nodes: NodeTable, kinds: Iterable[str]) -> bool:
    """Whether a pod on a node carries a term of these kinds that means the pod."""
    return any(
        _selects(term, pod, nodes)
        for kind in kinds
        if nodes.carries(kind)
        for term, _ in nodes.carried_for(kind, pod)
    )


def _near(pod: PodInfo, nodes: NodeTable) -> Mask:
    """Every required affinity term finds, in the node's domain, a pod that matches all of them.

    The first pod of a group that attracts itself may go anywhere.
    """
    terms = pod.demand.affinity
    mask = nodes.exists.copy()
    if not terms:
        return mask
    matching = nodes.tally(_query(terms, nodes))
    found = False
    for term in terms:
        sums = nodes.sums(matching, term.topology_key)
        has_some = sums.values > 0
        found = found or bool(has_some.any())
        mask &= has_some[sums.ids]
    if not found and all(_selects(term, pod, nodes) for term in terms):
        mask = nodes.exists.copy()
        for term in terms:
            mask &= nodes.label(term.topology_key).ids != ABSENT
    return mask


def _far_from(pod: PodInfo, nodes: NodeTable) -> Iterator[DomainSums]:
    """What the pod's anti-affinity keeps away from."""
    for term in pod.demand.anti_affinity:
        yield nodes.sums(nodes.tally(_query((term,), nodes)), term.topology_key)


def _unwelcome(pod: PodInfo, nodes: NodeTable) -> Iterator[DomainSums]:
    """Pods that carry an anti-affinity term that matches the arriving pod."""
    for term, tally in nodes.carried_for("anti", pod):
        if _selects(term, pod, nodes):
            yield nodes.sums(tally, term.topology_key)


def _none_of(avoided: Iterable[DomainSums]) -> Mask | None:
    """Nodes in whose domains nothing is counted; None: all of them."""
    mask = None
    for sums in avoided:
        free = (sums.values == 0)[sums.ids]
        mask = free if mask is None else mask & free
    return mask


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


def _pod_helps(pod: PodInfo, what: Happening, nodes: NodeTable) -> bool:
    demand, left = pod.demand, "Pod/Delete" in what.kinds
    before, after = (what.pod, None) if left else (what.old, what.pod)

    def meant(terms: Iterable[AffinityTerm], other: PodInfo | None, every: bool) -> bool:
        found = [other is not None and _selects(term, other, nodes) for term in terms]
        return bool(found) and (all(found) if every else any(found))

    if meant(demand.affinity, after, True) and not meant(demand.affinity, before, True):
        return True
    if meant(demand.anti_affinity, before, False) and not meant(demand.anti_affinity, after, False):
        return True
    return (
        left and what.pod is not None and any(_selects(t, pod, nodes) for t in what.pod.demand.anti_affinity)
    )
