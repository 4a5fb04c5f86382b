"""Volumes of clouds and storage systems, as pods name them: what each must say, its defaults, and which are past their time.

No kubelet of ours mounts them; a pod that names one is judged as upstream does and then waits for its volume.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go, v1/defaults.go
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.core.local_paths import validate_local_path
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Source = Mapping[str, Any]
_REQUIRED: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "gitRepo": ("repository",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "storageos": ("volumeName",),
    "vsphereVolume": ("volumePath",),
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
DEPRECATED = {
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "flocker": "flocker: deprecated in v1.22, non-functional in v1.25+",
    "gitRepo": "gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "quobyte": "quobyte: deprecated in v1.22, non-functional in v1.25+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
}
_qualified_name = re.compile(r"iqn\.\d{4}-\d{2}\.([^:]+(:.+)?|[^:]+)|eui\.[0-9a-fA-F]{16}|naa\.[0-9a-fA-F]{32}").fullmatch  # fmt: skip
_BYTE = "must be between 0 and 255, inclusive"


def set_storage_defaults(volume: dict[str, Any]) -> None:
    for kind, values in _DEFAULTS.items():
        if (source := volume.get(kind)) is not None:
            for field, value in values.items():
                if source.get(field) in (None, ""):
                    source[field] = value


def validate_storage(kind: str, source: Source, path: str) -> Found:
    for field in _REQUIRED.get(kind, ()):
        if not source.get(field):
            yield fields.required(f"{path}.{field}")
    if check := _CHECKS.get(kind):
        yield from check(source, path)


def is_storage(kind: str) -> bool:
    return kind in _REQUIRED or kind in _CHECKS


def _partition(source: Source, path: str) -> Found:
    number = source.get("partition") or 0
    if not 0 <= number <= 255:
        yield fields.invalid(f"{path}.partition", number, "must be between 1 and 255, inclusive")


def _git_repo(source: Source, path: str) -> Found:
    if directory := source.get("directory"):
        yield from validate_local_path(directory, f"{path}.directory")


def _flocker(source: Source, path: str) -> Found:
    name, uuid = source.get("datasetName"), source.get("datasetUUID")
    if not name and not uuid:
        yield fields.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        why = "datasetName and datasetUUID can not be specified simultaneously"
        yield fields.invalid(path, "resource", why)
    if "/" in (name or ""):
        yield fields.invalid(f"{path}.datasetName", name, "must not contain '/'")


def _fc(source: Source, path: str) -> Found:
    names, ids, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    if not names and not ids:
        why = "must specify either targetWWNs or wwids, but not both"
        yield fields.required(f"{path}.targetWWNs", why)
    if names and ids:
        why = "targetWWNs and wwids can not be specified simultaneously"
        yield fields.invalid(f"{path}.targetWWNs", names, why)
    elif names and lun is None:
        yield fields.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    if lun is not None and not 0 <= lun <= 255:
        yield fields.invalid(f"{path}.lun", lun, _BYTE)


def _iscsi(source: Source, path: str) -> Found:
    for field in ("iqn", "initiatorName"):
        name = source.get(field)
        if name and not name.startswith(("iqn", "eui", "naa")):
            why = "must be valid format starting with iqn, eui, or naa"
            yield fields.invalid(f"{path}.{field}", name, why)
        elif name and not _qualified_name(name):
            yield fields.invalid(f"{path}.{field}", name, "must be valid format")
    lun = source.get("lun") or 0
    if not 0 <= lun <= 255:
        yield fields.invalid(f"{path}.lun", lun, _BYTE)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and not source.get("secretRef"):
        yield fields.required(f"{path}.secretRef")


def _azure_disk(source: Source, path: str) -> Found:
    choices = (
        ("cachingMode", ("None", "ReadOnly", "ReadWrite")),
        ("kind", ("Dedicated", "Managed", "Shared")),
    )
    for field, supported in choices:
        value = source.get(field)
        if value is not None and value not in supported:
            yield fields.not_supported(f"{path}.{field}", value, supported)


_CHECKS: dict[str, Callable[[Source, str], Found]] = {
    "awsElasticBlockStore": _partition,
    "azureDisk": _azure_disk,
    "fc": _fc,
    "flocker": _flocker,
    "gcePersistentDisk": _partition,
    "gitRepo": _git_repo,
    "iscsi": _iscsi,
}
