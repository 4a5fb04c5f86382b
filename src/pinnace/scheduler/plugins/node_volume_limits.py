"""NodeVolumeLimits: a CSI driver attaches no more volumes to a node than its CSINode allows."""

from typing import ClassVar, Literal

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows
from pinnace.scheduler.storage import Storage

EXCEEDED = "node(s) exceed max volume count"
Attached = dict[str, set[str]]  # driver -> handles


class NodeVolumeLimits:
    name: ClassVar[str] = "NodeVolumeLimits"
    reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "CSINode/Add", "CSINode/Update", "Pod/Delete", "PersistentVolumeClaim/Add", "VolumeAttachment/Delete",
    )  # fmt: skip

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(pod.volumes) and bool(self._volumes(pod)) and any(True for _ in self._storage.csi_nodes())

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask, wanted = nodes.exists.copy(), self._volumes(pod)
        waiting = self._attachments()
        for csi_node in self._storage.csi_nodes():
            row = nodes.row_of.get(meta.name(csi_node))
            limits = {
                driver["name"]: count
                for driver in csi_node["spec"].get("drivers") or ()
                if driver["name"] in wanted
                and (count := (driver.get("allocatable") or {}).get("count")) is not None
            }
            if row is not None and limits:
                mask[row] = self._has_room(
                    wanted, limits, pod, nodes, row, waiting.get(meta.name(csi_node), {})
                )
        return mask

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        return [Refusal((EXCEEDED,), preemption_may_help=True)] * len(rows)

    def _has_room(
        self, wanted: Attached, limits: dict[str, int], pod: PodInfo, nodes: NodeTable, row: int, waiting: Attached
    ) -> bool:  # fmt: skip
        there: Attached = {driver: set(waiting.get(driver, ())) for driver in limits}
        for other in nodes.pods[row].values():
            if other.volumes and other.uid != pod.uid:
                for driver, handles in self._volumes(other).items():
                    if driver in there:
                        there[driver] |= handles
        return all(
            not (new := wanted[driver] - there[driver]) or len(there[driver]) + len(new) <= limit
            for driver, limit in limits.items()
        )

    def _volumes(self, pod: PodInfo) -> Attached:
        """The pod's volumes by CSI driver; what is not provisioned yet counts by its claim."""
        found: Attached = {}
        for _, name in binding.claim_names(pod.object):
            claim = self._storage.claim(pod.namespace, name)
            if claim is None:
                continue
            volume = self._storage.volume(claim["spec"].get("volumeName") or "")
            if volume is not None:
                if (csi := volume["spec"].get("csi")) is not None:
                    found.setdefault(csi["driver"], set()).add(csi["volumeHandle"])
            elif (cls := self._storage.storage_class(binding.class_name(claim))) is not None:
                found.setdefault(cls["provisioner"], set()).add(f"claim/{meta.key_text(claim)}")
        return found

    def _attachments(self) -> dict[str, Attached]:
        """What is still attached, also of pods that are gone."""
        found: dict[str, Attached] = {}
        for attachment in self._storage.attachments():
            spec = attachment["spec"]
            volume = self._storage.volume((spec.get("source") or {}).get("persistentVolumeName") or "")
            csi = volume["spec"].get("csi") if volume is not None else None
            if csi is not None:
                found.setdefault(spec["nodeName"], {}).setdefault(csi["driver"], set()).add(
                    csi["volumeHandle"]
                )
        return found
