"""NodeUnschedulable: keep pods off cordoned nodes, unless they tolerate the taint that stands for cordoning."""

from typing import ClassVar, Literal

from pinnace.scheduler.framework import Demand, Mask, NodeTable, PodInfo
from pinnace.scheduler.pod_info import Taint

CORDONED = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


class NodeUnschedulable:
    name: ClassVar[str] = "NodeUnschedulable"
    reads: ClassVar[Literal["nodes"]] = "nodes"
    rejection: ClassVar[str] = "node(s) were unschedulable"
    preemption_may_help: ClassVar[bool] = False
    requeue_on: ClassVar[tuple[str, ...]] = ("Node/Add", "Node/UpdateTaint")

    def applies(self, demand: Demand) -> bool:
        return not demand.tolerates(CORDONED)

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        return ~nodes.unschedulable
