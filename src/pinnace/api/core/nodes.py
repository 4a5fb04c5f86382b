"""What a node says of itself: readiness, taints, roles, addresses, room."""

from decimal import Decimal
from typing import Any

from pinnace.api import conditions, meta
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def get_condition(node: Object, kind: str) -> dict[str, Any] | None:
    return conditions.find((node.get("status") or {}).get("conditions"), kind)


def is_ready(node: Object) -> bool:
    return conditions.is_true((node.get("status") or {}).get("conditions"), "Ready")


def is_unschedulable(node: Object) -> bool:
    return bool((node.get("spec") or {}).get("unschedulable"))


def taints(node: Object) -> list[dict[str, Any]]:
    return (node.get("spec") or {}).get("taints") or []


def roles(node: Object) -> list[str]:
    """Sorted, from labels `node-role.kubernetes.io/ROLE` and `kubernetes.io/role=ROLE`."""
    found = set()
    for key, value in meta.labels(node).items():
        if key.startswith(ROLE_PREFIX) and len(key) > len(ROLE_PREFIX):
            found.add(key[len(ROLE_PREFIX) :])
        elif key == ROLE_LABEL and value:
            found.add(value)
    return sorted(found)


def address(node: Object, kind: str) -> str:
    """The first address of this type (InternalIP, ExternalIP, Hostname); "" without one."""
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry.get("type") == kind:
            return entry.get("address", "")
    return ""


def allocatable(node: Object) -> dict[str, Decimal]:
    """What pods may use; capacity where the node does not say."""
    status = node.get("status") or {}
    amounts = status.get("allocatable") or status.get("capacity") or {}
    return {name: quantity.parse(amount) for name, amount in amounts.items()}


def kubelet_port(node: Object) -> int:
    endpoints = (node.get("status") or {}).get("daemonEndpoints") or {}
    return (endpoints.get("kubeletEndpoint") or {}).get("Port") or 0


def pod_cidrs(node: Object) -> list[str]:
    spec = node.get("spec") or {}
    return spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
