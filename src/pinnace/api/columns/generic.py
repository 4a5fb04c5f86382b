"""Resources without columns of their own: name and age (upstream's default table convertor)."""

from datetime import datetime

from pinnace.api.columns import table
from pinnace.api.meta import Object

CREATED_AT = table.Column("Created At", "date", "", table.AGE_TEXT)


def _cells(obj: Object, now: datetime) -> list[table.Cell]:
    return [table.name(obj), obj["metadata"].get("creationTimestamp", "")]


GENERIC = table.TableDef((table.NAME, CREATED_AT), _cells)
