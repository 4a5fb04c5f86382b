"""Pods and the ResourceClaims they use: by name, or made for them from a template.

Facts: https://github.com/kubernetes/dynamic-resource-allocation/blob/master/resourceclaim/claim.go
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object

POD_CLAIM_NAME = (
    "resource.kubernetes.io/pod-claim-name"  # annotation: which entry of the pod a claim was made for
)
FINALIZER = "resource.kubernetes.io/delete-protection"


class NotMade(Exception):
    """The claim of a template is not there yet."""


def entries(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("resourceClaims") or []


def claim_name(pod: Object, entry: Object) -> str | None:
    """The claim of this entry of the pod; None when it needs none. Raises NotMade."""
    if entry.get("resourceClaimName"):
        name: str = entry["resourceClaimName"]
        return name
    for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        if status["name"] == entry["name"]:
            return status.get("resourceClaimName")
    raise NotMade(f'pod "{meta.namespace(pod)}/{meta.name(pod)}": ResourceClaim not created yet')


def claim_names(pod: Object) -> Iterator[str]:
    """Of those that are known."""
    for entry in entries(pod):
        try:
            name = claim_name(pod, entry)
        except NotMade:
            continue
        if name is not None:
            yield name


def template_names(pod: Object) -> Iterator[str]:
    for entry in entries(pod):
        if entry.get("resourceClaimTemplateName"):
            yield entry["resourceClaimTemplateName"]


def is_for(claim: Object, pod: Object) -> bool:
    """A claim made for this pod."""
    owner = meta.controller_of(claim)
    return owner is not None and owner["uid"] == meta.uid(pod)


def is_reserved_for(claim: Object, pod: Object) -> bool:
    return any(consumer["uid"] == meta.uid(pod) for consumer in reserved_for(claim))


def reserved_for(claim: Object) -> list[dict[str, Any]]:
    return (claim.get("status") or {}).get("reservedFor") or []


def consumer(pod: Object) -> Object:
    return {"resource": "pods", "name": meta.name(pod), "uid": meta.uid(pod)}


def allocation(claim: Object) -> Object | None:
    return (claim.get("status") or {}).get("allocation")


def is_done(pod: Object) -> bool:
    """None of its containers runs, and none will."""
    return pods.is_terminal(pod) or (meta.is_terminating(pod) and not pods.node_name(pod))
