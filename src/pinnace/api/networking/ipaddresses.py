"""IPAddresses: addresses that are taken, each by the object that its `parentRef` names. The name is the address."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

FAMILY_LABEL, MANAGED_BY_LABEL = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"  # who manages the addresses of services
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def of_service(address: Address, namespace: str, name: str) -> Object:
    """The object that keeps `address` for a service."""
    labels = {FAMILY_LABEL: f"IPv{address.version}", MANAGED_BY_LABEL: ALLOCATOR}
    return {
        "kind": "IPAddress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": str(address), "labels": labels},
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": name}},
    }


def is_of_service(obj: Object, namespace: str, name: str) -> bool:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    place = (parent.get("group") or "", parent.get("resource"), parent.get("namespace"), parent.get("name"))
    return place == ("", "services", namespace, name)


class IPAddressStrategy(Strategy):
    selectable_fields = frozenset(
        (
            "metadata.name", "metadata.namespace", "spec.parentRef.group", "spec.parentRef.resource",
            "spec.parentRef.namespace", "spec.parentRef.name",
        )
    )  # fmt: skip

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def check_name(self, name: str) -> Sequence[str]:
        if wrong := names.ip_address(name):
            return wrong
        if str(ipaddress.ip_address(name)) != name:
            return (f'must be in canonical form ("{ipaddress.ip_address(name)}")',)
        return ()

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_parent(obj["spec"].get("parentRef")))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        before = (old.get("spec") or {}).get("parentRef")
        found = super().validate_update(new, old)
        return found + fields.immutable("spec.parentRef", new["spec"].get("parentRef"), before)

    def field_labels(self, obj: Object) -> dict[str, str]:
        parent = (obj.get("spec") or {}).get("parentRef") or {}
        own = {
            f"spec.parentRef.{field}": parent.get(field) or ""
            for field in ("group", "resource", "namespace", "name")
        }
        return {**super().field_labels(obj), **own}


def _validate_parent(parent: Mapping[str, Any] | None) -> Iterator[Cause]:
    path = "spec.parentRef"
    if parent is None:
        yield fields.required(path)
        return
    if group := parent.get("group"):
        yield from fields.all_invalid(f"{path}.group", group, names.dns_subdomain(group))
    for field in ("resource", "name"):
        if not parent.get(field):
            yield fields.required(f"{path}.{field}")
    for field in ("resource", "name", "namespace"):
        if value := parent.get(field):
            yield from fields.all_invalid(f"{path}.{field}", value, names.path_segment(value))
