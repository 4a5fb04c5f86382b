"""Columns of ComponentStatuses, ConfigMaps, Secrets, ServiceAccounts, Namespaces, Leases and PodDisruptionBudgets."""

from datetime import datetime

from pinnace.api import conditions
from pinnace.api.columns.table import AGE, NAME, Cell, Column, TableDef, age, name, number
from pinnace.api.meta import Object


def _config_map(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


def _service_account(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), len(obj.get("secrets") or ()), age(obj, now)]


def _namespace(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), (obj.get("status") or {}).get("phase", ""), age(obj, now)]


def _lease(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), (obj.get("spec") or {}).get("holderIdentity", ""), age(obj, now)]


def _budget(obj: Object, now: datetime) -> list[Cell]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    limits = (spec.get(field) for field in ("minAvailable", "maxUnavailable"))
    shown = ("N/A" if limit is None else str(limit) for limit in limits)
    return [name(obj), *shown, status.get("disruptionsAllowed", 0), age(obj, now)]


def _component(obj: Object, now: datetime) -> list[Cell]:
    healthy = conditions.find(obj.get("conditions"), "Healthy") or {}
    state = {"True": "Healthy", "False": "Unhealthy"}.get(healthy.get("status", ""), "Unknown")
    return [name(obj), state, healthy.get("message", ""), healthy.get("error", "")]


COMPONENT_STATUSES = TableDef(
    (
        NAME,
        Column("Status", description="Whether the component is well."),
        Column("Message", description="What its health check says."),
        Column("Error", description="Why it could not be asked."),
    ),
    _component,
)
CONFIG_MAPS = TableDef((NAME, Column("Data", description="How many keys it holds."), AGE), _config_map)
SECRETS = TableDef(
    (
        NAME,
        Column("Type", description="What the secret is for, which decides the keys that it must hold."),
        Column("Data", description="How many keys it holds."),
        AGE,
    ),
    _secret,
)
SERVICE_ACCOUNTS = TableDef(
    (NAME, Column("Secrets", description="How many secrets pods of this account may use."), AGE),
    _service_account,
)
NAMESPACES = TableDef((NAME, Column("Status", description="The status of the namespace"), AGE), _namespace)
LEASES = TableDef((NAME, Column("Holder", description="Who holds the lease now."), AGE), _lease)
POD_DISRUPTION_BUDGETS = TableDef(
    (
        NAME,
        Column("Min Available", description="The minimum number of pods that must be available."),
        Column("Max Unavailable", description="The maximum number of pods that may be unavailable."),
        number("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
        AGE,
    ),
    _budget,
)
