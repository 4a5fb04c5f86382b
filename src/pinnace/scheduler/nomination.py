"""Nominated pods: a pod that waits for its victims to leave a node counts there already, for pods of the same or lower priority.

Sums per priority are kept current as nominations come and go, so that thousands of them cost a few array operations per
decision; without any, nothing is computed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from pinnace.api import meta
from pinnace.scheduler.columns import Ints, Usage, grown
from pinnace.scheduler.framework import Involving, NodeTable, PodFilter, Rows
from pinnace.scheduler.pod_columns import PodColumns
from pinnace.scheduler.pod_info import PODS, PodInfo

PREEMPTED = "PreemptionByScheduler"


@dataclass(slots=True)
class _Sums:
    """What nominated pods of one priority ask for, per row."""

    capacity: int
    amounts: dict[str, Ints] = field(default_factory=dict)

    def charge(self, row: int, pod: PodInfo, sign: int) -> None:
        for resource, amount in (*pod.demand.requests.items(), (PODS, 1)):
            if resource not in self.amounts:
                self.amounts[resource] = np.zeros(self.capacity, np.int64)
            self.amounts[resource][row] += sign * amount


class Nominator:
    def __init__(self, nodes: NodeTable) -> None:
        self._nodes = nodes
        self._node_of: dict[str, str] = {}
        self._on: dict[str, dict[str, PodInfo]] = {}
        self._sums: dict[int, _Sums] = {}
        self._columns: PodColumns | None = None  # of all nominated pods; made when first asked for
        self._unwritten: set[str] = set()  # nominations of ours that no status shows yet
        self._changed = np.zeros(len(nodes.names), np.int64)  # per row: when its nominations changed last
        self._changes = 0
        self._spec_version = nodes.spec_version

    def __len__(self) -> int:
        return len(self._node_of)

    def node_of(self, uid: str) -> str:
        """The node a pod is nominated to, or ""."""
        return self._node_of.get(uid, "")

    def on(self, node: str) -> list[PodInfo]:
        return list(self._on.get(node, {}).values())

    def nominate(self, pod: PodInfo, node: str) -> str:
        """Nominate, move, or with "" withdraw; returns the node it was nominated to before."""
        before = self.remove(pod.uid)
        self._refresh()  # with what was nominated so far
        if node:
            self._node_of[pod.uid] = node
            self._on.setdefault(node, {})[pod.uid] = pod
            self._charge(node, pod, 1)
        return before

    def decide(self, pod: PodInfo, node: str) -> None:
        """Nominate by a decision of ours; what statuses say is news only when one has shown it."""
        self.nominate(pod, node)
        self._unwritten.add(pod.uid)

    def heed(self, pod: PodInfo, before: str, node: str) -> str:
        """The status says `node` and said `before`: follow it, unless that is older than our own decision.

        Returns the node that the pod is no longer nominated to, or "".
        """
        known = self.node_of(pod.uid)
        if node == known:
            self._unwritten.discard(pod.uid)
            return ""
        if node == before or pod.uid in self._unwritten:
            return ""
        return self.nominate(pod, node)

    def remove(self, uid: str) -> str:
        """Returns the node it was nominated to, or ""."""
        self._unwritten.discard(uid)
        node = self._node_of.get(uid, "")
        if node:
            self._refresh()  # with what was nominated so far
            del self._node_of[uid]
            pod = self._on[node].pop(uid)
            if not self._on[node]:
                del self._on[node]
            self._charge(node, pod, -1)
        return node

    def counted(self, pod: PodInfo) -> Iterator[tuple[int, PodInfo]]:
        """(row, nominated pod) of all that count for this pod: others of its priority or a higher one, on nodes that exist."""
        for node, pods in self._on.items():
            row = self._nodes.row_of.get(node)
            if row is not None:
                for other in pods.values():
                    if other.priority >= pod.priority and other.uid != pod.uid:
                        yield row, other

    def rows(self, pod: PodInfo) -> Rows:
        """Rows where nominated pods count for this pod."""
        if not self._node_of:
            return np.empty(0, np.intp)
        self._refresh()
        counts = [sums.amounts[PODS] for priority, sums in self._sums.items() if priority >= pod.priority]
        if not counts:
            return np.empty(0, np.intp)
        total = counts[0] if len(counts) == 1 else np.sum(counts, axis=0)
        row, own = self._own(pod)
        if own and total[row] == 1:
            found = np.flatnonzero(total)
            return found[found != row]
        return np.flatnonzero(total)

    def charge(self, pod: PodInfo, usage: Usage, rows: Rows) -> None:
        """Add to `usage`, which holds these rows, what nominated pods that count for this pod will use there."""
        self._refresh()
        requested, resources = usage.requested, usage.resources
        for priority, sums in self._sums.items():
            if priority >= pod.priority:
                for resource, amounts in sums.amounts.items():
                    if resource in resources:
                        requested[resources[resource]] += amounts[rows]
        row, own = self._own(pod)
        if own:
            here = rows == row
            for resource, amount in own.items():
                if resource in resources:
                    requested[resources[resource], here] -= amount
        if pod.demand.host_ports:
            self._charge_ports(pod, usage, rows)

    def _charge_ports(self, pod: PodInfo, usage: Usage, rows: Rows) -> None:
        for row, other in self.counted(pod):
            for port in other.demand.host_ports:
                holders = usage.ports.setdefault(port, np.zeros(len(rows), np.int32))
                holders[rows == row] += 1

    @contextmanager
    def placed(self, pod: PodInfo, filters: Sequence[PodFilter]) -> Iterator[bool]:
        """These filters see the node table with the nominated pods that count on their nodes, until the end of the block;
        False when none of them has a part in what they say."""
        if not self._node_of:
            yield False
        elif not all(isinstance(plugin, Involving) for plugin in filters):
            with self._put_on_nodes(pod):
                yield True
        elif self._have_a_part(pod, filters):
            with self._counted_beside(pod):
                yield True
        else:
            yield False

    @contextmanager
    def _put_on_nodes(self, pod: PodInfo) -> Iterator[None]:
        here = [(self._nodes.names[row], other) for row, other in self.counted(pod)]
        with self._nodes.unnoticed():
            for node, other in here:
                self._nodes.add_pod(node, other)
            try:
                yield
            finally:
                for node, other in here:
                    self._nodes.remove_pod(node, other.uid)

    @contextmanager
    def _counted_beside(self, pod: PodInfo) -> Iterator[None]:
        """Without its own nomination and those of lower priority, which are few or none."""
        columns, row_of = self._made_columns(), self._nodes.row_of
        off: list[tuple[int, PodInfo]] = []
        if min(self._sums, default=pod.priority) < pod.priority:
            for node, pods in self._on.items():
                if node in row_of:
                    weaker = (other for other in pods.values() if other.priority < pod.priority)
                    off += ((row_of[node], other) for other in weaker)
        row, own = self._own(pod)
        if own:
            off.append((row, self._on[self._nodes.names[row]][pod.uid]))
        for row, other in off:
            columns.charge(row, other, -1)
        try:
            with self._nodes.beside(columns):
                yield
        finally:
            for row, other in off:
                columns.charge(row, other, 1)

    def _made_columns(self) -> PodColumns:
        self._refresh()
        if self._columns is None:
            self._columns = PodColumns(len(self._nodes.names))
            for node, pods in self._on.items():
                row = self._nodes.row_of.get(node)
                if row is not None:
                    for other in pods.values():
                        self._columns.charge(row, other, 1)
        return self._columns

    def _have_a_part(self, pod: PodInfo, filters: Sequence[PodFilter]) -> bool:
        columns = self._made_columns()
        for plugin in filters:
            if isinstance(plugin, Involving):
                found = plugin.involved(pod, self._nodes, columns)
                if found is not None and found.any():
                    return True
        return False

    def changed(self) -> Ints:
        """Per row, a number that moves whenever its nominations change."""
        self._refresh()
        return self._changed

    def _own(self, pod: PodInfo) -> tuple[int, Mapping[str, int]]:
        """Row and requests of the pod's own nomination, as it is counted in the sums for itself; nothing when it is not."""
        node = self._node_of.get(pod.uid, "")
        row = self._nodes.row_of.get(node) if node else None
        if row is None:
            return -1, {}
        mine = self._on[node][pod.uid]
        return (row, {PODS: 1, **mine.demand.requests}) if mine.priority >= pod.priority else (-1, {})

    def _charge(self, node: str, pod: PodInfo, sign: int) -> None:
        row = self._nodes.row_of.get(node)
        if row is None:
            return
        if pod.priority not in self._sums:
            self._sums[pod.priority] = _Sums(len(self._nodes.names))
        self._sums[pod.priority].charge(row, pod, sign)
        if self._columns is not None:
            self._columns.charge(row, pod, sign)
        self._changes += 1
        self._changed[row] = self._changes
        if not self._node_of:
            self._sums.clear()
            self._columns = None

    def _refresh(self) -> None:
        """Rows may belong to other nodes now: count again."""
        if self._spec_version == self._nodes.spec_version:
            return
        self._spec_version = self._nodes.spec_version
        capacity = len(self._nodes.names)
        if len(self._changed) < capacity:
            self._changed = grown(self._changed, capacity)
        self._changes += 1
        self._changed[:] = self._changes
        self._sums, self._columns = {}, None
        for node, pods in self._on.items():
            row = self._nodes.row_of.get(node)
            if row is not None:
                for pod in pods.values():
                    self._sums.setdefault(pod.priority, _Sums(capacity)).charge(row, pod, 1)


def is_leaving_by_preemption(pod: PodInfo) -> bool:
    if not pod.is_terminating:
        return False
    condition = meta.find_condition(pod.object, "DisruptionTarget")
    return (
        condition is not None and condition.get("status") == "True" and condition.get("reason") == PREEMPTED
    )
