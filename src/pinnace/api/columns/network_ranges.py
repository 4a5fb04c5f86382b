"""Columns of NetworkPolicies, IPAddresses and ServiceCIDRs."""

from datetime import datetime

from pinnace.api.columns.table import AGE, NAME, NONE, Cell, Column, TableDef, age, name
from pinnace.api.meta import Object
from pinnace.api.networking import servicecidrs
from pinnace.apimachinery import selectors


def _policy(obj: Object, now: datetime) -> list[Cell]:
    selector = selectors.to_text((obj.get("spec") or {}).get("podSelector"))
    return [name(obj), selector or NONE, age(obj, now)]


def _address(obj: Object, now: datetime) -> list[Cell]:
    parent = (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        return [name(obj), NONE, age(obj, now)]
    resource, group = parent.get("resource") or "", parent.get("group") or ""
    parts = [f"{resource}.{group}" if group else resource, parent.get("namespace"), parent.get("name") or ""]
    return [name(obj), "/".join(part for part in parts if part is not None and part != ""), age(obj, now)]


def _range(obj: Object, now: datetime) -> list[Cell]:
    return [name(obj), ",".join(servicecidrs.cidrs(obj)), age(obj, now)]


NETWORK_POLICIES = TableDef(
    (NAME, Column("Pod-Selector", description="The pods that the policy is about."), AGE), _policy
)
IP_ADDRESSES = TableDef(
    (NAME, Column("ParentRef", description="The object that has the address."), AGE), _address
)
SERVICE_CIDRS = TableDef((NAME, Column("CIDRs", description="The ranges of addresses."), AGE), _range)
