"""DynamicResources: nodes where the pod's claims are, or can be, satisfied with devices.

Leaves out devices that claims share in parts (allowMultipleAllocations), binding conditions, and extended resources that a
DeviceClass stands for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.scheduler.devices import allocations, requests
from pinnace.scheduler.devices.allocator import Chosen, allocate
from pinnace.scheduler.devices.inventory import Inventory
from pinnace.scheduler.devices.requests import CannotAllocate, Wish
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows

NOT_THERE = "resourceclaim not available on the node"
NO_DEVICES = "cannot allocate all claims"
MOST_RESERVED = 256


@dataclass(slots=True)
class Needs:
    """A pod's claims: `allocated` ones, and `wishes` for those that are not; or why the pod cannot run at all."""

    allocated: list[Object] = field(default_factory=list)  # claims
    wishes: list[Wish] = field(default_factory=list)
    refusal: str = ""


@dataclass(slots=True)
class DevicePlan:
    """What is to be written when the pod goes to its node: new allocations, and reservations of claims that have theirs."""

    allocations: list[tuple[Object, Object]]  # claim, allocation
    reservations: list[Object]


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

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._latest: tuple[str, int, Needs] | None = None  # of the pod that was asked about last

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return pod.has_claims

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = np.zeros_like(nodes.exists)
        needs = self.needs(pod)
        if not needs.refusal:
            for row in np.flatnonzero(nodes.exists):
                mask[row] = not self._reason(needs, nodes.names[row], nodes.labels[row])
                if needs.refusal:  # found while looking: no node can help
                    return np.zeros_like(mask)
        return mask

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        needs = self.needs(pod)
        if needs.refusal:
            return [Refusal((needs.refusal,), preemption_may_help=False)] * len(rows)
        reasons = (self._reason(needs, nodes.names[row], nodes.labels[row]) for row in rows)
        return [Refusal((reason or NO_DEVICES,), preemption_may_help=True) for reason in reasons]

    def rejects(self, pod: PodInfo) -> str:
        """Why no node is worth a look; "" when some may be."""
        return self.needs(pod).refusal

    def plan(self, pod: PodInfo, node: str, labels: Mapping[str, str]) -> DevicePlan:
        """For a node that the filter let through."""
        needs = self.needs(pod)
        chosen = self._allocate(needs, node, labels)
        assert chosen is not None, f"{pod.key} does not fit {node}"
        return DevicePlan(
            [
                (wish.claim, allocations.allocation_of(wish, mine, node))
                for wish, mine in zip(needs.wishes, chosen, strict=True)
            ],
            [claim for claim in needs.allocated if not pod_claims.is_reserved_for(claim, pod.object)],
        )

    # --- one pod

    def needs(self, pod: PodInfo) -> Needs:
        version = self._inventory.version
        if self._latest is None or self._latest[:2] != (pod.uid, version):
            self._latest = (pod.uid, version, self._read(pod.object))
        return self._latest[2]

    def _read(self, pod: Object) -> Needs:
        needs = Needs()
        try:
            for entry in pod_claims.entries(pod):
                name = pod_claims.claim_name(pod, entry)
                if name is None:
                    continue
                claim = self._claim(pod, name, entry)
                if self._inventory.allocation(claim) is not None:
                    needs.allocated.append(claim)
                else:
                    needs.wishes.append(requests.read(claim, self._inventory.classes))
        except (pod_claims.NotMade, CannotAllocate) as error:
            needs.refusal = str(error)
        return needs

    def _claim(self, pod: Object, name: str, entry: Object) -> Object:
        space = meta.namespace(pod)
        claim = self._inventory.claim(space, name)
        if claim is None:
            raise CannotAllocate(f'resourceclaim.resource.k8s.io "{name}" not found')
        if meta.is_terminating(claim):
            raise CannotAllocate(f'resourceclaim "{name}" is being deleted')
        if entry.get("resourceClaimTemplateName") and not pod_claims.is_for(claim, pod):
            whose = f"{space}/{meta.name(pod)}"
            raise CannotAllocate(
                f"ResourceClaim {space}/{name} was not created for pod {whose} (pod is not owner)"
            )
        reserved = pod_claims.reserved_for(claim)
        if len(reserved) >= MOST_RESERVED and not pod_claims.is_reserved_for(claim, pod):
            raise CannotAllocate("resourceclaim in use")
        return claim

    def _reason(self, needs: Needs, node: str, labels: Mapping[str, str]) -> str:
        for claim in needs.allocated:
            allocation = self._inventory.allocation(claim) or {}
            if not allocations.is_usable_on(allocation, node, labels):
                return NOT_THERE
        try:
            return "" if self._allocate(needs, node, labels) is not None else NO_DEVICES
        except CannotAllocate as error:
            needs.refusal = str(error)
            return needs.refusal

    def _allocate(self, needs: Needs, node: str, labels: Mapping[str, str]) -> list[list[Chosen]] | None:
        if not needs.wishes:
            return []
        candidates = list(self._inventory.pools.on(node, labels))
        return allocate(needs.wishes, candidates, self._inventory.usage, self._inventory.matcher)
