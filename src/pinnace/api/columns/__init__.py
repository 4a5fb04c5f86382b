"""Printer columns: what `kubectl get` shows of each resource. Rows name the module that is imported at first use."""

from functools import cache
from importlib import import_module

from pinnace.api import resources as r
from pinnace.api.columns.table import Column as Column
from pinnace.api.columns.table import TableDef as TableDef
from pinnace.apimachinery.gvk import GVR

_TABLES: dict[GVR, str] = {
    r.PODS: "pods:PODS",
}


@cache
def table_for(gvr: GVR) -> TableDef:
    """Columns of this resource; name and creation time for one that is not listed (custom resources have their own)."""
    module, _, attribute = _TABLES.get(gvr, "generic:GENERIC").partition(":")
    table: TableDef = getattr(import_module(f"pinnace.api.columns.{module}"), attribute)
    return table
