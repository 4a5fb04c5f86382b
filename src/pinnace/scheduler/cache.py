"""The scheduler's cache: the node table, kept true to what the API says plus the pods that are being bound.

A pod is assumed on its node from the decision until the watch shows it there, so that the next decision counts it already.
"""

from collections.abc import Mapping
from typing import Any

from pinnace.api import meta
from pinnace.scheduler.node_table import NodeTable
from pinnace.scheduler.pod_info import PodInfo

Object = dict[str, Any]


class SchedulerCache:
    def __init__(self) -> None:
        self.nodes = NodeTable()
        self._node_of: dict[str, str] = {}  # uid of every placed or assumed pod -> node
        self._on: dict[
            str, dict[str, PodInfo]
        ] = {}  # node -> uid -> pod; also for nodes that are not known (yet)
        self._assumed: set[str] = set()

    def sizes(self) -> dict[str, int]:
        return {"nodes": len(self.nodes), "pods": len(self._node_of), "assumed_pods": len(self._assumed)}

    def set_node(self, node: Object) -> tuple[str, ...]:
        """Returns the events that this means for waiting pods."""
        name = meta.name(node)
        events = self.nodes.set_node(node)
        if "Node/Add" in events:
            for pod in self._on.get(name, {}).values():
                self.nodes.add_pod(name, pod)
        return events

    def remove_node(self, name: str) -> None:
        self.nodes.remove_node(name)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """`labels` None: the namespace is gone."""
        if labels is None:
            self.nodes.namespace_labels.pop(name, None)
        else:
            self.nodes.namespace_labels[name] = labels

    def place(self, pod: PodInfo, node: str) -> None:
        """The API shows the pod on this node."""
        self._assumed.discard(pod.uid)
        if self._node_of.get(pod.uid) != node:
            self._put(pod, node)
            return
        self._on[node][pod.uid] = pod
        if node in self.nodes.row_of:
            self.nodes.replace_pod(node, pod)

    def assume(self, pod: PodInfo, node: str) -> None:
        self._put(pod, node)
        self._assumed.add(pod.uid)

    def forget(self, uid: str) -> None:
        """The binding failed: take an assumed pod off its node again."""
        if uid in self._assumed:
            self.remove(uid)

    def get(self, uid: str) -> PodInfo | None:
        """A pod that is placed or assumed."""
        node = self._node_of.get(uid)
        return None if node is None else self._on[node][uid]

    def is_assumed(self, uid: str) -> bool:
        return uid in self._assumed

    def remove(self, uid: str) -> str:
        """Returns the node that the pod was on, or assumed to be, or ""."""
        self._assumed.discard(uid)
        node = self._node_of.pop(uid, "")
        if not node:
            return ""
        del self._on[node][uid]
        if not self._on[node]:
            del self._on[node]
        if node in self.nodes.row_of:
            self.nodes.remove_pod(node, uid)
        return node

    def _put(self, pod: PodInfo, node: str) -> None:
        self.remove(pod.uid)
        self._node_of[pod.uid] = node
        self._on.setdefault(node, {})[pod.uid] = pod
        if node in self.nodes.row_of:
            self.nodes.add_pod(node, pod)
