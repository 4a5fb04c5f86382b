"""What volumes and the claims for them have in common: access modes, volume modes, sizes, names of classes."""

from collections.abc import Iterator, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
ALONE = "ReadWriteOncePod"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def class_of(obj: Object) -> str | None:
    """The storage class of a volume or claim: the old annotation counts first; None where none is named."""
    annotations = obj["metadata"].get("annotations") or {}
    if CLASS_ANNOTATION in annotations:
        return str(annotations[CLASS_ANNOTATION])
    named: str | None = (obj.get("spec") or {}).get("storageClassName")
    return named


def access_text(modes: Sequence[str] | None) -> str:
    """`RWO,ROX` as kubectl prints it."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def validate_access_modes(modes: Sequence[Any], path: str) -> Iterator[Cause]:
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield fields.not_supported(path, mode, ACCESS_MODES)
    if ALONE in modes and len(modes) > 1:
        yield fields.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_volume_mode(mode: str | None, path: str) -> Iterator[Cause]:
    if mode is not None and mode not in VOLUME_MODES:
        yield fields.not_supported(path, mode, VOLUME_MODES)


def validate_class_name(name: str | None, path: str) -> Iterator[Cause]:
    if name:
        yield from fields.all_invalid(path, name, names.dns_subdomain(name))
