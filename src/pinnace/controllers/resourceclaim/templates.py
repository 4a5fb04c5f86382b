"""Claims from templates: one per pod and entry, owned by the pod, and named in the pod's status.

The key is the template, so that pods without claims cost nothing, and all pods of a template are seen to in one pass.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.api.resources import PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Create,
    Emit,
    Patch,
    World,
    controller_ref,
    indexes,
)


def reconcile(template: Object, world: World) -> Iterator[Action]:
    patches = []
    for pod in _pods_of(meta.key(template), world):
        known = {status["name"]: status for status in _statuses(pod)}
        found = dict(known)
        for entry in pod_claims.entries(pod):
            if entry.get("resourceClaimTemplateName") != meta.name(template):
                continue
            name, status = entry["name"], known.get(entry["name"])
            if status is not None and status.get("resourceClaimName") is None:
                continue  # it was decided that there is none
            claim = _claim_of(pod, name, world)
            if claim is None:
                yield Create(made_from(template, pod, name))
            else:
                found[name] = {"name": name, "resourceClaimName": meta.name(claim)}
        if found != known:
            body = {"status": {"resourceClaimStatuses": list(found.values())}}
            patches.append(Patch(pod, body, subresource="status", guarded=True))
    yield from patches


def absent(key: Key, world: World) -> Iterator[Action]:
    """The template is not there: pods that wait for it are told."""
    for pod in _pods_of(key, world):
        for entry in pod_claims.entries(pod):
            if (
                entry.get("resourceClaimTemplateName") == key[1]
                and _claim_of(pod, entry["name"], world) is None
            ):
                missing = f'resourceclaimtemplate.resource.k8s.io "{key[1]}" not found'
                why = f'PodResourceClaim {entry["name"]}: resource claim template "{key[1]}": {missing}'
                yield Emit(pod, "Warning", "FailedResourceClaimCreation", why)


def made_from(template: Object, pod: Object, name: str) -> Object:
    source = template["spec"]
    own = source.get("metadata") or {}
    metadata: Object = {
        "generateName": f"{meta.name(pod)}-{name}-",
        "namespace": meta.namespace(pod),
        "annotations": {**(own.get("annotations") or {}), pod_claims.POD_CLAIM_NAME: name},
        "ownerReferences": [controller_ref(pod)],
    }
    if own.get("labels"):
        metadata["labels"] = own["labels"]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": metadata,
        "spec": source.get("spec") or {},
    }


def _pods_of(template: Key, world: World) -> list[Object]:
    found = world.by_index(PODS, indexes.RESOURCE_CLAIM_TEMPLATE, template)
    return [pod for pod in found if not meta.is_terminating(pod) and not pod_claims.is_done(pod)]


def _claim_of(pod: Object, name: str, world: World) -> Object | None:
    owned = world.children(RESOURCE_CLAIMS, pod)
    return next(
        (
            claim
            for claim in owned
            if meta.annotations(claim).get(pod_claims.POD_CLAIM_NAME) == name
            and not meta.is_terminating(claim)
        ),
        None,
    )


def _statuses(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("resourceClaimStatuses") or []


def templates_of_pod(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    if new is None or "resourceClaims" not in new["spec"]:
        return
    if old is not None and _statuses(old) == _statuses(new):
        return
    for name in pod_claims.template_names(new):
        yield meta.namespace(new), name


def templates_of_claim(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """One that came must be named in its pod's status; one that went must be made again."""
    claim = new if new is not None else old
    owner = meta.controller_of(claim) if claim is not None and (old is None or new is None) else None
    if claim is None or owner is None or owner["kind"] != "Pod":
        return
    pod = world.get(PODS, owner["name"], meta.namespace(claim))
    if pod is not None and meta.uid(pod) == owner["uid"]:
        for name in pod_claims.template_names(pod):
            yield meta.namespace(pod), name


TEMPLATES = Controller(
    name="resourceclaim",
    source="resource_claim",
    primary=RESOURCE_CLAIM_TEMPLATES,
    reconcile=reconcile,
    absent=absent,
    watches={PODS: templates_of_pod, RESOURCE_CLAIMS: templates_of_claim},
    workers=1,
)
