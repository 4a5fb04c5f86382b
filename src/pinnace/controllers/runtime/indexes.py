"""The indexes that controllers keep over the informers' copies: by controller, orphans, by node, by label, by selector, by claim."""

from collections.abc import Hashable, Iterable

from pinnace.api import meta
from pinnace.api.core.volume_binding import claim_names, claim_ref_key, class_name
from pinnace.api.core.volume_rules import class_of
from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.api.resources import (
    CONTROLLER_REVISIONS,
    ENDPOINT_SLICES,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    REPLICA_SETS,
    RESOURCE_CLAIMS,
    SERVICES,
    VOLUME_ATTACHMENTS,
)
from pinnace.apimachinery.gvk import GVR
from pinnace.client.informer import Indexer, Lister

CONTROLLER = "controller-uid"
ORPHANS = "orphans-of-namespace"
NODE = "node"
LABEL = "label"
SELECTOR_PAIR = "selector-pair"
SERVICE = "service"
CLAIM = "claim"  # pods by namespace and name of the claims that they mount
CLAIMING_ON = "claiming-on-node"  # pods with claims by node
ATTACHED_TO = "attached-to-node"  # attachments by node
ATTACHMENT_OF = "attachment-of-volume"
CLAIM_REF = "claim-reference"  # volumes by namespace and name of the claim that they are for
FREE_OF_CLASS = "free-of-class"  # volumes without a claim
VOLUME = "volume"  # claims by the volume that they name
PENDING_OF_CLASS = "pending-of-class"  # claims that name no volume; None: of no class
TOPOLOGY_AWARE = "topology-aware"
BALANCED_PORT = "balanced-port"  # Services of type LoadBalancer by protocol and port
RESOURCE_CLAIM, RESOURCE_CLAIM_TEMPLATE = "resource-claim", "resource-claim-template"


def by_controller(obj: Object) -> Iterable[Hashable]:
    reference = meta.controller_of(obj)
    return (reference["uid"],) if reference else ()


def orphans(obj: Object) -> Iterable[Hashable]:
    return () if meta.controller_of(obj) else (meta.namespace(obj),)


def by_node(pod: Object) -> Iterable[Hashable]:
    name = (pod.get("spec") or {}).get("nodeName")
    return (name,) if name else ()


def by_label(obj: Object) -> Iterable[Hashable]:
    space = meta.namespace(obj)
    return [(space, key, value) for key, value in meta.labels(obj).items()]


def by_resource_claim(pod: Object) -> Iterable[Hashable]:
    if "resourceClaims" not in (pod.get("spec") or {}):
        return ()
    return [(meta.namespace(pod), name) for name in pod_claims.claim_names(pod)]


def by_resource_claim_template(pod: Object) -> Iterable[Hashable]:
    if "resourceClaims" not in (pod.get("spec") or {}):
        return ()
    return [(meta.namespace(pod), name) for name in pod_claims.template_names(pod)]


def by_selector_pair(service: Object) -> Iterable[Hashable]:
    """One pair of the selector stands for all: who has it may match, who lacks it cannot."""
    selector = (service.get("spec") or {}).get("selector")
    return ((meta.namespace(service), *min(selector.items())),) if selector else ()


def by_balanced_port(service: Object) -> Iterable[Hashable]:
    spec = service.get("spec") or {}
    if spec.get("type") != "LoadBalancer":
        return ()
    return {(port.get("protocol") or "TCP", port["port"]) for port in spec.get("ports") or ()}


def topology_aware(service: Object) -> Iterable[Hashable]:
    """Services that may ask for hints by zone."""
    known = meta.annotations(service)
    return (True,) if any(name in known for name in _TOPOLOGY_ANNOTATIONS) else ()


def by_service(slice_: Object) -> Iterable[Hashable]:
    name = meta.labels(slice_).get("kubernetes.io/service-name")
    return ((meta.namespace(slice_), name),) if name else ()


def by_claim(pod: Object) -> Iterable[Hashable]:
    return [(meta.namespace(pod), name) for _, name in claim_names(pod)]


def claiming_on(pod: Object) -> Iterable[Hashable]:
    node = (pod.get("spec") or {}).get("nodeName")
    return (node,) if node and any(True for _ in claim_names(pod)) else ()


def attached_to(attachment: Object) -> Iterable[Hashable]:
    return (attachment["spec"]["nodeName"],)


def attachment_of(attachment: Object) -> Iterable[Hashable]:
    name = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
    return (name,) if name else ()


def by_claim_ref(volume: Object) -> Iterable[Hashable]:
    key = claim_ref_key(volume)
    return (key,) if key else ()


def free_of_class(volume: Object) -> Iterable[Hashable]:
    return () if volume["spec"].get("claimRef") else (class_name(volume),)


def by_volume(claim: Object) -> Iterable[Hashable]:
    name = (claim.get("spec") or {}).get("volumeName")
    return (name,) if name else ()


def pending_of_class(claim: Object) -> Iterable[Hashable]:
    return () if (claim.get("spec") or {}).get("volumeName") else (class_of(claim),)


_TOPOLOGY_ANNOTATIONS = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")
_OWNED: dict[str, Indexer] = {CONTROLLER: by_controller, ORPHANS: orphans}

INDEXES: dict[GVR, dict[str, Indexer]] = {
    PODS: {
        **_OWNED,
        NODE: by_node,
        LABEL: by_label,
        CLAIM: by_claim,
        CLAIMING_ON: claiming_on,
        RESOURCE_CLAIM: by_resource_claim,
        RESOURCE_CLAIM_TEMPLATE: by_resource_claim_template,
    },
    VOLUME_ATTACHMENTS: {ATTACHED_TO: attached_to, ATTACHMENT_OF: attachment_of},
    PERSISTENT_VOLUMES: {CLAIM_REF: by_claim_ref, FREE_OF_CLASS: free_of_class},
    PERSISTENT_VOLUME_CLAIMS: {VOLUME: by_volume, PENDING_OF_CLASS: pending_of_class},
    RESOURCE_CLAIMS: _OWNED,
    REPLICA_SETS: _OWNED,
    CONTROLLER_REVISIONS: _OWNED,
    JOBS: {CONTROLLER: by_controller},
    SERVICES: {
        SELECTOR_PAIR: by_selector_pair,
        TOPOLOGY_AWARE: topology_aware,
        BALANCED_PORT: by_balanced_port,
    },
    ENDPOINT_SLICES: {SERVICE: by_service},
}


def add_to(lister: Lister, gvr: GVR) -> None:
    """Give the lister of `gvr` every index that controllers expect there."""
    for name, indexer in INDEXES.get(gvr, {}).items():
        lister.add_index(name, indexer)
