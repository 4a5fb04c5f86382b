"""NodeAffinity: `nodeSelector` and required node affinity filter, preferred node affinity scores."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from pinnace.apimachinery.selectors import Requirement
from pinnace.scheduler.framework import Demand, Mask, NodeTable, PodInfo, Scores, normalized
from pinnace.scheduler.pod_info import NodeTerm
from pinnace.scheduler.settings import DEFAULT_ARGS, NodeAffinityArgs


class NodeAffinity:
    name: ClassVar[str] = "NodeAffinity"
    reads: ClassVar[Literal["nodes"]] = "nodes"
    score_reads: ClassVar[Literal["nodes"]] = "nodes"
    rejection: ClassVar[str] = "node(s) didn't match Pod's node affinity/selector"
    preemption_may_help: ClassVar[bool] = False
    requeue_on: ClassVar[tuple[str, ...]] = ("Node/Add", "Node/UpdateLabel")

    def __init__(self, args: NodeAffinityArgs = DEFAULT_ARGS.node_affinity) -> None:
        self._added = args.preferred

    def candidates(self, demand: Demand) -> frozenset[str] | None:
        return only_named_nodes(demand)

    def applies(self, demand: Demand) -> bool:
        return bool(demand.node_selector) or demand.required_node_terms is not None

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        return required(pod.demand, nodes)

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(pod.demand.preferred_node_terms or self._added)

    def score(self, pod: PodInfo, nodes: NodeTable) -> Scores:
        total = np.zeros(len(nodes.exists), np.int64)
        for term in (*pod.demand.preferred_node_terms, *self._added):
            total += term.weight * term_matches(term, nodes)
        return total

    def normalize(self, scores: Scores, highest: int) -> Scores:
        return normalized(scores, highest)


class AddedNodeAffinity:
    """The part of NodeAffinity that the scheduler's configuration adds to every pod (`addedAffinity`)."""

    name: ClassVar[str] = "NodeAffinity"
    reads: ClassVar[Literal["nodes"]] = "nodes"
    rejection: ClassVar[str] = "node(s) didn't match scheduler-enforced node affinity"
    preemption_may_help: ClassVar[bool] = False
    requeue_on: ClassVar[tuple[str, ...]] = ("Node/Add", "Node/UpdateLabel")

    def __init__(self, terms: tuple[NodeTerm, ...]) -> None:
        self._terms = terms

    def applies(self, demand: Demand) -> bool:
        return True

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = np.zeros_like(nodes.exists)
        for term in self._terms:
            mask |= term_matches(term, nodes)
        return mask


def required(demand: Demand, nodes: NodeTable) -> Mask:
    """Nodes that the pod's selector and required affinity allow."""
    mask = _all(demand.node_selector, nodes)
    if demand.required_node_terms is not None:
        allowed = np.zeros_like(mask)
        for term in demand.required_node_terms:
            allowed |= term_matches(term, nodes)
        mask &= allowed
    return mask


def only_named_nodes(demand: Demand) -> frozenset[str] | None:
    """The nodes named by `metadata.name` when every term names some (as daemon set pods do); None: no such limit.

    Upstream does not look at other nodes then, and gives another reason for them.
    """
    if not demand.required_node_terms:
        return None
    named: set[str] = set()
    for term in demand.required_node_terms:
        names = [
            field.values for field in term.fields if field.key == "metadata.name" and field.operator == "In"
        ]
        if not names:
            return None
        named |= frozenset.intersection(*names)
    return frozenset(named)


def term_matches(term: NodeTerm, nodes: NodeTable) -> Mask:
    mask = _all(term.expressions, nodes)
    for field in term.fields:
        chosen = np.zeros_like(mask)
        chosen[[nodes.row_of[name] for name in field.values if name in nodes.row_of]] = True
        mask &= chosen if field.operator == "In" else ~chosen
    return mask


def _all(requirements: Iterable[Requirement], nodes: NodeTable) -> Mask:
    mask = nodes.exists.copy()
    for requirement in requirements:
        mask &= _matches(requirement, nodes)
    return mask


def _matches(requirement: Requirement, nodes: NodeTable) -> Mask:
    """One decision per distinct value of the label, gathered by node; the last entry answers for nodes without it."""
    column, key = nodes.label(requirement.key), requirement.key
    answers = [requirement.matches({key: value}) for value in column.values]
    return np.asarray([*answers, requirement.matches({})], np.bool_)[column.ids]
