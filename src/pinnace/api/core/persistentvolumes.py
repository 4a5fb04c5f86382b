"""PersistentVolumes: storage of the cluster, bound to one claim at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names, normalise
from pinnace.api.core.container_defaults import round_amounts
from pinnace.api.core.persistentvolume_sources import SOURCES, validate_source
from pinnace.api.core.scheduling_validation import validate_node_selector
from pinnace.api.core.volume_rules import (
    validate_access_modes,
    validate_class_name,
    validate_volume_mode,
)
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_amount
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
PENDING, AVAILABLE, BOUND, RELEASED, FAILED = "Pending", "Available", "Bound", "Released", "Failed"


class PersistentVolumeStrategy(Strategy):
    """`lastPhaseTransitionTime` of status updates is the API server's part (`apiserver/registry/volumes.py`)."""

    def set_defaults(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
        status["phase"] = status.get("phase") or PENDING
        round_amounts(spec.get("capacity"))
        if (host_path := spec.get("hostPath")) is not None:
            host_path.setdefault("type", "")
        normalise.drop_empty(spec, "storageClassName")
        normalise.times_in(status, "lastPhaseTransitionTime")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": PENDING}

    def canonicalize(self, obj: Object) -> None:
        obj["status"]["lastPhaseTransitionTime"] = obj["metadata"]["creationTimestamp"]

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(validate_spec(new["spec"]))
        after, before = new["spec"], old.get("spec") or {}
        if _source(after) != _source(before):
            why = "spec.persistentvolumesource is immutable after creation"
            found.append(fields.forbidden("spec.persistentvolumesource", why))
        found += fields.immutable("volumeMode", after.get("volumeMode"), before.get("volumeMode"))
        if before.get("nodeAffinity") is not None:
            found += fields.immutable("spec.nodeAffinity", after.get("nodeAffinity"), before["nodeAffinity"])
        name = "volumeAttributesClassName"
        if before.get(name) is not None and after.get(name) is None:
            found.append(fields.forbidden(f"spec.{name}", "update from non-nil value to nil is forbidden"))
        return found


def _source(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: spec[kind] for kind in SOURCES if kind in spec}


def validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    modes = spec.get("accessModes") or ()
    if not modes:
        yield fields.required("spec.accessModes")
    yield from validate_access_modes(modes, "spec.accessModes")
    yield from _validate_capacity(spec.get("capacity") or {})
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy not in RECLAIM_POLICIES:
        yield fields.not_supported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES)
    yield from _validate_affinity(spec)
    yield from validate_source(spec)
    if (spec.get("hostPath") or {}).get("path") == "/" and policy == "Recycle":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        yield fields.forbidden("spec.persistentVolumeReclaimPolicy", why)
    yield from validate_class_name(spec.get("storageClassName"), "spec.storageClassName")
    yield from validate_volume_mode(spec.get("volumeMode"), "spec.volumeMode")
    name, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if name == "":
        yield fields.required(path, "an empty string is disallowed")
    elif name is not None:
        yield from fields.all_invalid(path, name, names.dns_subdomain(name))
        if spec.get("csi") is None:
            yield fields.required("spec.csi", "has to be specified when using volumeAttributesClassName")


def _validate_capacity(capacity: Mapping[str, Any]) -> Iterator[Cause]:
    if not capacity:
        yield fields.required("spec.capacity")
    elif "storage" not in capacity or len(capacity) > 1:
        yield fields.not_supported("spec.capacity", capacity, ("storage",))
    for name, amount in capacity.items():
        yield from validate_amount(amount, fields.key("spec.capacity", name), positive=True)


def _validate_affinity(spec: Mapping[str, Any]) -> Iterator[Cause]:
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        if affinity.get("required") is None:
            yield fields.required("spec.nodeAffinity.required", "must specify required node constraints")
        else:
            yield from validate_node_selector(affinity["required"], "spec.nodeAffinity.required")
    elif spec.get("local") is not None:
        yield fields.required("spec.nodeAffinity", "Local volume requires node affinity")
