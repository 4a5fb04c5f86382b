"""Which names exist and what they stand for: pure functions from Services and EndpointSlices to records.

After the Kubernetes DNS specification, schema version 1.1.0:
https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
SCHEMA_VERSION = "1.1.0"


@dataclass(frozen=True, slots=True)
class Address:
    """An A or AAAA record's address."""

    ip: str

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.ip


@dataclass(frozen=True, slots=True)
class Srv:
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Cname:
    target: str


@dataclass(frozen=True, slots=True)
class Ptr:
    target: str


@dataclass(frozen=True, slots=True)
class Txt:
    text: str


Record = Address | Srv | Cname | Ptr | Txt
Names = dict[str, list[Record]]  # absolute lower-case names without the final dot


def of_service(service: Object, slices: Iterable[Object], domain: str) -> Names:
    """Every name that one Service stands for, with the reverse names of its addresses."""
    metadata, spec = service["metadata"], service.get("spec") or {}
    base = f"{metadata['name']}.{metadata['namespace']}.svc.{domain}"
    if spec.get("type") == "ExternalName":
        return {base: [Cname(spec["externalName"].rstrip(".").lower())]}
    if spec.get("clusterIP") == "None":
        return _headless(base, slices, publish_not_ready=bool(spec.get("publishNotReadyAddresses")))
    return _with_cluster_ip(base, spec)


def _with_cluster_ip(base: str, spec: Object) -> Names:
    names: Names = defaultdict(list)
    addresses = spec.get("clusterIPs") or [ip for ip in (spec.get("clusterIP"),) if ip]
    for ip in addresses:
        names[base].append(Address(ip))
        names[reverse_name(ip)].append(Ptr(base))
    for port in spec.get("ports") or () if addresses else ():
        if port.get("name"):
            names[_port_name(port["name"], port.get("protocol", "TCP"), base)].append(Srv(port["port"], base))
    return dict(names)


def _headless(base: str, slices: Iterable[Object], *, publish_not_ready: bool) -> Names:
    names: Names = defaultdict(list)
    for piece in slices:
        if piece.get("addressType") == "FQDN":
            continue
        for endpoint in piece.get("endpoints") or ():
            if not publish_not_ready and (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for ip in endpoint.get("addresses") or ():
                own = f"{endpoint.get('hostname') or dashed(ip)}.{base}"
                _add(names, base, Address(ip))
                _add(names, own, Address(ip))
                if endpoint.get("hostname"):
                    _add(names, reverse_name(ip), Ptr(own))
                for port in piece.get("ports") or ():
                    if port.get("name") and port.get("port"):
                        protocol = port.get("protocol", "TCP")
                        _add(names, _port_name(port["name"], protocol, base), Srv(port["port"], own))
    return dict(names)


def _add(names: Names, name: str, record: Record) -> None:
    if record not in names[name]:
        names[name].append(record)


def _port_name(port: str, protocol: str, base: str) -> str:
    return f"_{port}._{protocol.lower()}.{base}"


def dashed(ip: str) -> str:
    return ip.replace(".", "-").replace(":", "-")


def reverse_name(ip: str) -> str:
    """`10.43.0.1` -> `1.0.43.10.in-addr.arpa`."""
    return ipaddress.ip_address(ip).reverse_pointer


def pod_address(label: str) -> Address | None:
    """The address in a pod name's first label: `10-42-0-7` -> 10.42.0.7; None when it is not one."""
    for text in (label.replace("-", "."), label.replace("-", ":")):
        try:
            return Address(str(ipaddress.ip_address(text)))
        except ValueError:
            continue
    return None


class Zone:
    """All names of the cluster domain, kept current one Service at a time."""

    def __init__(self, domain: str) -> None:
        self.domain = domain.strip(".").lower()
        self._of: dict[tuple[str, str], Names] = {}
        self._names: dict[str, dict[tuple[str, str], list[Record]]] = defaultdict(dict)
        self._parents: dict[str, int] = defaultdict(
            int
        )  # names that exist only because something is below them
        self.serial = 1

    def replace(self, key: tuple[str, str], names: Names) -> None:
        """Set the names of the Service `key` (namespace, name); {} removes it."""
        old = self._of.pop(key, {})
        if old == names:
            if names:
                self._of[key] = names
            return
        for name in old:
            del self._names[name][key]
            if not self._names[name]:
                del self._names[name]
            self._count_parents(name, -1)
        for name, records in names.items():
            self._names[name][key] = records
            self._count_parents(name, 1)
        if names:
            self._of[key] = names
        self.serial += 1

    def _count_parents(self, name: str, step: int) -> None:
        while name.endswith(self.domain) and name != self.domain:
            name = name.partition(".")[2]
            self._parents[name] += step
            if not self._parents[name]:
                del self._parents[name]

    def is_ours(self, name: str) -> bool:
        return name == self.domain or name.endswith(f".{self.domain}")

    def lookup(self, name: str) -> list[Record] | None:
        """Records of a name; [] when it exists without records of its own; None when it does not exist."""
        if name in self._names:
            return [record for records in self._names[name].values() for record in records]
        if name == f"dns-version.{self.domain}":
            return [Txt(SCHEMA_VERSION)]
        head, _, rest = name.partition(".")
        namespace, _, kind = rest.partition(".")
        if kind == f"pod.{self.domain}" and namespace and (address := pod_address(head)):
            return [address]
        return [] if name == self.domain or name in self._parents else None
