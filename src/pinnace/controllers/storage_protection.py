"""Protection of claims and volumes: their finalizers go when no scheduled pod uses the claim, no claim the volume.

Admission puts the finalizers on; objects from before it was there get them here.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Update, World

CLAIM_FINALIZER, VOLUME_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def reconcile_claim(claim: Object, world: World) -> Iterator[Action]:
    is_used = any(
        claim_name == meta.name(claim) for claim_name in _claims_in_use(world, meta.namespace(claim))
    )
    yield from _protect(claim, CLAIM_FINALIZER, is_used=is_used)


def reconcile_volume(volume: Object, world: World) -> Iterator[Action]:
    is_bound = (volume.get("status") or {}).get("phase") == "Bound"
    yield from _protect(volume, VOLUME_FINALIZER, is_used=is_bound)


def _protect(obj: Object, finalizer: str, *, is_used: bool) -> Iterator[Action]:
    finalizers = obj["metadata"].get("finalizers") or []
    if meta.is_terminating(obj):
        wanted = finalizers if is_used else [one for one in finalizers if one != finalizer]
    else:
        wanted = finalizers if finalizer in finalizers else [*finalizers, finalizer]
    if wanted != finalizers:
        yield Update({**obj, "metadata": {**obj["metadata"], "finalizers": wanted}})


def _claims_in_use(world: World, namespace: str) -> Iterator[str]:
    """Of pods that have a node: no kubelet starts a pod whose claim is going away, so the others do not count."""
    for pod in world.all(PODS, namespace):
        if pod["spec"].get("nodeName"):
            yield from _claim_names(pod)


def _claim_names(pod: Object) -> Iterator[str]:
    for volume in pod["spec"].get("volumes") or ():
        if (claim := volume.get("persistentVolumeClaim")) is not None:
            yield claim.get("claimName", "")
        elif volume.get("ephemeral") is not None:
            yield f"{meta.name(pod)}-{volume['name']}"


def _freed(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A pod that is gone may have been the last that used its claims."""
    if new is None and old is not None:
        for name in _claim_names(old):
            yield meta.namespace(old), name


CLAIMS = Controller(
    name="persistentvolumeclaim-protection",
    source="pvc-protection-controller",
    primary=PERSISTENT_VOLUME_CLAIMS,
    reconcile=reconcile_claim,
    watches={PODS: _freed},
)
VOLUMES = Controller(
    name="persistentvolume-protection",
    source="pv-protection-controller",
    primary=PERSISTENT_VOLUMES,
    reconcile=reconcile_volume,
)
