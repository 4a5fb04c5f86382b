"""Validation of volumes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.api.core.env_validation import FILE_FIELDS, validate_field_ref, validate_resource_field_ref
from pinnace.api.core.local_paths import validate_local_path
from pinnace.api.core.storage_sources import is_storage, validate_storage
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Source = Mapping[str, Any]
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
MIN_TOKEN_SECONDS = 600
PROJECTED = (
    "secret",
    "configMap",
    "downwardAPI",
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
)


def validate_volumes(volumes: Sequence[Mapping[str, Any]], path: str) -> Found:
    taken: set[str] = set()
    for index, volume in enumerate(volumes):
        here, name = f"{path}[{index}]", volume.get("name") or ""
        if not name:
            yield fields.required(f"{here}.name")
        else:
            yield from fields.all_invalid(f"{here}.name", name, names.dns_label(name))
            if name in taken:
                yield fields.duplicate(f"{here}.name", name)
        taken.add(name)
        yield from _validate_source(volume, here)


def _validate_source(volume: Mapping[str, Any], path: str) -> Found:
    chosen = [field for field in volume if field != "name"]
    if not chosen:
        yield fields.required(path, "must specify a volume type")
    for extra in chosen[1:]:
        yield fields.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    for field in chosen[:1]:
        if check := _SOURCES.get(field):
            yield from check(volume[field], f"{path}.{field}")
        elif is_storage(field):
            yield from validate_storage(field, volume[field], f"{path}.{field}")


def _validate_mode(source: Source, field: str, path: str) -> Found:
    mode = source.get(field)
    if mode is not None and not 0 <= mode <= 0o777:
        yield fields.invalid(f"{path}.{field}", mode, _MODE_RANGE)


def _validate_items(source: Source, path: str) -> Found:
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            yield fields.required(f"{here}.key")
        yield from _validate_file_path(item, here)
        yield from _validate_mode(item, "mode", here)


def _validate_file_path(item: Source, path: str) -> Found:
    if not item.get("path"):
        yield fields.required(f"{path}.path")
    else:
        yield from validate_local_path(item["path"], f"{path}.path")


def _validate_empty_dir(source: Source, path: str) -> Found:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.parse(limit) < 0:
        yield fields.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _validate_host_path(source: Source, path: str) -> Found:
    place, kind = source.get("path") or "", source.get("type") or ""
    if not place:
        yield fields.required(f"{path}.path")
    elif ".." in place.split("/"):
        yield fields.invalid(f"{path}.path", place, "must not contain '..'")
    if kind not in HOST_PATH_TYPES:
        yield fields.not_supported(f"{path}.type", kind, HOST_PATH_TYPES)


def _validate_secret(source: Source, path: str) -> Found:
    if not source.get("secretName"):
        yield fields.required(f"{path}.secretName")
    yield from _validate_mode(source, "defaultMode", path)
    yield from _validate_items(source, path)


def _validate_config_map(source: Source, path: str) -> Found:
    if not source.get("name"):
        yield fields.required(f"{path}.name")
    yield from _validate_mode(source, "defaultMode", path)
    yield from _validate_items(source, path)


def _validate_downward(source: Source, path: str) -> Found:
    yield from _validate_mode(source, "defaultMode", path)
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        yield from _validate_file_path(item, here)
        yield from _validate_mode(item, "mode", here)
        if (field := item.get("fieldRef")) is not None:
            if item.get("resourceFieldRef") is not None:
                why = "fieldRef and resourceFieldRef can not be specified simultaneously"
                yield fields.invalid(here, "resource", why)
            yield from validate_field_ref(field, FILE_FIELDS, f"{here}.fieldRef")
        elif (resource := item.get("resourceFieldRef")) is not None:
            yield from validate_resource_field_ref(resource, f"{here}.resourceFieldRef", in_volume=True)
        else:
            yield fields.required(here, "one of fieldRef and resourceFieldRef is required")


def _validate_projected(source: Source, path: str) -> Found:
    yield from _validate_mode(source, "defaultMode", path)
    for index, part in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        chosen = [field for field in PROJECTED if part.get(field) is not None]
        if not chosen:
            yield fields.required(here, "may not be empty")
        for extra in chosen[1:]:
            yield fields.forbidden(f"{here}.{extra}", "may not specify more than 1 volume type")
        for field in chosen[:1]:
            yield from _validate_projection(field, part[field], f"{here}.{field}")


def _validate_projection(kind: str, source: Source, path: str) -> Found:
    if kind in ("secret", "configMap"):
        if not source.get("name"):
            yield fields.required(f"{path}.name")
        yield from _validate_items(source, path)
    elif kind == "downwardAPI":
        yield from _validate_downward(source, path)
    elif kind == "serviceAccountToken":
        seconds = source.get("expirationSeconds", MIN_TOKEN_SECONDS)
        if seconds < MIN_TOKEN_SECONDS:
            why = "may not specify a duration less than 10 minutes"
            yield fields.invalid(f"{path}.expirationSeconds", seconds, why)
        yield from _validate_file_path(source, path)


def _validate_claim(source: Source, path: str) -> Found:
    if not source.get("claimName"):
        yield fields.required(f"{path}.claimName")


def validate_nfs(source: Source, path: str) -> Found:
    for field in ("server", "path"):
        if not source.get(field):
            yield fields.required(f"{path}.{field}")
    if source.get("path") and not source["path"].startswith("/"):
        yield fields.invalid(f"{path}.path", source["path"], "must be an absolute path")


def _validate_image(source: Source, path: str) -> Found:
    if not source.get("reference"):
        yield fields.required(f"{path}.reference")


def _validate_csi(source: Source, path: str) -> Found:
    if not source.get("driver"):
        yield fields.required(f"{path}.driver")


def _validate_ephemeral(source: Source, path: str) -> Found:
    """A claim that is made for the pod; only labels and annotations of its metadata may be chosen."""
    from pinnace.api.core.persistentvolumeclaims import validate_spec

    template, here = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        yield fields.required(here)
        return
    own = template.get("metadata") or {}
    yield from metadata.validate_labels(own.get("labels"), f"{here}.metadata.labels")
    yield from metadata.validate_annotations(own.get("annotations"), f"{here}.metadata.annotations")
    for field in sorted(set(own) - {"labels", "annotations", "creationTimestamp"}):
        yield fields.forbidden(f"{here}.metadata.{field}", "cannot be set")
    yield from validate_spec(template.get("spec") or {}, f"{here}.spec")


_SOURCES = {
    "ephemeral": _validate_ephemeral,
    "emptyDir": _validate_empty_dir,
    "hostPath": _validate_host_path,
    "secret": _validate_secret,
    "configMap": _validate_config_map,
    "downwardAPI": _validate_downward,
    "projected": _validate_projected,
    "persistentVolumeClaim": _validate_claim,
    "nfs": validate_nfs,
    "image": _validate_image,
    "csi": _validate_csi,
}
