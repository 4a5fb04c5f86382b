"""Columns of the kinds of resource.k8s.io."""

from datetime import datetime

from pinnace.api.columns.table import AGE, NAME, Cell, Column, TableDef, age, name
from pinnace.api.meta import Object


def state(claim: Object) -> str:
    status = claim.get("status") or {}
    parts = ["deleted"] if "deletionTimestamp" in claim["metadata"] else []
    if status.get("allocation") is not None:
        parts.append("allocated")
    if status.get("reservedFor"):
        parts.append("reserved")
    return ",".join(parts) or "pending"


def _plain(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), age(obj, now)]


def _claim(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), state(obj), age(obj, now)]


def _slice(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name", "")
    return [name(obj), spec.get("nodeName", ""), spec.get("driver", ""), pool, age(obj, now)]


DEVICE_CLASSES = TableDef((NAME, AGE), _plain)
RESOURCE_CLAIM_TEMPLATES = TableDef((NAME, AGE), _plain)
RESOURCE_CLAIMS = TableDef(
    (NAME, Column("State", description="Whether devices are allocated and reserved for pods."), AGE), _claim
)
RESOURCE_SLICES = TableDef(
    (
        NAME,
        Column("Node", description="The node that has the devices, when it is one."),
        Column("Driver", description="The driver of the devices."),
        Column("Pool", description="The pool that the devices belong to."),
        AGE,
    ),
    _slice,
)
