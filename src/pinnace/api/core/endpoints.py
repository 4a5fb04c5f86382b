"""Endpoints (the old form of EndpointSlices): addresses and ports. Subsets are kept as written, not repacked."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class EndpointsStrategy(Strategy):
    allows_create_on_update = True

    def set_defaults(self, obj: Object) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_subsets(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_subsets(new))


def _validate_subsets(obj: Object) -> Iterator[Cause]:
    for index, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield fields.required(path, "must specify `addresses` or `notReadyAddresses`")
        for field in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(field) or ()):
                yield from _validate_address(address, f"{path}.{field}[{number}]")
        ports = subset.get("ports") or ()
        for number, port in enumerate(ports):
            yield from _validate_port(port, len(ports) > 1, f"{path}.ports[{number}]")


def _validate_address(address: dict[str, Any], path: str) -> Iterator[Cause]:
    ip = address.get("ip", "")
    yield from validate_endpoint_ip(ip, f"{path}.ip")
    if hostname := address.get("hostname"):
        yield from fields.all_invalid(f"{path}.hostname", hostname, names.dns_label(hostname))
    if node := address.get("nodeName"):
        yield from fields.all_invalid(f"{path}.nodeName", node, names.dns_subdomain(node))


def validate_endpoint_ip(ip: str, path: str) -> Iterator[Cause]:
    """An address that traffic can be sent to: not unspecified, loopback or link-local."""
    messages = names.ip_address(ip)
    yield from fields.all_invalid(path, ip, messages)
    if messages:
        return
    parsed = ipaddress.ip_address(ip)
    if parsed.is_unspecified:
        yield fields.invalid(path, ip, f"may not be unspecified ({ip})")
    if parsed.is_loopback:
        yield fields.invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if parsed.is_link_local:
        yield fields.invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if parsed.is_multicast and ip.startswith(("224.0.0.", "ff02:")):
        yield fields.invalid(
            path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        )


def _validate_port(port: dict[str, Any], needs_name: bool, path: str) -> Iterator[Cause]:
    name = port.get("name") or ""
    if needs_name and not name:
        yield fields.required(f"{path}.name")
    elif name:
        yield from fields.all_invalid(f"{path}.name", name, names.dns_label(name))
    number = port.get("port", 0)
    yield from fields.all_invalid(f"{path}.port", number, names.port_number(number))
    if port.get("protocol") not in names.PROTOCOLS:
        yield fields.not_supported(f"{path}.protocol", port.get("protocol", ""), names.PROTOCOLS)
