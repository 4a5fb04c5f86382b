"""VolumeAttachments: a volume that is to be attached to a node, and whether it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names, normalise
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

MAX_MESSAGE, MAX_METADATA = 1024, 256 * 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


class VolumeAttachmentStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})
        status = obj.setdefault("status", {})
        status.setdefault("attached", False)
        for field in ("attachError", "detachError"):
            normalise.times_in(status.get(field), "time")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"attached": False}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + fields.immutable(
            "spec", new["spec"], old.get("spec") or {}
        )

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(_validate_status(new.get("status") or {}))


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    yield from validate_driver_name(spec.get("attacher"), "spec.attacher")
    node = spec.get("nodeName") or ""
    yield from fields.all_invalid("spec.nodeName", node, names.dns_subdomain(node))
    source = spec.get("source") or {}
    volume = source.get("persistentVolumeName")
    if source.get("inlineVolumeSpec") is None and volume is None:
        yield fields.required("spec.source", _ONE_SOURCE)
    elif source.get("inlineVolumeSpec") is not None and volume is not None:
        yield fields.forbidden("spec.source", _ONE_SOURCE)
    elif volume is not None:
        path = "spec.source.persistentVolumeName"
        if not volume:
            yield fields.required(path, "must specify non empty persistentVolumeName")
        else:
            yield from fields.all_invalid(path, volume, names.dns_subdomain(volume))


def _validate_status(status: Mapping[str, Any]) -> Iterator[Cause]:
    size = 0
    for key, value in (status.get("attachmentMetadata") or {}).items():
        if not key:
            yield fields.invalid("status.attachmentMetadata", key, "field can not be empty.")
        size += len(key) + len(value)
    if size > MAX_METADATA:
        yield fields.too_long("status.attachmentMetadata", MAX_METADATA)
    for field in ("attachError", "detachError"):
        error = status.get(field) or {}
        if len(error.get("message") or "") > MAX_MESSAGE:
            yield fields.too_long(f"status.{field}.message", MAX_MESSAGE)
        yield from fields.non_negative(f"status.{field}.errorCode", error.get("errorCode"))
