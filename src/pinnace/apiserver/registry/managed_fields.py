"""managedFields on every write, by `apimachinery.apply`; loaded on the first write only."""

from datetime import datetime
from typing import Any

from pinnace.api.resources import Resource

Object = dict[str, Any]


def record(
    row: Resource, old: Object | None, new: Object, *, manager: str, now: datetime, subresource: str = ""
) -> None:
    """Set `new.metadata.managedFields` after a create, update or patch by `manager`."""


def manager_of(field_manager: str, user_agent: str) -> str:
    """`?fieldManager=`, else the program's name in the User-Agent: `kubectl/v1.32 (linux/amd64)` -> `kubectl`."""
    return (field_manager or user_agent.partition("/")[0] or "unknown")[:128]
