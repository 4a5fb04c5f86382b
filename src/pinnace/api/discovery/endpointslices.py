"""EndpointSlices: addresses of one service, of one family, with their conditions."""

from collections.abc import Iterator, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.endpoints import validate_endpoint_ip
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MAX_ENDPOINTS, MAX_PORTS, MAX_ADDRESSES = 1000, 20000, 100


class EndpointSliceStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def bumps_generation(self, new: Object, old: Object) -> bool:
        """Anything but metadata other than labels."""
        parts = ("addressType", "endpoints", "ports")
        if any(new.get(part) != old.get(part) for part in parts):
            return True
        return (new["metadata"].get("labels") or {}) != (old["metadata"].get("labels") or {})

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_slice(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_slice(new))
        return found + fields.immutable("addressType", new.get("addressType"), old.get("addressType"))


def _validate_slice(obj: Object) -> Iterator[Cause]:
    kind = obj.get("addressType") or ""
    if not kind:
        yield fields.required("addressType")
    elif kind not in ADDRESS_TYPES:
        yield fields.not_supported("addressType", kind, ADDRESS_TYPES)
    endpoints, ports = obj.get("endpoints") or (), obj.get("ports") or ()
    if len(endpoints) > MAX_ENDPOINTS:
        yield fields.too_many("endpoints", len(endpoints), MAX_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        yield from _validate_endpoint(endpoint, kind, f"endpoints[{index}]")
    if len(ports) > MAX_PORTS:
        yield fields.too_many("ports", len(ports), MAX_PORTS)
        return
    yield from _validate_ports(ports)


def _validate_endpoint(endpoint: dict[str, Any], kind: str, path: str) -> Iterator[Cause]:
    addresses = endpoint.get("addresses") or ()
    if not addresses:
        yield fields.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > MAX_ADDRESSES:
        yield fields.too_many(f"{path}.addresses", len(addresses), MAX_ADDRESSES)
    for index, address in enumerate(addresses):
        here = f"{path}.addresses[{index}]"
        if kind == "FQDN":
            yield from fields.all_invalid(here, address, names.dns_subdomain(address))
        elif kind == "IPv4" and ":" in address:
            yield fields.invalid(here, address, "must be a valid IPv4 address")
        elif kind == "IPv6" and ":" not in address:
            yield fields.invalid(here, address, "must be a valid IPv6 address")
        elif kind:
            yield from validate_endpoint_ip(address, here)
    if node := endpoint.get("nodeName"):
        yield from fields.all_invalid(f"{path}.nodeName", node, names.dns_subdomain(node))
    if hostname := endpoint.get("hostname"):
        yield from fields.all_invalid(f"{path}.hostname", hostname, names.dns_label(hostname))


def _validate_ports(ports: Sequence[dict[str, Any]]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            yield from fields.all_invalid(f"{path}.name", name, names.dns_label(name))
        if name in seen:
            yield fields.duplicate(f"{path}.name", name)
        seen.add(name)
        if port.get("protocol") not in names.PROTOCOLS:
            yield fields.not_supported(f"{path}.protocol", port.get("protocol"), names.PROTOCOLS)
        number = port.get("port")
        if number is not None:
            yield from fields.all_invalid(f"{path}.port", number, names.port_number(number))
        if protocol := port.get("appProtocol"):
            yield from fields.all_invalid(f"{path}.appProtocol", protocol, names.qualified_name(protocol))
