"""Columns of node and pod metrics, as metrics-server prints them: one for each resource, then the window."""

from datetime import datetime

from pinnace.api.columns.table import NAME, Cell, Column, TableDef, name
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

RESOURCES = ("cpu", "memory")


def _cells(obj: Object, now: datetime) -> list[Cell]:
    holders = obj.get("containers", [obj])
    cells: list[Cell] = [name(obj)]
    for resource in RESOURCES:
        texts = [str((holder.get("usage") or {}).get(resource, "0")) for holder in holders]
        cells.append(_total(texts))
    return [*cells, obj.get("window", "")]


def _total(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    family = "binary" if any(text.endswith("i") for text in texts) else "decimal"
    return quantity.format_quantity(sum(map(quantity.parse, texts), quantity.parse("0")), family)


METRICS = TableDef((NAME, *(Column(resource) for resource in RESOURCES), Column("Window")), _cells)
