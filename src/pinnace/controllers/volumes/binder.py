"""persistentvolume-binder: two loops, one over claims and one over volumes, which wake each other."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Controller, World, indexes
from pinnace.controllers.volumes import claims, persistentvolumes

NAME = "persistentvolume-binder"
SOURCE = "persistentvolume-controller"


def _claims_of_volume(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """The claim that the volume names, those that name the volume, and those that could use it when it is free."""
    volume = new if new is not None else old
    assert volume is not None
    for one in (old, new):
        if one is not None and (key := binding.claim_ref_key(one)) is not None:
            yield key
    for claim in world.by_index(PERSISTENT_VOLUME_CLAIMS, indexes.VOLUME, meta.name(volume)):
        yield meta.key(claim)
    if new is not None and not new["spec"].get("claimRef"):
        for claim in _pending(world, binding.class_name(new)):
            if binding.smallest_match(claim, (new,)) is not None:
                yield meta.key(claim)


def _pending(world: World, class_name: str) -> Iterator[Object]:
    """Claims of the class without a volume that need not wait for a pod."""
    if binding.waits_for_consumer(world.get(STORAGE_CLASSES, class_name)):
        return
    for name in (class_name,) if class_name else ("", None):
        yield from world.by_index(PERSISTENT_VOLUME_CLAIMS, indexes.PENDING_OF_CLASS, name)


def _claims_of_class(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Claims that wait for this class, and those without a class: it may be the default now."""
    storage_class = new if new is not None else old
    assert storage_class is not None
    for name in (meta.name(storage_class), None):
        for claim in world.by_index(PERSISTENT_VOLUME_CLAIMS, indexes.PENDING_OF_CLASS, name):
            yield meta.key(claim)


def _volumes_of_claim(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    for claim in (old, new):
        if claim is None:
            continue
        if name := claim["spec"].get("volumeName"):
            yield "", name
        for volume in world.by_index(PERSISTENT_VOLUMES, indexes.CLAIM_REF, meta.key(claim)):
            yield meta.key(volume)


CLAIMS = Controller(
    name=NAME,
    source=SOURCE,
    primary=PERSISTENT_VOLUME_CLAIMS,
    reconcile=claims.reconcile,
    watches={PERSISTENT_VOLUMES: _claims_of_volume, STORAGE_CLASSES: _claims_of_class},
    reads=(PODS,),
    workers=1,  # two at once would reach for the same volume
)
VOLUMES = Controller(
    name=NAME,
    source=SOURCE,
    primary=PERSISTENT_VOLUMES,
    reconcile=persistentvolumes.reconcile,
    watches={PERSISTENT_VOLUME_CLAIMS: _volumes_of_claim},
)
