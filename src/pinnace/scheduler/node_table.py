"""The nodes as columns, updated in place as nodes change and pods come and go.

Row numbers are stable while a node exists; rows of deleted nodes are reused, so plugins work on whole columns and the
cycle looks only at rows where `exists` is true. `spec_version` moves when anything but pods changed, `usage_version[row]`
when the row's pods changed: what was computed from unchanged columns may be kept.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnace.api import meta
from pinnace.apimachinery import quantity
from pinnace.scheduler.both_counts import BothSums, BothTallies
from pinnace.scheduler.columns import Distinct, Rows, Usage
from pinnace.scheduler.pod_columns import Carried, DomainSums, PodColumns, PodQuery, Tally
from pinnace.scheduler.pod_info import CPU, LARGEST_AMOUNT, AffinityTerm, PodInfo, Taint

Object = dict[str, Any]
FIRST_CAPACITY = 16
CHANGES_KEPT = 4096


class NodeTable:
    def __init__(self) -> None:
        capacity = FIRST_CAPACITY
        self.names: list[str] = [""] * capacity
        self.row_of: dict[str, int] = {}
        self.exists: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.unschedulable: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.usage = Usage.empty(capacity)
        self.taint_sets: Distinct[tuple[Taint, ...]] = Distinct(capacity)
        self.image_sets: Distinct[frozenset[tuple[str, int]]] = Distinct(capacity)
        self.labels: list[Mapping[str, str]] = [{}] * capacity
        self.pods: list[dict[str, PodInfo]] = [{} for _ in range(capacity)]
        self.namespace_labels: dict[str, Mapping[str, str]] = {}
        self.spec_version = 0
        self._version = 0
        self._changes: list[int] = []  # the rows of the latest versions, in their order
        self._row_version = np.zeros(capacity, np.int64)
        self._label_columns: dict[str, Distinct[str]] = {}
        self._pod_columns = PodColumns(capacity)
        self._free = list(range(capacity - 1, -1, -1))
        self._is_noticed = True
        self._beside: PodColumns | None = None

    def __len__(self) -> int:
        return len(self.row_of)

    @property
    def usage_version(self) -> int:
        return self._version

    @property
    def row_version(self) -> NDArray[np.int64]:
        """Per row, the `usage_version` of its latest change. Not to be changed."""
        return self._row_version

    def rows_changed_since(self, version: int) -> Rows:
        """Rows whose pods changed after `usage_version` was `version`."""
        behind = self._version - version
        if behind > len(self._changes):
            return np.flatnonzero(self._row_version > version)
        return np.array(sorted(set(self._changes[len(self._changes) - behind :])), np.intp)

    # --- nodes

    def set_node(self, node: Object) -> tuple[str, ...]:
        """Add or update; returns what changed, as the events that requeue pods: `Node/Add`, `Node/UpdateTaint`, ..."""
        name = meta.name(node)
        row = self.row_of.get(name)
        if row is None:
            row = self._new_row(name)
            self._update(row, node)
            self._nodes_changed()
            return ("Node/Add",)
        changes = self._update(row, node)
        if changes:
            self._nodes_changed()
        return changes

    def _nodes_changed(self) -> None:
        self.spec_version += 1
        self._pod_columns.forget_sums()
        self.taint_sets.tidy()
        self.image_sets.tidy()
        for column in self._label_columns.values():
            column.tidy()

    def _update(self, row: int, node: Object) -> tuple[str, ...]:
        spec, status, changes = node.get("spec") or {}, node.get("status") or {}, []
        if self._set_allocatable(row, status.get("allocatable") or status.get("capacity") or {}):
            changes.append("Node/UpdateAllocatable")
        labels = meta.labels(node)
        if labels != self.labels[row]:
            self.labels[row] = labels
            for key, column in self._label_columns.items():
                column.set(row, labels.get(key))
            changes.append("Node/UpdateLabel")
        taints = tuple(
            Taint(t["key"], t.get("value") or "", t.get("effect") or "") for t in spec.get("taints") or ()
        )
        cordoned = bool(spec.get("unschedulable"))
        if self.taint_sets.set(row, taints) or cordoned != self.unschedulable[row]:
            self.unschedulable[row] = cordoned
            changes.append("Node/UpdateTaint")
        images = frozenset(
            (normalised_image(name), image.get("sizeBytes") or 0)
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        )
        if self.image_sets.set(row, images):
            changes.append("Node/UpdateImages")
        return tuple(changes)

    def _set_allocatable(self, row: int, amounts: Mapping[str, Any]) -> bool:
        usage = self.usage
        numbers = {
            usage.index(r): quantity.milli(text) if r == CPU else quantity.whole(text)
            for r, text in amounts.items()
        }
        new = np.zeros(len(usage.resources), np.int64)
        for position, number in numbers.items():
            new[position] = min(number, LARGEST_AMOUNT)
        if np.array_equal(usage.allocatable[:, row], new):
            return False
        usage.allocatable[:, row] = new
        self._touch(row)
        return True

    def remove_node(self, name: str) -> None:
        """The node and the pods on it; pods of a node that comes back must be added again."""
        row = self.row_of.pop(name, None)
        if row is None:
            return
        for uid in list(self.pods[row]):
            self.remove_pod(name, uid, row)
        self.names[row], self.exists[row], self.unschedulable[row] = "", False, False
        self.usage.allocatable[:, row] = 0
        self.labels[row] = {}
        self.taint_sets.set(row, None)
        self.image_sets.set(row, None)
        for column in self._label_columns.values():
            column.set(row, None)
        self._free.append(row)
        self._nodes_changed()

    def _new_row(self, name: str) -> int:
        if not self._free:
            self._grow(len(self.names) + max(16, len(self.names) // 4))
        row = self._free.pop()
        self.names[row], self.row_of[name], self.exists[row] = name, row, True
        self._touch(row)
        return row

    def _grow(self, capacity: int) -> None:
        extra = capacity - len(self.names)
        self._free.extend(range(capacity - 1, len(self.names) - 1, -1))
        self.names += [""] * extra
        self.labels += [{}] * extra
        self.pods += [{} for _ in range(extra)]
        self.exists = np.concatenate((self.exists, np.zeros(extra, np.bool_)))
        self.unschedulable = np.concatenate((self.unschedulable, np.zeros(extra, np.bool_)))
        self._row_version = np.concatenate((self._row_version, np.zeros(extra, np.int64)))
        for part in (self.usage, self.taint_sets, self.image_sets, self._pod_columns):
            part.grow(capacity)
        for column in self._label_columns.values():
            column.grow(capacity)

    # --- pods

    def add_pod(self, node: str, pod: PodInfo) -> None:
        row = self.row_of[node]
        self.pods[row][pod.uid] = pod
        self.usage.charge(row, pod, 1)
        self._pod_columns.charge(row, pod, 1)
        self._touch(row)

    def remove_pod(self, node: str, uid: str, row: int | None = None) -> None:
        row = self.row_of[node] if row is None else row
        pod = self.pods[row].pop(uid)
        self.usage.charge(row, pod, -1)
        self._pod_columns.charge(row, pod, -1)
        self._touch(row)

    def replace_pod(self, node: str, pod: PodInfo) -> None:
        """A pod of the node has changed. When its demand is the same, the node's usage is too."""
        row = self.row_of[node]
        old = self.pods[row][pod.uid]
        if old.demand is not pod.demand or old.namespace != pod.namespace:
            self.remove_pod(node, pod.uid, row)
            self.add_pod(node, pod)
            return
        self.pods[row][pod.uid] = pod
        self._pod_columns.replace(row, old, pod)
        if old.labels != pod.labels or old.is_terminating != pod.is_terminating:
            self._touch(row)  # who would be evicted, and against which budget, depends on it

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Pods are put on nodes or taken off for a while: the block leaves the table as it found it, and versions do not move."""
        before, self._is_noticed = self._is_noticed, False
        try:
            yield
        finally:
            self._is_noticed = before

    def _touch(self, row: int) -> None:
        if not self._is_noticed:
            return
        self._version += 1
        self._row_version[row] = self._version
        self._changes.append(row)
        if len(self._changes) > CHANGES_KEPT:
            del self._changes[: CHANGES_KEPT // 2]

    @contextmanager
    def beside(self, pods: PodColumns) -> Iterator[None]:
        """Within, counts of pods and the terms that pods carry are told as if these pods were on their nodes too."""
        self._beside = pods
        try:
            yield
        finally:
            self._beside = None

    # --- columns for plugins

    def label(self, key: str) -> Distinct[str]:
        """The values of a label; the column is built at first use and then kept current."""
        column = self._label_columns.get(key)
        if column is None:
            column = self._label_columns[key] = Distinct(len(self.names))
            for row in self.row_of.values():
                column.set(row, self.labels[row].get(key))
        return column

    def tally(self, query: PodQuery) -> Tally:
        """How many pods match, on each node and in all."""
        tally = self._pod_columns.tally(query)
        return tally if self._beside is None else BothTallies(tally, self._beside.tally(query))

    def sums(
        self, tally: Tally, key: str, token: Hashable = None, counted: Callable[[], NDArray[np.bool_]] | None = None
    ) -> DomainSums:  # fmt: skip
        """The tally by domain, i.e. by the values of a label, over all nodes; or over those that `counted` gives, for
        which `token` must stand."""
        if isinstance(tally, BothTallies):
            return BothSums(*(self.sums(one, key, token, counted) for one in (tally.first, tally.second)))
        return self._pod_columns.sums(tally, key, self.label(key), token, counted or (lambda: self.exists))

    @property
    def carried(self) -> Mapping[Carried, Tally]:
        """The affinity terms of the pods on nodes, each with how many pods carry it."""
        return self._pod_columns.carried

    def carries(self, kind: str) -> bool:
        """Whether any pod on a node carries a term of this kind (see `Carried`)."""
        if self._beside is not None and self._beside.carries(kind):
            return True
        return self._pod_columns.carries(kind)

    def carried_for(self, kind: str, pod: PodInfo) -> Iterator[tuple[AffinityTerm, Tally]]:
        """The carried terms of this kind whose selector may match the pod."""
        found = self._pod_columns.carried_for(kind, pod)
        return found if self._beside is None else chain(found, self._beside.carried_for(kind, pod))


def normalised_image(image: str) -> str:
    """Images without tag or digest count as `:latest`."""
    name = image.rsplit("/", 1)[-1]
    return image if ":" in name or "@" in name else f"{image}:latest"
