"""Claims: find the volume, ask for one to be made, and notice when a bound one lost its volume.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/volume/persistentvolume/pv_controller.go
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.core.volume_rules import class_of
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES
from pinnace.api.storage.storageclasses import is_default
from pinnace.controllers.runtime import Action, Emit, Patch, World, indexes
from pinnace.controllers.volumes.binding import bind, lose_claim, set_claim_status

NO_CLASS = "no persistent volumes available for this claim and no storage class is set"
WAIT_FOR_CONSUMER = "waiting for first consumer to be created before binding"
LOST_REFERENCE = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
LOST_VOLUME = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"


def reconcile(claim: Object, world: World) -> Iterator[Action]:
    if binding.BIND_COMPLETED in meta.annotations(claim):
        yield from _bound(claim, world)
    elif meta.is_terminating(claim):
        return
    elif claim["spec"].get("volumeName"):
        yield from _asks_for(claim, world)
    else:
        yield from _unbound(claim, world)


def _bound(claim: Object, world: World) -> Iterator[Action]:
    name = claim["spec"].get("volumeName")
    volume = world.get(PERSISTENT_VOLUMES, name) if name else None
    if volume is None:
        yield from lose_claim(claim, "ClaimLost", LOST_VOLUME if name else LOST_REFERENCE)
    elif (reference := volume["spec"].get("claimRef")) and reference.get("uid") != meta.uid(claim):
        if binding.is_for_claim(volume, claim):
            yield from bind(volume, claim)
        else:
            yield from lose_claim(claim, "ClaimMisbound", MISBOUND)
    else:
        yield from bind(volume, claim)


def _asks_for(claim: Object, world: World) -> Iterator[Action]:
    """A claim that names its volume waits for it, and only checks that it can hold what is asked."""
    name = claim["spec"]["volumeName"]
    volume = world.get(PERSISTENT_VOLUMES, name)
    if volume is None:
        yield from set_claim_status(claim, "Pending")
    elif not volume["spec"].get("claimRef"):
        if why := binding.mismatch(volume, claim):
            message = f'Cannot bind to requested volume "{name}": {why}'
            yield Emit(claim, "Warning", "VolumeMismatch", message)
            yield from set_claim_status(claim, "Pending")
        else:
            yield from bind(volume, claim)
    elif binding.is_for_claim(volume, claim):
        yield from bind(volume, claim)
    else:
        message = f'volume "{name}" already bound to a different claim.'
        yield Emit(claim, "Warning", "FailedBinding", message)
        yield from set_claim_status(claim, "Pending")


def _unbound(claim: Object, world: World) -> Iterator[Action]:
    name = binding.class_name(claim)
    storage_class = world.get(STORAGE_CLASSES, name) if name else None
    delayed = binding.waits_for_consumer(storage_class)
    reserved = world.by_index(PERSISTENT_VOLUMES, indexes.CLAIM_REF, meta.key(claim))
    volume = binding.reserved_volume(claim, reserved)
    if volume is None and not delayed:
        volume = binding.smallest_match(
            claim, world.by_index(PERSISTENT_VOLUMES, indexes.FREE_OF_CLASS, name)
        )
    if volume is not None:
        yield from bind(volume, claim)
    elif class_of(claim) is None and (default := _default_class(world)) is not None:
        yield Patch(claim, {"spec": {"storageClassName": meta.name(default)}}, guarded=True)
    else:
        if delayed and binding.SELECTED_NODE not in meta.annotations(claim):
            yield _waiting(claim, world)
        elif name:
            yield from _provision(claim, name, storage_class)
        else:
            yield Emit(claim, "Normal", "FailedBinding", NO_CLASS)
        yield from set_claim_status(claim, "Pending")


def _default_class(world: World) -> Object | None:
    """Of several, the newest; of those, the first by name."""
    marked = sorted((one for one in world.all(STORAGE_CLASSES) if is_default(one)), key=meta.name)
    return max(marked, key=lambda one: one["metadata"].get("creationTimestamp") or "", default=None)


def _waiting(claim: Object, world: World) -> Emit:
    pods = [
        meta.name(pod)
        for pod in world.by_index(PODS, indexes.CLAIM, meta.key(claim))
        if not pod["spec"].get("nodeName")
    ]
    if not pods:
        return Emit(claim, "Normal", "WaitForFirstConsumer", WAIT_FOR_CONSUMER)
    noun = "pods" if len(pods) > 1 else "pod"
    return Emit(
        claim, "Normal", "WaitForPodScheduled", f"waiting for {noun} {','.join(pods)} to be scheduled"
    )


def _provision(claim: Object, name: str, storage_class: Object | None) -> Iterator[Action]:
    """Ask the class's provisioner: it watches for the annotation. None of Kubernetes' own names has one in this process."""
    if storage_class is None:
        message = f'storageclass.storage.k8s.io "{name}" not found'
        yield Emit(claim, "Warning", "ProvisioningFailed", message)
        return
    provisioner = storage_class["provisioner"]
    if provisioner.startswith("kubernetes.io/"):
        yield Emit(claim, "Warning", "ProvisioningFailed", f"no volume plugin matched name: {provisioner}")
        return
    marks = {binding.BETA_PROVISIONER: provisioner, binding.PROVISIONER: provisioner}
    if any(meta.annotations(claim).get(key) != value for key, value in marks.items()):
        body: dict[str, Any] = {"metadata": {"annotations": marks}}
        yield Patch(claim, body, guarded=True)
    message = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    yield Emit(claim, "Normal", "ExternalProvisioning", message)
