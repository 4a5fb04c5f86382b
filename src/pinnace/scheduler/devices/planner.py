"""What a pod's claims mean for a node: are they there, can they be, and what is to be written when the pod goes there."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.scheduler.devices import NO_DEVICES, allocations, requests
from pinnace.scheduler.devices.allocator import Chosen, allocate
from pinnace.scheduler.devices.inventory import Inventory
from pinnace.scheduler.devices.requests import CannotAllocate, Wish
from pinnace.scheduler.pod_info import PodInfo

NOT_THERE = "resourceclaim not available on the node"
MOST_RESERVED = 256
KEPT_WISHES = 64


@dataclass(slots=True)
class Needs:
    """A pod's claims: `allocated` ones, and `wishes` for those that are not; or why the pod cannot run at all."""

    allocated: list[Object] = field(default_factory=list)  # claims
    wishes: list[Wish] = field(default_factory=list)
    refusal: str = ""
    signature: bytes = b""  # of the wishes: claims of one template have the same


class _Fit(NamedTuple):
    """Whether wishes could be satisfied on a node, and what that was true of."""

    own: int
    shared: int
    labels: Mapping[str, str]
    fits: bool


@dataclass(slots=True)
class DevicePlan:
    """What is to be written when the pod goes to its node: new allocations, and reservations of claims that have theirs."""

    allocations: list[tuple[Object, Object]]  # claim, allocation
    reservations: list[Object]


class Planner:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._fits: OrderedDict[bytes, dict[str, _Fit]] = OrderedDict()
        self._latest: tuple[Object, int, Needs] | None = None  # of the pod that was asked about last

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

    def needs(self, pod: PodInfo) -> Needs:
        version = self._inventory.version
        known = self._latest
        if known is None or known[0] is not pod.object or known[1] != version:
            known = self._latest = (pod.object, version, self._read(pod.object))
        return known[2]

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
        specs = [wish.claim.get("spec") for wish in needs.wishes]
        needs.signature = orjson.dumps(specs, option=orjson.OPT_SORT_KEYS)
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

    def reason(self, needs: Needs, node: str, labels: Mapping[str, str]) -> str:
        for claim in needs.allocated:
            allocation = self._inventory.allocation(claim) or {}
            if not allocations.is_usable_on(allocation, node, labels):
                return NOT_THERE
        try:
            return "" if self._can_allocate(needs, node, labels) else NO_DEVICES
        except CannotAllocate as error:
            needs.refusal = str(error)
            return needs.refusal

    def _can_allocate(self, needs: Needs, node: str, labels: Mapping[str, str]) -> bool:
        """Asked again only when something was taken or given back that this node can use."""
        if not needs.wishes:
            return True
        kept = self._fits.get(needs.signature)
        if kept is None:
            kept = self._fits[needs.signature] = {}
            if len(self._fits) > KEPT_WISHES:
                self._fits.popitem(last=False)
        own, shared = self._inventory.version_of[node], self._inventory.shared_version
        known = kept.get(node)
        if known is None or known.own != own or known.shared != shared or known.labels != labels:
            fits = self._allocate(needs, node, labels) is not None
            known = kept[node] = _Fit(own, shared, labels, fits)
        return known.fits

    def _allocate(self, needs: Needs, node: str, labels: Mapping[str, str]) -> list[list[Chosen]] | None:
        if not needs.wishes:
            return []
        candidates = list(self._inventory.pools.on(node, labels))
        return allocate(needs.wishes, candidates, self._inventory.usage, self._inventory.matcher)
