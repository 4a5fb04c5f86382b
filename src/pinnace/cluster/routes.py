"""Which way packets for the pods of other nodes go: pure. Straight to a node on a link of ours, else through VXLAN.

Every node computes the same from the Node objects alone: the MAC of a node's end of the overlay and its address follow from
its subnet, and the overlay's number from the cluster's CA, so that clusters on one link do not hear each other.

There is a way for each family. The overlay is one for both: it runs over IPv4 where the pods have it, else over IPv6; so a
node without an IPv6 address that others could reach still reaches their pods' IPv6 addresses.
"""

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.cluster.address_ranges import Network, of_version

Address = IPv4Address | IPv6Address
PROTOCOL = 142  # of our routes in the kernel's table, so that we and others know them
VXLAN_PORT = 8472  # that Linux and flannel use
VXLAN_OVERHEAD = {4: 50, 6: 70}  # bytes of the outer headers
ADDRESSES = ("InternalIP", "ExternalIP")
FAMILIES = (4, 6)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node: where its pods of one family are, and how it is reached."""

    subnet: Network
    address: Address | None  # of the same family; None where it has none for others
    outside: Address | None  # where its end of the overlay is
    mac: str  # of that end

    @property
    def gateway(self) -> str:
        """Its address inside the overlay."""
        return str(self.subnet[0]) if self.subnet.version == 4 else link_local(self.mac)


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface with addresses of this machine that others may reach."""

    name: str
    index: int
    mtu: int
    addresses: tuple[ipaddress.IPv4Interface | ipaddress.IPv6Interface, ...]


def peer(node: Object | None, version: int = 4) -> Peer | None:
    """None for a node that has no subnet of this family or no address yet, or one where no machine can be."""
    subnets = own_subnets(node)
    subnet = of_version(subnets, version)
    if node is None or subnet is None:
        return None
    known = {number: _address(node, number, subnets) for number in FAMILIES}
    outer = outer_version(subnets)
    if known[version] is None and known[outer] is None:
        return None
    return Peer(subnet, known[version], known[outer], overlay_mac(subnets))


def _address(node: Object, version: int, subnets: tuple[Network, ...]) -> Address | None:
    """Of a node; one that its own pods' network holds (a bridge's) leads nobody there."""
    by_type: dict[str | None, Address] = {}
    for one in (node.get("status") or {}).get("addresses") or ():
        try:
            address = ip_address(one.get("address") or "")
        except ValueError:
            continue
        if address.version == version:
            by_type[one.get("type")] = address
    found = next((by_type[kind] for kind in ADDRESSES if kind in by_type), None)
    if found is None or is_nowhere(found) or any(found in subnet for subnet in subnets):
        return None
    return found


def is_nowhere(address: Address) -> bool:
    """Link-local addresses of IPv4 lead somewhere, those of IPv6 only together with a link."""
    is_bound = address.version == 6 and address.is_link_local
    return address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved or is_bound  # fmt: skip


def outer_version(subnets: Iterable[Network]) -> int:
    """The family that the overlay's packets have outside."""
    return 4 if of_version(subnets, 4) is not None else 6


def overlay_mac(subnets: Iterable[Network]) -> str:
    """Locally administered, and as unique as the node's subnet: all of an IPv4 address; of IPv6 what tells /64 networks apart."""
    subnets = tuple(subnets)
    first = of_version(subnets, outer_version(subnets))
    assert first is not None
    digits = first[0].packed if first.version == 4 else first[0].packed[4:8]
    return ":".join(f"{byte:02x}" for byte in (0x0A, 0x58, *digits))


def link_local(mac: str) -> str:
    """As the kernel makes it from a MAC."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    digits = bytes((first ^ 0x02, *rest[:2], 0xFF, 0xFE, *rest[2:]))
    return str(IPv6Address(bytes.fromhex("fe80") + bytes(6) + digits))


def overlay_id(ca: str) -> int:
    """24 bits, never 0."""
    return int.from_bytes(hashlib.sha256(ca.encode()).digest()[:3], "big") or 1


def links(shown: Iterable[dict[str, Any]]) -> list[Link]:
    """From `ip -j addr`: those that are up and have an IPv4 address or a global one of IPv6."""
    found = []
    for link in shown:
        addresses = tuple(
            ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}")
            for one in link.get("addr_info") or ()
            if one.get("family") == "inet" or (one.get("family") == "inet6" and one.get("scope") == "global")
        )
        if addresses and "UP" in link.get("flags", ()):
            found.append(Link(link["ifname"], link["ifindex"], link["mtu"], addresses))
    return found


def link_towards(address: Address, known: Iterable[Link]) -> Link | None:
    """The link whose own network holds this address; the narrowest of several."""
    fitting = [
        (interface.network.prefixlen, link)
        for link in known
        for interface in link.addresses
        if address in interface.network and interface.network.num_addresses > 1
    ]
    return max(fitting, key=lambda one: one[0])[1] if fitting else None


def link_of(address: str, known: Iterable[Link]) -> Link | None:
    """The link that has this address of ours."""
    wanted = ip_address(address)
    return next((link for link in known if any(one.ip == wanted for one in link.addresses)), None)


@dataclass(frozen=True, slots=True)
class Way:
    """How one node's pods are reached: arguments of `ip`, and of `bridge fdb`, that bring it about and undo it."""

    link: str
    overhead: int  # bytes that the overlay takes of each packet; 0 for a straight way
    add: tuple[str, ...]
    remove: tuple[str, ...]
    forward: str = ""  # what `bridge fdb` is told, after `append` or `del`


def way(to: Peer, known: Iterable[Link], overlay: str) -> Way | None:
    """None where there is none: it is on no link of ours, and there is no other end for the overlay."""
    link = link_towards(to.address, known) if to.address is not None else None
    if link is not None:
        route = f"{to.subnet} via {to.address} dev {link.name} proto {PROTOCOL}"
        return Way(link.name, 0, (f"route replace {route}",), (f"route del {route}",))
    if to.outside is None:
        return None
    route = f"{to.subnet} via {to.gateway} dev {overlay} proto {PROTOCOL}"
    neighbour = f"{to.gateway} dev {overlay}"
    return Way(
        overlay,
        VXLAN_OVERHEAD[to.outside.version],
        (f"neigh replace {neighbour} lladdr {to.mac} nud permanent", f"route replace {route} onlink"),
        (f"route del {route}", f"neigh del {neighbour}"),
        f"{to.mac} dev {overlay} dst {to.outside}",
    )


def pod_mtu(link: Link | None, ways: Iterable[Way]) -> int:
    """What fits through every way; 0 (the kernel's usual) where nothing is known."""
    if link is None or link.name == "lo":
        return 0
    return link.mtu - max((one.overhead for one in ways), default=0)


def own_subnets(node: Object | None) -> tuple[Network, ...]:
    """What the control plane gave to this node, one of each family."""
    try:
        return tuple(map(ip_network, nodes.pod_cidrs(node) if node is not None else ()))
    except ValueError:
        return ()
