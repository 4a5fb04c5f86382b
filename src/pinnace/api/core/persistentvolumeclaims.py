"""PersistentVolumeClaims: what a workload asks of storage. The spec stays as it is but for growth and attributes class."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors, names, normalise
from pinnace.api.core.container_defaults import round_amounts
from pinnace.api.core.volume_rules import (
    CLASS_ANNOTATION,
    validate_access_modes,
    validate_class_name,
    validate_volume_mode,
)
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_amount
from pinnace.api.strategy import Strategy
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

PENDING, BOUND, LOST = "Pending", "Bound", "Lost"
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_SNAPSHOT = ("VolumeSnapshot", "snapshot.storage.k8s.io")


class PersistentVolumeClaimStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        set_spec_defaults(spec)
        status["phase"] = status.get("phase") or PENDING
        for amounts in ("capacity", "allocatedResources"):
            round_amounts(status.get(amounts))
        normalise.conditions(status)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": PENDING}
        settle_data_source(obj["spec"])

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        settle_data_source(new["spec"])

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(validate_spec(obj["spec"], "spec"))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(validate_spec(new["spec"], "spec"))
        return found + list(_validate_change(new, old))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old)
        status = new.get("status") or {}
        for amounts in ("capacity", "allocatedResources"):
            for name, amount in (status.get(amounts) or {}).items():
                found += validate_amount(amount, fields.key(f"status.{amounts}", name))
        return found


def set_spec_defaults(spec: dict[str, Any]) -> None:
    spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
    for amounts in ("requests", "limits"):
        round_amounts((spec.get("resources") or {}).get(amounts))


def settle_data_source(spec: dict[str, Any]) -> None:
    """`dataSource` and `dataSourceRef` say the same; the former knows only claims and snapshots and drops anything else."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if reference is None and source is not None:
        if not _is_claim_or_snapshot(source):
            del spec["dataSource"]
            return
        spec["dataSourceRef"] = dict(source)
    elif source is None and reference is not None and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def _is_claim_or_snapshot(source: Mapping[str, Any]) -> bool:
    kind, group = source.get("kind"), source.get("apiGroup") or ""
    return (kind == "PersistentVolumeClaim" and not group) or (kind, group) == _SNAPSHOT


def validate_spec(spec: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """Also of claims that a template makes."""
    yield from label_selectors.validate(spec.get("selector"), f"{path}.selector")
    modes = spec.get("accessModes") or ()
    if not modes:
        yield fields.required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from validate_access_modes(modes, f"{path}.accessModes")
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if amount is None:
        yield fields.required(fields.key(f"{path}.resources", "storage"))
    else:
        yield from validate_amount(amount, fields.key(f"{path}.resources", "storage"), positive=True)
    yield from validate_class_name(spec.get("storageClassName"), f"{path}.storageClassName")
    yield from validate_volume_mode(spec.get("volumeMode"), f"{path}.volumeMode")
    yield from validate_class_name(spec.get("volumeAttributesClassName"), f"{path}.volumeAttributesClassName")
    yield from _validate_sources(spec, path)


def _validate_sources(spec: Mapping[str, Any], path: str) -> Iterator[Cause]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, named in (("dataSource", source), ("dataSourceRef", reference)):
        if named is not None:
            yield from _validate_source(named, f"{path}.{field}")
    if source is None or reference is None:
        return
    if reference.get("namespace"):
        why = "may not be specified when dataSourceRef.namespace is specified"
        yield fields.invalid(path, f"{path}.dataSource", why)
    elif {**source, "apiGroup": source.get("apiGroup")} != {
        **reference,
        "apiGroup": reference.get("apiGroup"),
    }:
        yield fields.invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def _validate_source(source: Mapping[str, Any], path: str) -> Iterator[Cause]:
    for field in ("name", "kind"):
        if not source.get(field):
            yield fields.required(f"{path}.{field}")
    group = source.get("apiGroup") or ""
    if not group and source.get("kind") not in (None, "", "PersistentVolumeClaim"):
        yield fields.invalid(path, source["kind"], "")
    elif group:
        yield from fields.all_invalid(f"{path}.apiGroup", group, names.dns_subdomain(group))
    if namespace := source.get("namespace"):
        yield from fields.all_invalid(f"{path}.namespace", namespace, names.dns_label(namespace))


def _requested(spec: Mapping[str, Any]) -> Any:
    return ((spec.get("resources") or {}).get("requests") or {}).get("storage")


def _validate_change(new: Object, old: Object) -> Iterator[Cause]:
    after, before = new["spec"], old.get("spec") or {}
    bound = (old.get("status") or {}).get("phase") == BOUND
    if _fixed_part(new, old, bound=bound) != _fixed_part(old, old, bound=bound):
        yield fields.forbidden("spec", _FIXED)
    if CLASS_ANNOTATION in (old["metadata"].get("annotations") or {}):
        kept = old["metadata"]["annotations"][CLASS_ANNOTATION]
        given = (new["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
        upgraded = given is None and after.get("storageClassName") == kept
        if given != kept and not upgraded:
            yield fields.invalid(
                fields.key("metadata.annotations", CLASS_ANNOTATION), given, fields.IMMUTABLE
            )
    wanted, had = _requested(after), _requested(before)
    if wanted is not None and had is not None and quantity.parse(wanted) < quantity.parse(had):
        given = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
        if quantity.parse(wanted) <= quantity.parse(given):
            why = "field can not be less than status.capacity"
            yield fields.forbidden("spec.resources.requests.storage", why)
    yield from fields.immutable("volumeMode", after.get("volumeMode"), before.get("volumeMode"))
    class_name = before.get("volumeAttributesClassName")
    if class_name and not after.get("volumeAttributesClassName"):
        path = "spec.volumeAttributesClassName"
        kind = "nil" if after.get("volumeAttributesClassName") is None else "an empty string"
        yield fields.forbidden(path, f"update from non-nil value to {kind} is forbidden")


def _fixed_part(claim: Object, old: Object, *, bound: bool) -> dict[str, Any]:
    """The spec without what may change: a volume or class that was not named before, and of bound claims size and attributes."""
    spec, before = dict(claim.get("spec") or {}), old.get("spec") or {}
    annotated = (old["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    if not before.get("volumeName"):
        spec.pop("volumeName", None)
    if before.get("storageClassName") is None and annotated in (None, spec.get("storageClassName")):
        spec.pop("storageClassName", None)
    spec.pop("volumeAttributesClassName", None)
    if bound:
        resources = dict(spec.get("resources") or {})
        requests = {k: v for k, v in (resources.get("requests") or {}).items() if k != "storage"}
        spec["resources"] = {**resources, "requests": requests}
    return spec
