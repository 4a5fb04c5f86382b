"""ServiceCIDRs: ranges from which services get their addresses."""

import ipaddress
from collections.abc import Iterator, Sequence

from pinnace.api import conditions, fields, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

DEFAULT_NAME = "kubernetes"  # made by the API server from its flag
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
READY = "Ready"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def cidrs(obj: Object) -> list[str]:
    return (obj.get("spec") or {}).get("cidrs") or []


def networks(obj: Object) -> list[Network]:
    return [ipaddress.ip_network(cidr) for cidr in cidrs(obj)]


def is_ready(obj: Object) -> bool:
    """Addresses may be taken from it; without a verdict they may, so that services work without the controller."""
    if "deletionTimestamp" in obj["metadata"]:
        return False
    condition = conditions.find((obj.get("status") or {}).get("conditions"), READY)
    return condition is None or condition.get("status") == "True"


def holds(network: Network, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """A service may have this address: within the network, but neither its first nor (IPv4) its last one."""
    if address.version != network.version or address not in network:
        return False
    if network.num_addresses <= 2:
        return False
    return address != network.network_address and (
        address.version == 6 or address != network.broadcast_address
    )


class ServiceCIDRStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_cidrs(cidrs(obj)))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found, after, before = super().validate_update(new, old), cidrs(new), cidrs(old)
        if len(after) == len(before):
            for index, (cidr, kept) in enumerate(zip(after, before, strict=True)):
                found += fields.immutable(f"spec.cidrs[{index}]", cidr, kept)
        elif len(before) == 1 and len(after) == 2:  # a single stack becomes dual
            found += fields.immutable("spec.cidrs[0]", after[0], before[0])
            found += _validate_cidrs(after)
        else:
            found.append(fields.invalid("spec.cidrs", after, fields.IMMUTABLE))
        return found


def _validate_cidrs(given: Sequence[str]) -> Iterator[Cause]:
    path = "spec.cidrs"
    if not given:
        yield fields.required(path, "at least one CIDR required")
        return
    if len(given) > 2:
        yield fields.invalid(path, given, "may only hold up to 2 values")
        return
    wrong = False
    for index, cidr in enumerate(given):
        messages = _cidr(cidr)
        wrong |= bool(messages)
        yield from fields.all_invalid(f"{path}[{index}]", cidr, messages)
    if len(given) == 2 and not wrong:
        first, second = (ipaddress.ip_network(cidr) for cidr in given)
        if first.version == second.version:
            why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            yield fields.invalid(path, given, why)


def _cidr(text: str) -> Sequence[str]:
    if wrong := names.cidr(text):
        return wrong
    network = ipaddress.ip_network(text, strict=False)
    if str(network) != text:
        return (f'must be in canonical form ("{network}")',)
    return ()
