"""Reservations of claims: pods that are done lose theirs, a claim without any is free again, and its protection ends.

A pod that came to its node without the scheduler gets its reservation here.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.api.resources import PODS, RESOURCE_CLAIMS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Delete,
    Patch,
    RequeueAfter,
    SetStatus,
    World,
    indexes,
)

MOST_RESERVED = 256
UNSEEN = 5.0  # seconds that a consumer is missing before it is gone: we may not have seen it yet (upstream asks the API)


def reconcile(claim: Object, world: World) -> Iterator[Action]:
    status = claim.get("status") or {}
    kept, recheck = still_valid(claim, world)
    if recheck:
        yield RequeueAfter(UNSEEN)
    kept += [] if meta.is_terminating(claim) else missing_reservations(claim, kept, world)
    allocated = pod_claims.allocation(claim) is not None
    is_protected = pod_claims.FINALIZER in (claim["metadata"].get("finalizers") or ())
    changed = {key: value for key, value in status.items() if key != "reservedFor"}
    if kept:
        changed["reservedFor"] = kept
    elif is_protected and (pod_claims.reserved_for(claim) or meta.is_terminating(claim)):
        changed = {key: value for key, value in changed.items() if key not in ("allocation", "devices")}
        allocated = False
    if changed != status:
        yield SetStatus(claim, changed)
    if is_protected and not kept and not allocated:
        rest = [name for name in claim["metadata"]["finalizers"] if name != pod_claims.FINALIZER]
        yield Patch(claim, {"metadata": {"finalizers": rest or None}}, guarded=True)
    if not kept and not meta.is_terminating(claim) and _is_of_no_use(claim, world):
        yield Delete(claim)


def still_valid(claim: Object, world: World) -> tuple[list[Object], bool]:
    """The consumers that remain, and whether one is to be looked for again."""
    kept, recheck = [], False
    for consumer in pod_claims.reserved_for(claim):
        if consumer.get("apiGroup") or consumer["resource"] != "pods":
            kept.append(consumer)  # of a kind that we know nothing of
            continue
        pod = world.get(PODS, consumer["name"], meta.namespace(claim))
        fact = ("unseen consumer", consumer["uid"], meta.uid(claim))
        if pod is not None and meta.uid(pod) == consumer["uid"]:
            world.forget(fact)
            if not pod_claims.is_done(pod):
                kept.append(consumer)
        elif world.age(fact).total_seconds() < UNSEEN:
            kept.append(consumer)
            recheck = True
        else:
            world.forget(fact)
    return kept, recheck


def missing_reservations(claim: Object, kept: list[Object], world: World) -> list[Object]:
    """Of pods that are on a node and use the claim as it is allocated."""
    if pod_claims.allocation(claim) is None:
        return []
    known = {consumer["uid"] for consumer in kept}
    owner = meta.controller_of(claim)
    missing = [
        pod_claims.consumer(pod)
        for pod in world.by_index(PODS, indexes.RESOURCE_CLAIM, meta.key(claim))
        if pods.node_name(pod)
        and not pod_claims.is_done(pod)
        and meta.uid(pod) not in known
        and (owner is None or owner["uid"] == meta.uid(pod))
    ]
    return missing[: MOST_RESERVED - len(kept)]


def _is_of_no_use(claim: Object, world: World) -> bool:
    """Made for a pod that will not run any more, or has been replaced; one that is gone is the garbage collector's."""
    owner = meta.controller_of(claim)
    if owner is None or owner["kind"] != "Pod" or owner["apiVersion"] != "v1":
        return False
    pod = world.get(PODS, owner["name"], meta.namespace(claim))
    return pod is not None and (meta.uid(pod) != owner["uid"] or pod_claims.is_done(pod))


def claims_of_pod(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """When it gets its node, its claims, or ends."""
    pod = new if new is not None else old
    if pod is None or "resourceClaims" not in pod["spec"]:
        return
    if old is not None and new is not None and _shown(old) == _shown(new):
        return
    for name in pod_claims.claim_names(pod):
        yield meta.namespace(pod), name


def _shown(pod: Object) -> tuple[object, ...]:
    return pods.node_name(pod), pod_claims.is_done(pod), list(pod_claims.claim_names(pod))


CLAIMS = Controller(
    name="resourceclaim",
    source="resource_claim",
    primary=RESOURCE_CLAIMS,
    reconcile=reconcile,
    watches={PODS: claims_of_pod},
)
