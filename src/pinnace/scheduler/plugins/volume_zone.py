"""VolumeZone: the zone and region that a bound volume's labels name are those of the node, if nodes have any."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows, Tallies
from pinnace.scheduler.plugins.volume_topology import carries_any, carries_label
from pinnace.scheduler.storage import Storage

CONFLICT = "node(s) had no available volume zone"
TOPOLOGY = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone": "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region": "failure-domain.beta.kubernetes.io/region",
}  # each with the other name of the same


class VolumeZone:
    name: ClassVar[str] = "VolumeZone"
    reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "StorageClass/Add", "PersistentVolumeClaim/Add", "PersistentVolumeClaim/Update", "PersistentVolume/Add",
        "PersistentVolume/Update", "Node/Add", "Node/UpdateLabel",
    )  # fmt: skip

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(pod.volumes) and any(True for _ in self._wanted(pod))

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        placed = np.zeros_like(nodes.exists)
        for key in TOPOLOGY:
            placed |= carries_label(key, nodes)
        mask = nodes.exists.copy()
        for key, values in self._wanted(pod):
            other = carries_any(TOPOLOGY[key], values, nodes) & ~carries_label(key, nodes)
            mask &= carries_any(key, values, nodes) | other
        return mask | ~placed

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        return None

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        return [Refusal((CONFLICT,), preemption_may_help=False)] * len(rows)

    def _wanted(self, pod: PodInfo) -> Iterator[tuple[str, list[str]]]:
        """Labels that the pod's bound volumes carry, with the values that will do."""
        for _, name in binding.claim_names(pod.object):
            claim = self._storage.claim(pod.namespace, name)
            volume = self._storage.volume(claim["spec"].get("volumeName") or "") if claim else None
            for key, value in meta.labels(volume).items() if volume is not None else ():
                if key in TOPOLOGY:
                    yield key, value.split("__")
