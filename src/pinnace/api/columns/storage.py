"""Columns of volumes, claims and the kinds of storage.k8s.io."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pinnace.api.columns.table import (
    AGE,
    NAME,
    UNSET,
    Cell,
    Column,
    TableDef,
    age,
    joined,
    name,
    number,
    wide,
)
from pinnace.api.core import volume_rules
from pinnace.api.meta import Object
from pinnace.api.storage import storageclasses


def _spec(obj: Object) -> Mapping[str, Any]:
    return obj.get("spec") or {}


def _phase(obj: Object) -> str:
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    return str((obj.get("status") or {}).get("phase") or "")


def _or_unset(value: str | None) -> str:
    return UNSET if value is None else value


def _volume(obj: Object, now: datetime) -> list[Cell]:
    spec, claim = _spec(obj), _spec(obj).get("claimRef")
    return [
        name(obj),
        (spec.get("capacity") or {}).get("storage", ""),
        volume_rules.access_text(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        volume_rules.class_of(obj) or "",
        _or_unset(spec.get("volumeAttributesClassName")),
        (obj.get("status") or {}).get("reason", ""),
        age(obj, now),
        _or_unset(spec.get("volumeMode")),
    ]


def _claim(obj: Object, now: datetime) -> list[Cell]:
    spec, status = _spec(obj), obj.get("status") or {}
    bound = bool(spec.get("volumeName"))
    return [
        name(obj),
        _phase(obj),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "0") if bound else "",
        volume_rules.access_text(status.get("accessModes")) if bound else "",
        volume_rules.class_of(obj) or "",
        _or_unset(spec.get("volumeAttributesClassName")),
        age(obj, now),
        _or_unset(spec.get("volumeMode")),
    ]


def _storage_class(obj: Object, now: datetime) -> list[Cell]:
    marked = " (default)" if storageclasses.is_default(obj) else ""
    return [
        name(obj) + marked,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


def _attributes_class(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), obj.get("driverName", ""), age(obj, now)]


def _driver(obj: Object, now: datetime) -> list[Cell]:
    spec = _spec(obj)
    audiences = [request.get("audience", "") for request in spec.get("tokenRequests") or ()]
    return [
        name(obj),
        spec.get("attachRequired", True),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        joined(audiences, UNSET),
        bool(spec.get("requiresRepublish")),
        joined(spec.get("volumeLifecycleModes") or (), "<none>"),
        age(obj, now),
    ]


def _node(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), len(_spec(obj).get("drivers") or ()), age(obj, now)]


def _capacity(obj: Object, _: datetime) -> list[Cell]:
    return [name(obj), obj.get("storageClassName", ""), obj.get("capacity", "<unset>")]


def _attachment(obj: Object, now: datetime) -> list[Cell]:
    spec = _spec(obj)
    return [
        name(obj),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        bool((obj.get("status") or {}).get("attached")),
        age(obj, now),
    ]


_CLASS = Column("StorageClass", description="The storage class that it belongs to.")
_ATTRIBUTES = Column("VolumeAttributesClass", description="The class of settings that can change in use.")
_MODES = Column("Access Modes", description="How nodes may mount it.")
_STATUS = Column("Status", description="How far it is between provisioning and release.")
PERSISTENT_VOLUMES = TableDef(
    (
        NAME,
        Column("Capacity", description="How much it holds."),
        _MODES,
        Column("Reclaim Policy", description="What happens to it once its claim is gone."),
        _STATUS,
        Column("Claim", description="The claim that it is bound to."),
        _CLASS,
        _ATTRIBUTES,
        Column("Reason", description="Why it is in this state, for machines."),
        AGE,
        wide("VolumeMode", "Whether it is used as a file system or as a block device."),
    ),
    _volume,
)
PERSISTENT_VOLUME_CLAIMS = TableDef(
    (
        NAME,
        _STATUS,
        Column("Volume", description="The volume that it is bound to."),
        Column("Capacity", description="How much the volume holds."),
        _MODES,
        _CLASS,
        _ATTRIBUTES,
        AGE,
        wide("VolumeMode", "Whether it wants a file system or a block device."),
    ),
    _claim,
)
STORAGE_CLASSES = TableDef(
    (
        NAME,
        Column("Provisioner", description="Who makes volumes of this class."),
        Column("ReclaimPolicy", description="What happens to its volumes once their claims are gone."),
        Column("VolumeBindingMode", description="When claims of this class are bound."),
        Column("AllowVolumeExpansion", "boolean", description="Whether its volumes can grow."),
        AGE,
    ),
    _storage_class,
)
VOLUME_ATTRIBUTES_CLASSES = TableDef(
    (NAME, Column("DriverName", description="The driver that knows these settings."), AGE), _attributes_class
)
CSI_DRIVERS = TableDef(
    (
        NAME,
        Column(
            "AttachRequired", "boolean", description="Whether volumes are attached before they are mounted."
        ),
        Column("PodInfoOnMount", "boolean", description="Whether the driver is told about the pod."),
        Column("StorageCapacity", "boolean", description="Whether the scheduler looks at the capacity left."),
        Column("TokenRequests", description="Audiences of the tokens that it gets."),
        Column("RequiresRepublish", "boolean", description="Whether it is called again every so often."),
        Column("Modes", description="Kinds of volumes that it supports."),
        AGE,
    ),
    _driver,
)
CSI_NODES = TableDef((NAME, number("Drivers", "How many drivers the node has."), AGE), _node)
CSI_STORAGE_CAPACITIES = TableDef(
    (
        NAME,
        Column("StorageClassName", description="The storage class that the amount is for."),
        Column("Capacity", description="How much can be provisioned."),
    ),
    _capacity,
)
VOLUME_ATTACHMENTS = TableDef(
    (
        NAME,
        Column("Attacher", "string", "name", "The driver that attaches."),
        Column("PV", description="The volume."),
        Column("Node", description="The node."),
        Column("Attached", "boolean", description="Whether it is attached."),
        AGE,
    ),
    _attachment,
)
