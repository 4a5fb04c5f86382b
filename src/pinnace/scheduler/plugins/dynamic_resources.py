"""DynamicResources: nodes where the pod's claims are, or can be, satisfied with devices.

Leaves out devices that claims share in parts (allowMultipleAllocations), binding conditions, and extended resources that a
DeviceClass stands for.
"""

from typing import ClassVar, Literal

import numpy as np

from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.scheduler.devices import NO_DEVICES, Devices
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows, Tallies


def waits_for_claims(pod: Object) -> bool:
    """A claim from a template has not been made yet: the pod is not worth a try."""
    for entry in pod_claims.entries(pod):
        try:
            pod_claims.claim_name(pod, entry)
        except pod_claims.NotMade:
            return True
    return False


class DynamicResources:
    name: ClassVar[str] = "DynamicResources"
    reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "Node/Add", "Node/UpdateLabel", "ResourceClaim/Add", "ResourceClaim/Update", "ResourceClaim/Delete",
        "ResourceSlice/Add", "ResourceSlice/Update", "ResourceSlice/Delete", "DeviceClass/Add", "DeviceClass/Update",
    )  # fmt: skip

    def __init__(self, devices: Devices) -> None:
        self._devices = devices

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return pod.has_claims

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = np.zeros_like(nodes.exists)
        planner = self._devices.planner
        needs = planner.needs(pod)
        if not needs.refusal:
            for row in np.flatnonzero(nodes.exists):
                mask[row] = not planner.reason(needs, nodes.names[row], nodes.labels[row])
                if needs.refusal:  # found while looking: no node can help
                    return np.zeros_like(mask)
        return mask

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        return None

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        planner = self._devices.planner
        needs = planner.needs(pod)
        if needs.refusal:
            return [Refusal((needs.refusal,), preemption_may_help=False)] * len(rows)
        reasons = (planner.reason(needs, nodes.names[row], nodes.labels[row]) for row in rows)
        return [Refusal((reason or NO_DEVICES,), preemption_may_help=True) for reason in reasons]
