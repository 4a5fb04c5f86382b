"""ephemeral-volume: generic ephemeral volumes of pods become claims that the pod owns, so that they end with it."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core.pods import is_terminal
from pinnace.api.core.volume_binding import ephemeral_claim_name, not_for_pod
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS, PODS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Create, Emit, World, controller_ref


def reconcile(pod: Object, world: World) -> Iterator[Action]:
    if meta.is_terminating(pod) or is_terminal(pod):
        return
    for volume in _ephemeral(pod):
        claim = world.get(PERSISTENT_VOLUME_CLAIMS, ephemeral_claim_name(pod, volume), meta.namespace(pod))
        if claim is None:
            if world.failure is not None:
                yield _problem(pod, volume, str(world.failure))
            yield Create(claim_for(pod, volume), may_exist=True)
        elif why := not_for_pod(claim, pod):
            yield _problem(pod, volume, why)


def _problem(pod: Object, volume: Object, why: str) -> Emit:
    return Emit(pod, "Warning", "FailedBinding", f"ephemeral volume {volume['name']}: {why}")


def claim_for(pod: Object, volume: Object) -> Object:
    template = volume["ephemeral"]["volumeClaimTemplate"]
    said = template.get("metadata") or {}
    metadata: Object = {
        "name": ephemeral_claim_name(pod, volume),
        "namespace": meta.namespace(pod),
        "ownerReferences": [controller_ref(pod)],
    }
    metadata |= {field: said[field] for field in ("labels", "annotations") if said.get(field)}
    spec = template["spec"]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _ephemeral(pod: Object) -> list[Object]:
    return [one for one in pod["spec"].get("volumes") or () if one.get("ephemeral") is not None]


def _needs_claims(old: Object | None, new: Object) -> bool:
    return old is None and bool(_ephemeral(new))


def _pods_of_claim(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A claim that is gone may have been in the way, or be needed again."""
    if new is None and old is not None and (owner := meta.controller_of(old)) and owner["kind"] == "Pod":
        yield meta.namespace(old), owner["name"]


CONTROLLER = Controller(
    name="ephemeral-volume",
    source="ephemeral_volume",
    primary=PODS,
    reconcile=reconcile,
    watches={PERSISTENT_VOLUME_CLAIMS: _pods_of_claim},
    concerns=_needs_claims,
)
