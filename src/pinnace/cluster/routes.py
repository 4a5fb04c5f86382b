"""Which way packets for the pods of other nodes go: pure. Straight to a node on a link of ours, else through VXLAN.

Every node computes the same from the Node objects alone: the address and the MAC of a node's end of the overlay follow from
its subnet, and the overlay's number from the cluster's CA, so that clusters on one link do not hear each other.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any

from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.cluster.address_ranges import Network

PROTOCOL = 142  # of our routes in the kernel's table, so that we and others know them
VXLAN_PORT, VXLAN_OVERHEAD = 8472, 50  # the port that Linux and flannel use; bytes of the outer headers
ADDRESSES = ("InternalIP", "ExternalIP")


def of_ipv4(networks: str) -> str:
    """The IPv4 network of a list like `10.42.0.0/16,fd00:42::/56`; "" when there is none."""
    return next((text for text in networks.split(",") if text and ":" not in text), "")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node: where its pods are, and how it is reached."""

    subnet: IPv4Network
    address: IPv4Address

    @property
    def overlay_address(self) -> str:
        return str(self.subnet[0])

    @property
    def mac(self) -> str:
        return overlay_mac(self.subnet)


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface with an address of this machine."""

    name: str
    index: int
    mtu: int
    addresses: tuple[ipaddress.IPv4Interface, ...]


def peer(node: Object | None) -> Peer | None:
    """None for a node that has no subnet or no address yet, or one where no machine can be."""
    if node is None:
        return None
    cidrs = [text for text in nodes.pod_cidrs(node) if ":" not in text]
    by_type = {
        one.get("type"): found
        for one in (node.get("status") or {}).get("addresses") or () if (found := one.get("address") or "") and ":" not in found
    }  # fmt: skip
    address = next((by_type[kind] for kind in ADDRESSES if kind in by_type), "")
    try:
        found = Peer(IPv4Network(cidrs[0]), IPv4Address(address)) if cidrs and address else None
    except ValueError:
        return None
    return None if found is None or is_nowhere(found.address) else found


def is_nowhere(address: IPv4Address) -> bool:
    return address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved


def overlay_mac(subnet: IPv4Network) -> str:
    """Locally administered, and as unique as the subnet."""
    return ":".join(f"{byte:02x}" for byte in (0x0A, 0x58, *subnet[0].packed))


def overlay_id(ca: str) -> int:
    """24 bits, never 0."""
    return int.from_bytes(hashlib.sha256(ca.encode()).digest()[:3], "big") or 1


def links(shown: Iterable[dict[str, Any]]) -> list[Link]:
    """From `ip -j addr`: those that are up and have an IPv4 address."""
    found = []
    for link in shown:
        addresses = tuple(
            ipaddress.IPv4Interface(f"{one['local']}/{one['prefixlen']}")
            for one in link.get("addr_info") or ()
            if one.get("family") == "inet"
        )
        if addresses and "UP" in link.get("flags", ()):
            found.append(Link(link["ifname"], link["ifindex"], link["mtu"], addresses))
    return found


def link_towards(address: IPv4Address, known: Iterable[Link]) -> Link | None:
    """The link whose own network holds this address; the narrowest of several."""
    fitting = [
        (interface.network.prefixlen, link)
        for link in known
        for interface in link.addresses
        if address in interface.network and interface.network.prefixlen < 32
    ]
    return max(fitting, key=lambda one: one[0])[1] if fitting else None


def link_of(address: str, known: Iterable[Link]) -> Link | None:
    """The link that has this address of ours."""
    wanted = IPv4Address(address)
    return next((link for link in known if any(one.ip == wanted for one in link.addresses)), None)


@dataclass(frozen=True, slots=True)
class Way:
    """How one node's pods are reached: arguments of `ip`, and of `bridge fdb`, that bring it about and undo it."""

    link: str
    is_overlay: bool
    add: tuple[str, ...]
    remove: tuple[str, ...]
    forward: str = ""  # what `bridge fdb` is told, after `append` or `del`


def way(to: Peer, known: Iterable[Link], overlay: str) -> Way:
    link = link_towards(to.address, known)
    if link is not None:
        route = f"{to.subnet} via {to.address} dev {link.name} proto {PROTOCOL}"
        return Way(link.name, False, (f"route replace {route}",), (f"route del {route}",))
    route = f"{to.subnet} via {to.overlay_address} dev {overlay} proto {PROTOCOL}"
    neighbour = f"{to.overlay_address} dev {overlay}"
    return Way(
        overlay,
        True,
        (f"neigh replace {neighbour} lladdr {to.mac} nud permanent", f"route replace {route} onlink"),
        (f"route del {route}", f"neigh del {neighbour}"),
        f"{to.mac} dev {overlay} dst {to.address}",
    )


def pod_mtu(link: Link | None, ways: Mapping[str, Way]) -> int:
    """What fits through every way; 0 (the kernel's usual) where nothing is known."""
    if link is None or link.name == "lo":
        return 0
    return link.mtu - (VXLAN_OVERHEAD if any(one.is_overlay for one in ways.values()) else 0)


def own_subnets(node: Object | None) -> tuple[Network, ...]:
    """What the control plane gave to this node, one of each family."""
    try:
        return tuple(map(ip_network, nodes.pod_cidrs(node) if node is not None else ()))
    except ValueError:
        return ()
