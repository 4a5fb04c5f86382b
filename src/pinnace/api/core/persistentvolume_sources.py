"""Where the storage of a PersistentVolume lies. Sources of clouds and storage systems that no kubelet of ours mounts are only
checked for being the single source."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.core.volume_validation import validate_nfs
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.apimachinery.errors import Cause

SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker",
    "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume",
    "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_SECRETS = (
    "controllerPublishSecretRef", "controllerExpandSecretRef", "nodeStageSecretRef", "nodePublishSecretRef",
    "nodeExpandSecretRef",
)  # fmt: skip
Source = Mapping[str, Any]


def validate_source(spec: Source) -> Iterator[Cause]:
    chosen = [kind for kind in SOURCES if spec.get(kind) is not None]
    if not chosen:
        yield fields.required("spec", "must specify a volume type")
    for extra in chosen[1:]:
        yield fields.forbidden(f"spec.{extra}", "may not specify more than 1 volume type")
    for kind in chosen[:1]:
        if check := _CHECKS.get(kind):
            yield from check(spec[kind], f"spec.{kind}")


def _host_path(source: Source, path: str) -> Iterator[Cause]:
    yield from _local_place(source.get("path") or "", f"{path}.path")
    kind = source.get("type") or ""
    if kind not in HOST_PATH_TYPES:
        yield fields.not_supported(f"{path}.type", kind, HOST_PATH_TYPES)


def _local(source: Source, path: str) -> Iterator[Cause]:
    yield from _local_place(source.get("path") or "", f"{path}.path")


def _local_place(place: str, path: str) -> Iterator[Cause]:
    if not place:
        yield fields.required(path)
    elif ".." in place.split("/"):
        yield fields.invalid(path, place, "must not contain '..'")


def _csi(source: Source, path: str) -> Iterator[Cause]:
    yield from validate_driver_name(source.get("driver"), f"{path}.driver")
    if not source.get("volumeHandle"):
        yield fields.required(f"{path}.volumeHandle")
    for secret in _SECRETS:
        reference = source.get(secret)
        if reference is None:
            continue
        for field in ("name", "namespace"):
            if not reference.get(field):
                yield fields.required(f"{path}.{secret}.{field}")


_CHECKS = {"hostPath": _host_path, "local": _local, "nfs": validate_nfs, "csi": _csi}
