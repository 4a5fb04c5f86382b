"""What is chosen at a cluster's first start: free ports and networks, names of links, tables and cgroups.

Choices are remembered in `DATA/config.json`, so that a cluster keeps its addresses for life.
"""

import contextlib
import hashlib
import ipaddress
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.cluster import address_ranges, network_claims, preflight
from pinnace.cluster.config import (
    DEFAULT_HTTP_PORT,
    DEFAULT_HTTPS_PORT,
    DEFAULT_KUBELET_PORT,
    DEFAULT_NAME,
    DEFAULT_PORT,
    ClusterConfig,
)
from pinnace.cluster.errors import UsageError
from pinnace.cluster.state import running_records

ROUTES, ADDRESSES6 = Path("/proc/net/route"), Path("/proc/net/if_inet6")
OWN_LINKS = ("pinnace", "pin-", "veth")
FIRST_POD_NETWORK = 42  # 10.42.0.0/16 and 10.43.0.0/16; the next cluster takes 10.44 and 10.45


@dataclass(frozen=True, slots=True)
class Names:
    """Names on the machine that carry the cluster's name. A link's name has at most 15 characters."""

    bridge: str
    overlay: str  # the link to nodes that are not on a link of ours
    nft_table: str
    cgroup: str

    @property
    def policy_table(self) -> str:
        """No cluster's other table can be named so: names have no underscore."""
        return f"{self.nft_table}_policies"


def names_of(cluster: str) -> Names:
    if cluster == DEFAULT_NAME:
        return Names("pinnace0", "pinnace1", "pinnace", "pinnace")
    short = hashlib.sha256(cluster.encode()).hexdigest()[:6]
    return Names(f"pin-{short}0", f"pin-{short}1", f"pinnace-{cluster}", f"pinnace-{cluster}")


def settle(config: ClusterConfig) -> None:
    """Fill in every open choice of `config`; raises UsageError when a wish cannot be met."""
    _check_bind_address(config.bind_address)
    config.port = _port("API server port", "--port", config.port, DEFAULT_PORT, config)
    if config.has_real_node:
        config.kubelet_port = _port(
            "kubelet port", "--kubelet-port", config.kubelet_port, DEFAULT_KUBELET_PORT, config
        )
        config.http_port = _ingress_port(config.http_port, DEFAULT_HTTP_PORT)
        config.https_port = _ingress_port(config.https_port, DEFAULT_HTTPS_PORT)
    config.node_name = config.node_name or platform.node().lower()
    if not config.pod_cidr or not config.service_cidr:
        others = [r for r in running_records() if r.get("name") != config.name]
        pods, services = _networks(others, network_claims.claim if config.has_real_node else _nobody_else)
        config.pod_cidr = config.pod_cidr or pods
        config.service_cidr = config.service_cidr or services
    _check_networks(config)
    address_ranges.ports(config.service_node_port_range, "--service-node-port-range")
    if config.has_real_node:
        for network in address_ranges.networks(config.pod_cidr):
            network_claims.claim(str(network))  # who has it already keeps it


def _check_bind_address(text: str) -> None:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f"--bind-address {text}: must be an IP address") from None
    if not preflight.port_is_free(0, address):
        raise UsageError(
            f"--bind-address {text} is not an address of this machine: `ip addr` lists them, 0.0.0.0 means all"
        )


def _check_networks(config: ClusterConfig) -> None:
    services = address_ranges.checked(config.service_cidr, "--service-cidr", {4: 28, 6: 124})
    pods = address_ranges.checked(config.pod_cidr, "--cluster-cidr", {4: 29, 6: 125})
    if [network.version for network in services] != [network.version for network in pods]:
        raise UsageError(
            f"--cluster-cidr {config.pod_cidr} and --service-cidr {config.service_cidr} must have ranges of the same families in the same order"
        )
    if any(one.overlaps(other) for one, other in zip(services, pods, strict=True)):
        raise UsageError(f"--cluster-cidr {config.pod_cidr} and --service-cidr {config.service_cidr} overlap")
    config.dns_ip = config.dns_ip or ",".join(str(network[10]) for network in services)
    for text in config.dns_ip.split(","):
        _check_dns_address(text, services, config.service_cidr)


def _check_dns_address(text: str, services: tuple[address_ranges.Network, ...], shown: str) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise UsageError(f"--cluster-dns {text}: {error}") from None
    if not any(address in network for network in services):
        raise UsageError(f"--cluster-dns {text} is not in the service network {shown}")
    if address == services[0][1]:
        raise UsageError(f"--cluster-dns {text} is the address of the Service `kubernetes`")


def _port(what: str, flag: str, wish: int | None, default: int, config: ClusterConfig) -> int:
    if wish == 0:
        before = config.remembered_port if flag == "--port" else 0
        if before and preflight.port_is_free(before, config.bind_address):
            return before  # kubeconfigs and watches of the time before go on working
        return preflight.free_port()
    port = wish or default
    address = config.bind_address if flag == "--port" else "0.0.0.0"
    if preflight.port_is_free(port, address):
        return port
    holder = preflight.port_holder(port)
    if wish is None and holder.is_pinnace:
        return preflight.free_port()
    by = f" by {holder}" if holder.pid else ""
    raise UsageError(
        f"{what} {port} is taken{by}: stop that program, or choose another port with {flag} N (0 picks a free one)"
    )


def _ingress_port(wish: int | None, default: int) -> int:
    """A port that something else holds is no error: the node reports it when it comes to serve it."""
    if wish == 0:
        return preflight.free_port()
    if wish is None and not preflight.port_is_free(default) and preflight.port_holder(default).is_pinnace:
        return preflight.free_port()
    return wish or default


def _nobody_else(network: str) -> bool:
    """Without a node a network is only a number in objects."""
    return True


def _networks(others: list[dict[str, Any]], claim: Callable[[str], bool]) -> tuple[str, str]:
    """The first pair of /16 networks that no other cluster and no route of this machine uses, nor one that starts just now."""
    taken = [record.get(field, "") for record in others for field in ("podCIDR", "serviceCIDR")]
    known = [network for text in taken for network in address_ranges.networks(text)]
    used = [n for n in known if isinstance(n, ipaddress.IPv4Network)] + _routes(ROUTES.read_text())
    for second in range(FIRST_POD_NETWORK, 254, 2):
        pair = [ipaddress.IPv4Network(f"10.{number}.0.0/16") for number in (second, second + 1)]
        is_free = not any(mine.overlaps(theirs) for mine in pair for theirs in used)
        if is_free and claim(str(pair[0])):
            return str(pair[0]), str(pair[1])
    raise UsageError("no free 10.x.0.0/16 network: choose --cluster-cidr and --service-cidr")


def _routes(table: str) -> list[ipaddress.IPv4Network]:
    """The networks of the kernel's table (addresses and masks as little-endian words), without the default route."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = (ipaddress.IPv4Address(bytes.fromhex(fields[i])[::-1]) for i in (1, 7))
        if int(mask):
            found.append(ipaddress.IPv4Network(f"{address}/{mask}"))
    return found


def node_address() -> str:
    """The IPv4 address by which others reach this machine: the one used towards the default route, else loopback."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.254", 9))  # no packet is sent: the kernel only picks the source address
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def node_addresses(config: ClusterConfig) -> tuple[str, ...]:
    """The address of the first node in each family that the pods have, in their order.

    A machine without an IPv6 address of its own has that of the bridge, so that pods in its network have one.
    """
    own = own_addresses(config.pod_cidr, config.node_ip)
    subnets = address_ranges.node_subnets(config.pod_cidr)
    return tuple(address or str(subnet[1]) for address, subnet in zip(own, subnets, strict=True))


def own_addresses(pod_cidr: str, chosen: str = "") -> tuple[str, ...]:
    """This machine's address of each family that the pods have, in their order; "" where it has none of IPv6."""
    found = []
    for network in address_ranges.networks(pod_cidr):
        if chosen and (network.version == 6) == (":" in chosen):
            found.append(chosen)
        else:
            found.append(_node_address6() if network.version == 6 else node_address())
    return tuple(found)


def _node_address6() -> str:
    """As `node_address`; without a default route the first global address of any link but those of clusters; "" without one."""
    import socket

    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.connect(("2001:db8::1", 9))
        return str(probe.getsockname()[0])
    for line in ADDRESSES6.read_text().splitlines() if ADDRESSES6.exists() else ():
        digits, _, _, scope, _, link = line.split()
        if scope == "00" and not link.startswith(OWN_LINKS):
            return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
    return ""
