"""Volumes: their phase follows their claim; a released one is retained, deleted or refused.

Deleting is the provisioner's work; a volume that no provisioner made and that is to be deleted turns Failed, as upstream's do
when no plugin deletes them. No recycler is there, for any kind of volume.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS
from pinnace.controllers.runtime import Action, Emit, RequeueAfter, World
from pinnace.controllers.volumes.binding import fail_volume, phase_of, set_volume_phase, unbind

MIGRATED_TO = "pv.kubernetes.io/migrated-to"
UNSEEN, PATIENCE = "claim-unseen", 5.0


def reconcile(volume: Object, world: World) -> Iterator[Action]:
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        yield from set_volume_phase(volume, "Available")
        return
    claim = world.get(PERSISTENT_VOLUME_CLAIMS, reference["name"], reference.get("namespace", ""))
    if claim is None or meta.uid(claim) != reference["uid"]:
        yield from _without_claim(volume, world)
        return
    world.forget((UNSEEN, meta.uid(volume)))
    if not (chosen := claim["spec"].get("volumeName")):
        if not binding.same_volume_mode(volume, claim):
            yield from _mode_mismatch(volume, claim)
    elif chosen == meta.name(volume):
        yield from set_volume_phase(volume, "Bound")
    elif binding.PROVISIONED_BY in meta.annotations(volume) and _policy(volume) == "Delete":
        yield from _release(volume)  # made for a claim that another volume serves now
    else:
        yield from unbind(volume)


def _without_claim(volume: Object, world: World) -> Iterator[Action]:
    """A provisioner may be faster than our copy of the claims: a volume that was never bound gets some time."""
    if phase_of(volume) in ("Pending", "Available"):
        waited = world.age((UNSEEN, meta.uid(volume)))
        if (left := PATIENCE - waited.total_seconds()) > 0:
            yield RequeueAfter(left)
            return
    world.forget((UNSEEN, meta.uid(volume)))
    yield from _release(volume)


def _mode_mismatch(volume: Object, claim: Object) -> Iterator[Action]:
    for about in (volume, claim):
        message = (
            f'Cannot bind PersistentVolume "{meta.name(volume)}" to requested PersistentVolumeClaim '
            f'"{meta.name(claim)}" due to incompatible volumeMode.'
        )
        yield Emit(about, "Warning", "VolumeMismatch", message)


def _policy(volume: Object) -> str:
    policy: str = volume["spec"].get("persistentVolumeReclaimPolicy") or "Retain"
    return policy


def _release(volume: Object) -> Iterator[Action]:
    released = phase_of(volume) in ("Released", "Failed")
    if not released:
        yield from set_volume_phase(volume, "Released")
        return  # the change of the phase brings it back for the rest
    policy = _policy(volume)
    if policy == "Recycle":
        yield from fail_volume(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
    elif policy == "Delete" and (why := _no_deleter(volume)):
        yield from fail_volume(volume, "VolumeFailedDelete", why)


def _no_deleter(volume: Object) -> str:
    """Why nobody deletes the volume; "" when its provisioner does."""
    annotations = meta.annotations(volume)
    provisioner = annotations.get(binding.PROVISIONED_BY, "")
    if MIGRATED_TO in annotations or (provisioner and not provisioner.startswith("kubernetes.io/")):
        return ""
    start = f'error getting deleter volume plugin for volume "{meta.name(volume)}"'
    if provisioner:
        return f"{start}: no volume plugin matched name: {provisioner}"
    return f"{start}: no deletable volume plugin matched"
