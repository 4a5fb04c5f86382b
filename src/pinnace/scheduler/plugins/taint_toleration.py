"""TaintToleration: keep pods off nodes whose taints they do not tolerate, and prefer nodes with fewer soft ones."""

from typing import ClassVar, Literal

import numpy as np

from pinnace.scheduler.framework import Demand, Mask, NodeTable, PodInfo, Scores, normalized

HARD, SOFT = frozenset({"NoSchedule", "NoExecute"}), frozenset({"PreferNoSchedule"})


class TaintToleration:
    name: ClassVar[str] = "TaintToleration"
    reads: ClassVar[Literal["nodes"]] = "nodes"
    score_reads: ClassVar[Literal["nodes"]] = "nodes"
    rejection: ClassVar[str] = "node(s) had untolerated taint(s)"
    preemption_may_help: ClassVar[bool] = False
    requeue_on: ClassVar[tuple[str, ...]] = ("Node/Add", "Node/UpdateTaint")

    def applies(self, demand: Demand) -> bool:
        return True

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        return untolerated(pod, nodes, HARD) == 0

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return any(taint.effect in SOFT for taints in nodes.taint_sets.values for taint in taints)

    def score(self, pod: PodInfo, nodes: NodeTable) -> Scores:
        return untolerated(pod, nodes, SOFT)

    def normalize(self, scores: Scores, highest: int) -> Scores:
        return normalized(scores, highest, reverse=True)


def untolerated(pod: PodInfo, nodes: NodeTable, effects: frozenset[str]) -> Scores:
    """Count, per node, the taints of these effects that no toleration of the pod matches; shape (nodes,)."""
    per_set = [
        sum(taint.effect in effects and not pod.tolerates(taint) for taint in taints)
        for taints in nodes.taint_sets.values
    ]
    return np.asarray([*per_set, 0])[nodes.taint_sets.ids]  # the last entry answers for rows without a node
