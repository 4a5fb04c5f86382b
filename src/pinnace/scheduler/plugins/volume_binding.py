"""VolumeBinding: nodes that reach the pod's bound volumes, and on which its other claims find or can be given one.

Claims are served from the smallest to the largest; each takes the smallest volume that the node reaches, else one that its
class can provision there. `plan` answers the same for the chosen node: what is to be reserved and asked for.
Left out: scoring by capacity (off upstream, too).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.apimachinery import quantity
from pinnace.apimachinery.selectors import SelectorError, from_label_selector
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows, Tallies
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.plugins.volume_topology import matches_node_terms, matches_topologies
from pinnace.scheduler.storage import CLAIM, CLASS, VOLUME, Object, Storage

AFFINITY_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NOTHING_TO_BIND = "node(s) didn't find available persistent volumes to bind"
NO_SPACE = "node(s) did not have enough free storage"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"


@dataclass(slots=True)
class Claims:
    """The pod's claims by what is to be done for them."""

    bound: list[Object] = field(default_factory=list)
    delayed: list[Object] = field(default_factory=list)
    immediate: list[Object] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """For one node: volumes to reserve for claims, and claims to be provisioned there."""

    bindings: list[tuple[Object, Object]] = field(default_factory=list)
    provisions: list[Object] = field(default_factory=list)


class VolumeBinding:
    name: ClassVar[str] = "VolumeBinding"
    reads: ClassVar[Literal["pods"]] = "pods"
    requeue_on: ClassVar[tuple[str, ...]] = (
        "StorageClass/Add", "StorageClass/Update", "PersistentVolumeClaim/Add", "PersistentVolumeClaim/Update",
        "PersistentVolume/Add", "PersistentVolume/Update", "Node/Add", "Node/UpdateLabel", "CSINode/Add", "CSINode/Update",
        "CSIDriver/Update", "CSIStorageCapacity/Add", "CSIStorageCapacity/Update",
    )  # fmt: skip

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def rejects(self, pod: PodInfo) -> str:
        """Why no node at all will do; "" when nodes are worth a look."""
        for volume, name in binding.claim_names(pod.object):
            claim = self._storage.claim(pod.namespace, name)
            if claim is None:
                if "ephemeral" in volume:
                    return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
                return f'persistentvolumeclaim "{name}" not found'
            if (claim.get("status") or {}).get("phase") == "Lost":
                lost = claim["spec"].get("volumeName", "")
                return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{lost}"'
            if meta.is_terminating(claim):
                return f'persistentvolumeclaim "{name}" is being deleted'
            if "ephemeral" in volume and (why := binding.not_for_pod(claim, pod.object)):
                return why
        return UNBOUND_IMMEDIATE if self._claims(pod).immediate else ""

    def _claims(self, pod: PodInfo) -> Claims:
        found = Claims()
        for _, name in binding.claim_names(pod.object):
            claim = self._storage.claim(pod.namespace, name)
            if claim is None:
                continue
            if binding.is_fully_bound(claim):
                found.bound.append(claim)
            elif not claim["spec"].get("volumeName") and binding.waits_for_consumer(
                self._storage.storage_class(binding.class_name(claim))
            ):
                found.delayed.append(claim)
            else:
                found.immediate.append(claim)
        found.delayed.sort(key=binding.requested)
        return found

    def may_help(self, pod: PodInfo, what: Happening) -> bool:
        """An event of one of the pod's claims, of a class or a volume that could serve them, or of a node that does now."""
        if what.node:
            nodes, row = what.nodes, what.row
            return nodes is not None and row is not None and bool(self.filter(pod, nodes)[row])
        if what.about is None:
            return True
        kind, names = what.kinds[0].partition("/")[0], {name for _, name in binding.claim_names(pod.object)}
        if kind == CLAIM:
            return meta.namespace(what.about) == pod.namespace and meta.name(what.about) in names
        if kind == VOLUME:
            key = binding.claim_ref_key(what.about)
            return key is None or (key[0] == pod.namespace and key[1] in names)
        if kind == CLASS:
            claims = (self._storage.claim(pod.namespace, name) for name in names)
            return any(one is None or binding.class_name(one) == meta.name(what.about) for one in claims)
        return True

    # --- over all nodes

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return bool(pod.volumes)

    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask:
        mask = nodes.exists.copy()
        for _, fits in self._answers(self._claims(pod), nodes):
            mask &= fits
        return mask

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        return None

    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        answers = list(self._answers(self._claims(pod), nodes))
        return [
            Refusal(
                tuple(dict.fromkeys(reason for reason, fits in answers if not fits[row])),
                preemption_may_help=False,
            )
            for row in rows
        ]

    def _answers(self, claims: Claims, nodes: NodeTable) -> Iterator[tuple[str, Mask]]:
        """Reasons in upstream's order, each with the nodes that it does not refuse."""
        everywhere = np.ones_like(nodes.exists)
        for claim in claims.bound:
            volume = self._storage.volume(claim["spec"]["volumeName"])
            if volume is not None:
                yield AFFINITY_CONFLICT, self._reach(volume, nodes)
        if claims.delayed:
            bindable, spacious = self._unbound(claims.delayed, nodes)
            yield NOTHING_TO_BIND, bindable
            yield NO_SPACE, spacious
        if any(self._storage.volume(claim["spec"]["volumeName"]) is None for claim in claims.bound):
            yield NO_VOLUME, ~everywhere

    def _reach(self, volume: Object, nodes: NodeTable) -> Mask:
        required = (volume["spec"].get("nodeAffinity") or {}).get("required")
        return matches_node_terms(None if required is None else required.get("nodeSelectorTerms"), nodes)

    def _unbound(self, claims: list[Object], nodes: NodeTable) -> tuple[Mask, Mask]:
        bindable, spacious = np.ones_like(nodes.exists), np.ones_like(nodes.exists)
        taken: dict[str, Mask] = {}  # volume -> nodes on which an earlier claim has it
        for claim in claims:
            if (chosen := meta.annotations(claim).get(binding.SELECTED_NODE)) is not None:
                here = np.zeros_like(nodes.exists)
                if chosen in nodes.row_of:
                    here[nodes.row_of[chosen]] = True
                bindable &= here
                served = np.zeros_like(nodes.exists)
            else:
                served = self._served(claim, nodes, taken)
            provisionable, enough = self._provisionable(claim, nodes)
            bindable &= served | provisionable
            spacious &= served | ~provisionable | enough
        return bindable, spacious

    def _served(self, claim: Object, nodes: NodeTable, taken: dict[str, Mask]) -> Mask:
        """Nodes that reach a volume for the claim; which one they take is noted."""
        served = np.zeros_like(nodes.exists)
        for volume in self._candidates(claim):
            used = taken.setdefault(meta.name(volume), np.zeros_like(served))
            here = self._reach(volume, nodes) & ~served & ~used
            used |= here
            served |= here
        return served

    def _candidates(self, claim: Object) -> list[Object]:
        """Volumes for the claim, best first: one that is reserved for it leaves no choice."""
        reserved = binding.reserved_volume(claim, self._storage.reserved_volumes(claim))
        if reserved is not None:
            return [reserved]
        return binding.matches(claim, self._storage.free_volumes(binding.class_name(claim)))

    def _provisionable(self, claim: Object, nodes: NodeTable) -> tuple[Mask, Mask]:
        """Nodes where the class can make a volume, and nodes where there is room for it."""
        storage_class = self._storage.storage_class(binding.class_name(claim))
        everywhere = np.ones_like(nodes.exists)
        if storage_class is None or storage_class["provisioner"] in ("", binding.NO_PROVISIONER):
            return ~everywhere, everywhere
        topologies = storage_class.get("allowedTopologies")
        allowed = matches_topologies(topologies, nodes) if topologies else everywhere
        return allowed, self._has_room(claim, storage_class, nodes)

    def _has_room(self, claim: Object, storage_class: Object, nodes: NodeTable) -> Mask:
        driver = self._storage.csi_driver(storage_class["provisioner"])
        if driver is None or not driver["spec"].get("storageCapacity"):
            return np.ones_like(nodes.exists)
        room, wanted = np.zeros_like(nodes.exists), binding.requested(claim)
        for capacity in self._storage.capacities(meta.name(storage_class)):
            limit = capacity.get("maximumVolumeSize") or capacity.get("capacity")
            topology = capacity.get("nodeTopology")
            if limit is None or topology is None or quantity.parse(limit) < wanted:
                continue
            try:
                selector = from_label_selector(topology)
            except SelectorError:
                continue
            for row in nodes.row_of.values():
                if not room[row] and selector.matches(nodes.labels[row]):
                    room[row] = True
        return room

    # --- for the chosen node

    def plan(self, pod: PodInfo, node: str, labels: Mapping[str, str]) -> Plan:
        """What the filter found for this node."""
        plan, taken = Plan(), set[str]()
        for claim in self._claims(pod).delayed:
            volume = None
            if binding.SELECTED_NODE not in meta.annotations(claim):
                reachable: Iterable[Object] = (
                    one
                    for one in self._candidates(claim)
                    if meta.name(one) not in taken and binding.allows_node(one, labels, node)
                )
                volume = next(iter(reachable), None)
            if volume is None:
                plan.provisions.append(claim)
            else:
                taken.add(meta.name(volume))
                plan.bindings.append((volume, claim))
        return plan
