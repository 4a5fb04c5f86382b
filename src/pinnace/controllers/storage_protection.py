"""Protection of claims, volumes and volume attributes classes: their finalizers go when no scheduled pod uses the claim, no
claim the volume, no claim or volume the class.

Admission puts the finalizers on; objects from before it was there get them here.
"""

from collections.abc import Iterator
from itertools import chain

from pinnace.api import meta
from pinnace.api.core.volume_binding import claim_names
from pinnace.api.meta import Object
from pinnace.api.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTRIBUTES_CLASSES,
)
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Update, World, indexes

CLASS_FINALIZER = "kubernetes.io/vac-protection"
CLAIM_FINALIZER, VOLUME_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def reconcile_claim(claim: Object, world: World) -> Iterator[Action]:
    # no kubelet starts a pod whose claim is going away, so pods without a node do not count
    users = world.by_index(PODS, indexes.CLAIM, meta.key(claim))
    is_used = any(pod["spec"].get("nodeName") and meta.name(claim) in _held(pod) for pod in users)
    yield from _protect(claim, CLAIM_FINALIZER, is_used=is_used)


def _held(pod: Object) -> Iterator[str]:
    """The claims that the pod uses. One that its node is done with holds no claims of its own any more: they must go before
    it when it is deleted in the foreground."""
    is_over = _is_shut_down(pod)
    return (name for volume, name in claim_names(pod) if not (is_over and volume.get("ephemeral")))


def _is_shut_down(pod: Object) -> bool:
    return meta.is_terminating(pod) and pod["metadata"].get("deletionGracePeriodSeconds") == 0


def reconcile_volume(volume: Object, world: World) -> Iterator[Action]:
    is_bound = (volume.get("status") or {}).get("phase") == "Bound"
    yield from _protect(volume, VOLUME_FINALIZER, is_used=is_bound)


def reconcile_class(attributes: Object, world: World) -> Iterator[Action]:
    name, is_used = meta.name(attributes), False
    if meta.is_terminating(attributes):
        objects = chain(world.all(PERSISTENT_VOLUME_CLAIMS), world.all(PERSISTENT_VOLUMES))
        is_used = any(name in _classes_of(one) for one in objects)
    yield from _protect(attributes, CLASS_FINALIZER, is_used=is_used)


def _classes_of(obj: Object) -> set[str]:
    """The attributes classes that a claim or volume has, had asked for, or is on its way to."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    named = (spec.get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target)
    return {name for name in named if name}


def _protect(obj: Object, finalizer: str, *, is_used: bool) -> Iterator[Action]:
    finalizers = obj["metadata"].get("finalizers") or []
    if meta.is_terminating(obj):
        wanted = finalizers if is_used else [one for one in finalizers if one != finalizer]
    else:
        wanted = finalizers if finalizer in finalizers else [*finalizers, finalizer]
    if wanted != finalizers:
        yield Update({**obj, "metadata": {**obj["metadata"], "finalizers": wanted}})


def _freed(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A pod that is gone, or done, may have been the last that used its claims."""
    if old is not None and (new is None or (_is_shut_down(new) and not _is_shut_down(old))):
        for _, name in claim_names(old):
            yield meta.namespace(old), name


def _left(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Classes that the object no longer uses."""
    if old is not None:
        for name in _classes_of(old) - (_classes_of(new) if new is not None else set()):
            yield "", name


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
ATTRIBUTES_CLASSES = Controller(
    name="volumeattributesclass-protection",
    source="volumeattributesclass-protection-controller",
    primary=VOLUME_ATTRIBUTES_CLASSES,
    reconcile=reconcile_class,
    watches={PERSISTENT_VOLUME_CLAIMS: _left, PERSISTENT_VOLUMES: _left},
)
