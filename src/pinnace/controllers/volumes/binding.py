"""What binding and its end mean for the two objects: the volume is written first, so that a claim never counts on a lost race.

All writes are guarded patches: after the first that fails, the others of the pass are not tried.
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import meta
from pinnace.api.core.volume_binding import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    is_for_claim,
    reference_to,
)
from pinnace.api.meta import Object
from pinnace.controllers.runtime import Action, Emit, Patch


def phase_of(obj: Object) -> str:
    return (obj.get("status") or {}).get("phase") or "Pending"


def set_volume_phase(volume: Object, phase: str, message: str = "") -> Iterator[Action]:
    if phase_of(volume) != phase:
        status = {"phase": phase, "message": message or None}
        yield Patch(volume, {"status": status}, subresource="status", guarded=True)


def fail_volume(volume: Object, reason: str, message: str) -> Iterator[Action]:
    """Failed, with a warning at the moment it becomes so."""
    if phase_of(volume) != "Failed":
        yield from set_volume_phase(volume, "Failed", message)
        yield Emit(volume, "Warning", reason, message)


def set_claim_status(claim: Object, phase: str, volume: Object | None = None) -> Iterator[Action]:
    status = claim.get("status") or {}
    wanted: dict[str, Any] = {"phase": phase}
    if volume is None:
        wanted |= {"accessModes": None, "capacity": None, "currentVolumeAttributesClassName": None}
    else:
        wanted["accessModes"] = volume["spec"].get("accessModes")
        wanted["currentVolumeAttributesClassName"] = volume["spec"].get("volumeAttributesClassName") or None
        if phase_of(claim) != phase:  # afterwards the capacity belongs to whoever resizes
            wanted["capacity"] = volume["spec"].get("capacity")
    if any(status.get(field) != value for field, value in wanted.items()):
        yield Patch(claim, {"status": wanted}, subresource="status", guarded=True)


def lose_claim(claim: Object, reason: str, message: str) -> Iterator[Action]:
    if phase_of(claim) != "Lost":
        yield from set_claim_status(claim, "Lost")
        yield Emit(claim, "Warning", reason, message)


def bind(volume: Object, claim: Object) -> Iterator[Action]:
    """Make both point at each other and say so in their statuses; nothing where all is as it should be."""
    reference = volume["spec"].get("claimRef") or {}
    if not is_for_claim(volume, claim) or reference.get("uid") != meta.uid(claim):
        body: dict[str, Any] = {"spec": {"claimRef": reference_to(claim)}}
        if not is_for_claim(volume, claim):
            body["metadata"] = {"annotations": {BOUND_BY_CONTROLLER: "yes"}}
        yield Patch(volume, body, guarded=True)
    yield from set_volume_phase(volume, "Bound")
    yield from _bind_claim(claim, meta.name(volume))
    yield from set_claim_status(claim, "Bound", volume)


def _bind_claim(claim: Object, volume_name: str) -> Iterator[Action]:
    names_it, annotations = claim["spec"].get("volumeName") == volume_name, meta.annotations(claim)
    if names_it and BIND_COMPLETED in annotations:
        return
    added = {BIND_COMPLETED: "yes"} if names_it else {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}
    body: dict[str, Any] = {"metadata": {"annotations": added}, "spec": {"volumeName": volume_name}}
    yield Patch(claim, body, guarded=True)


def unbind(volume: Object) -> Iterator[Action]:
    """Take a binding back: one that a controller made goes as a whole, one that a user made stays without the uid."""
    if BOUND_BY_CONTROLLER in meta.annotations(volume):
        body: dict[str, Any] = {
            "metadata": {"annotations": {BOUND_BY_CONTROLLER: None}},
            "spec": {"claimRef": None},
        }
    else:
        body = {"spec": {"claimRef": {"uid": None}}}
    yield Patch(volume, body, guarded=True)
    yield from set_volume_phase(volume, "Available")
