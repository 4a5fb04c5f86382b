"""NodeName: a pod that names its node runs there or nowhere."""

from typing import ClassVar, Literal

import numpy as np

from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows, Tallies
from pinnace.scheduler.happenings import Happening

REJECTION = "node(s) didn't match the requested node name"


class NodeName:
    name: ClassVar[str] = "NodeName"
    reads: ClassVar[Literal["pods"]] = "pods"  # the name is not part of the demand, which pods share
    requeue_on: ClassVar[tuple[str, ...]] = ("Node/Add",)

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(pod.node_name)

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = np.zeros_like(nodes.exists)
        if pod.node_name in nodes.row_of:
            mask[nodes.row_of[pod.node_name]] = True
        return mask

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        return None

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        return [Refusal((REJECTION,), preemption_may_help=False)] * len(rows)

    def may_help(self, pod: PodInfo, what: Happening) -> bool:
        return what.node == pod.node_name
