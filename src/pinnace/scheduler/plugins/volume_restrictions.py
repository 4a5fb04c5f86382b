"""VolumeRestrictions: a ReadWriteOncePod claim serves one pod of the cluster; disks of old kinds are not shared on a node."""

from collections.abc import Callable, Iterator
from typing import ClassVar, Literal

import numpy as np

from pinnace.api.core import volume_binding as binding
from pinnace.api.core.volume_rules import ALONE
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows
from pinnace.scheduler.storage import Object, Storage

IN_USE = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
DISK_CONFLICT = "node(s) had no available disk"


class VolumeRestrictions:
    name: ClassVar[str] = "VolumeRestrictions"
    reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Pod/Delete", "Node/Add", "PersistentVolumeClaim/Add", "PersistentVolumeClaim/Update",
    )  # fmt: skip

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(pod.volumes) and (bool(_disks(pod)) or bool(self._claims_alone(pod)))

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        if self._is_in_use(pod, nodes):
            return np.zeros_like(nodes.exists)
        return ~self._conflicts(pod, nodes)

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        conflicts, used = self._conflicts(pod, nodes), self._is_in_use(pod, nodes)
        return [
            Refusal((DISK_CONFLICT if conflicts[row] or not used else IN_USE,), preemption_may_help=True)
            for row in rows
        ]

    def _claims_alone(self, pod: PodInfo) -> set[str]:
        """The pod's claims that only one pod may use."""
        found = set()
        for _, name in binding.claim_names(pod.object):
            claim = self._storage.claim(pod.namespace, name)
            if claim is not None and ALONE in (claim["spec"].get("accessModes") or ()):
                found.add(name)
        return found

    def _is_in_use(self, pod: PodInfo, nodes: NodeTable) -> bool:
        alone = self._claims_alone(pod)
        return bool(alone) and any(
            other.uid != pod.uid
            and other.namespace == pod.namespace
            and any(name in alone for _, name in binding.claim_names(other.object))
            for _, other in _with_volumes(nodes)
        )

    def _conflicts(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        """Nodes where a pod has one of this pod's disks."""
        found, disks = np.zeros_like(nodes.exists), _disks(pod)
        if disks:
            for row, other in _with_volumes(nodes):
                if other.uid != pod.uid and any(_clash(a, b) for a in disks for b in _disks(other)):
                    found[row] = True
        return found


def _with_volumes(nodes: NodeTable) -> Iterator[tuple[int, PodInfo]]:
    for row in nodes.row_of.values():
        for pod in nodes.pods[row].values():
            if pod.volumes:
                yield row, pod


def _disks(pod: PodInfo) -> list[Object]:
    return [volume for volume in pod.volumes if any(kind in volume for kind in _SAME)]


def _clash(one: Object, other: Object) -> bool:
    return any(kind in one and kind in other and same(one[kind], other[kind]) for kind, same in _SAME.items())


def _unless_both_read(a: Object, b: Object) -> bool:
    return not (a.get("readOnly") and b.get("readOnly"))


def _gce(a: Object, b: Object) -> bool:
    return a.get("pdName") == b.get("pdName") and _unless_both_read(a, b)


def _ebs(a: Object, b: Object) -> bool:
    return a.get("volumeID") == b.get("volumeID")


def _iscsi(a: Object, b: Object) -> bool:
    return a.get("iqn") == b.get("iqn") and _unless_both_read(a, b)


def _rbd(a: Object, b: Object) -> bool:
    shared = bool(set(a.get("monitors") or ()) & set(b.get("monitors") or ()))
    same = a.get("image") == b.get("image") and (a.get("pool") or "rbd") == (b.get("pool") or "rbd")
    return shared and same and _unless_both_read(a, b)


_SAME: dict[str, Callable[[Object, Object], bool]] = {
    "gcePersistentDisk": _gce,
    "awsElasticBlockStore": _ebs,
    "iscsi": _iscsi,
    "rbd": _rbd,
}
