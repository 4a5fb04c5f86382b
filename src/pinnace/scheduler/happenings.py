"""What happened in the cluster, as far as it may help pods that wait: the material of queueing hints.

A plugin names in `requeue_on` the kinds of events that may help a pod that it refused, and says in `may_help` whether this
event helps this pod. A plugin without `may_help` takes every event of those kinds as help.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pinnace.scheduler.columns import Usage
from pinnace.scheduler.node_table import NodeTable
from pinnace.scheduler.nomination import Nominator, is_leaving_by_preemption
from pinnace.scheduler.pod_info import Object, PodInfo


@dataclass(slots=True)
class Happening:
    """One or more kinds of events of one node, pod or object of storage.

    `node` is the node that changed, or that the pod is (was) on; `pod` the pod as it is now (or was, when it is gone), and
    `old` as it was before a change. `labels_before` are the node's former labels.
    """

    kinds: tuple[str, ...]
    nodes: NodeTable | None = None
    nominator: Nominator | None = None
    node: str = ""
    pod: PodInfo | None = None
    old: PodInfo | None = None
    labels_before: Mapping[str, str] = field(default_factory=dict)
    about: Object | None = None  # the claim, volume or class as it is now (or was, when it is gone)

    @property
    def row(self) -> int | None:
        """The node's row; None for events without a node, or of one that is gone."""
        return self.nodes.row_of.get(self.node) if self.nodes is not None else None

    @property
    def labels(self) -> Mapping[str, str]:
        row = self.row
        return self.nodes.labels[row] if self.nodes is not None and row is not None else {}

    def usage_for(self, pod: PodInfo) -> Usage | None:
        """What the node has left for this pod, nominated pods counted; None when there is no such node."""
        row = self.row
        if self.nodes is None or row is None:
            return None
        rows = np.array([row], np.intp)
        usage = self.nodes.usage.at(rows)
        if self.nominator:
            self.nominator.charge(pod, usage, rows)
        return usage

    def was_last_victim_for(self, pod: PodInfo) -> bool:
        """Nothing is left on its way out for the pod that is nominated to the node: it has to look again, here or elsewhere."""
        if "Pod/Delete" not in self.kinds or self.nodes is None:
            return False
        row = self.row
        return row is None or not any(
            other.priority < pod.priority and is_leaving_by_preemption(other)
            for other in self.nodes.pods[row].values()
        )

    def nominees(self) -> list[PodInfo]:
        """Pods that are nominated to the node: for them it may be free while it is not for others."""
        return self.nominator.on(self.node) if self.nominator and self.node else []
