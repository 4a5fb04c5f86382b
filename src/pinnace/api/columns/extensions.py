"""Columns of what extends the API: webhook configurations and APIServices."""

from datetime import datetime

from pinnace.api.columns.table import AGE, NAME, Cell, Column, TableDef, age, name, number
from pinnace.api.meta import Object


def _webhooks(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


def _service_of(obj: Object) -> str:
    service = (obj.get("spec") or {}).get("service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _availability(obj: Object) -> str:
    """`True`, or `False (MissingEndpoints)`."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Available":
            status: str = condition.get("status", "")
            return status if status == "True" else f"{status} ({condition.get('reason', '')})"
    return "Unknown"


def _api_service(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), _service_of(obj), _availability(obj), age(obj, now)]


WEBHOOKS = TableDef((NAME, number("Webhooks", "How many webhooks the configuration lists."), AGE), _webhooks)
API_SERVICES = TableDef(
    (
        NAME,
        Column("Service", description="The Service that serves the group and version, or Local."),
        Column("Available", description="Whether the service is available."),
        AGE,
    ),
    _api_service,
)
