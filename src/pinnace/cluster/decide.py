"""What is chosen at a cluster's first start: free ports and networks, names of links, tables and cgroups.

Choices are remembered in `DATA/config.json`, so that a cluster keeps its addresses for life.
"""

import hashlib
import ipaddress
import platform
import subprocess
from dataclasses import dataclass
from typing import Any

from pinnace.cluster import preflight
from pinnace.cluster.config import DEFAULT_KUBELET_PORT, DEFAULT_NAME, DEFAULT_PORT, ClusterConfig, UsageError
from pinnace.cluster.state import running_records

FIRST_POD_NETWORK = 42  # 10.42.0.0/16 and 10.43.0.0/16; the next cluster takes 10.44 and 10.45


@dataclass(frozen=True, slots=True)
class Names:
    """Names on the machine that carry the cluster's name. A link's name has at most 15 characters."""

    bridge: str
    nft_table: str
    cgroup: str


def names_of(cluster: str) -> Names:
    if cluster == DEFAULT_NAME:
        return Names("pinnace0", "pinnace", "pinnace")
    short = hashlib.sha256(cluster.encode()).hexdigest()[:6]
    return Names(f"pin-{short}0", f"pinnace-{cluster}", f"pinnace-{cluster}")


def settle(config: ClusterConfig) -> None:
    """Fill in every open choice of `config`; raises UsageError when a wish cannot be met."""
    others = [record for record in running_records() if record.get("name") != config.name]
    config.port = _port(
        "API server port", "--port", config.port, DEFAULT_PORT, config.bind_address, others, "port"
    )
    if config.has_real_node:
        config.kubelet_port = _port(
            "kubelet port",
            "--kubelet-port",
            config.kubelet_port,
            DEFAULT_KUBELET_PORT,
            "0.0.0.0",
            others,
            "kubeletPort",
        )
        config.http_port = config.http_port or preflight.free_port()
        config.https_port = config.https_port or preflight.free_port()
    config.node_name = config.node_name or platform.node().lower()
    if not config.pod_cidr or not config.service_cidr:
        pods, services = _networks(others)
        config.pod_cidr = config.pod_cidr or pods
        config.service_cidr = config.service_cidr or services
    services_network = _network(config.service_cidr, "--service-cidr")
    if services_network.overlaps(_network(config.pod_cidr, "--cluster-cidr")):
        raise UsageError(f"--cluster-cidr {config.pod_cidr} and --service-cidr {config.service_cidr} overlap")
    config.dns_ip = config.dns_ip or str(services_network[10])
    if ipaddress.ip_address(config.dns_ip) not in services_network:
        raise UsageError(f"--cluster-dns {config.dns_ip} is not in the service network {config.service_cidr}")


def _network(text: str, flag: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: {error}") from None


def _port(
    what: str,
    flag: str,
    wish: int | None,
    default: int,
    address: str,
    others: list[dict[str, Any]],
    field: str,
) -> int:
    if wish == 0:
        return preflight.free_port()
    port = wish or default
    if preflight.port_is_free(port, address):
        return port
    if wish is None and any(record.get(field) == port for record in others):
        return preflight.free_port()
    holder = preflight.port_holder(port)
    by = f" by {holder}" if holder else ""
    raise UsageError(
        f"{what} {port} is taken{by}: stop that program, or choose another port with {flag} N (0 picks a free one)"
    )


def _networks(others: list[dict[str, Any]]) -> tuple[str, str]:
    """The first pair of /16 networks that no other cluster and no route of this machine uses."""
    taken = [record.get(field, "") for record in others for field in ("podCIDR", "serviceCIDR")]
    used = [ipaddress.IPv4Network(text) for text in [*taken, *_routes()] if text]
    for second in range(FIRST_POD_NETWORK, 254, 2):
        pair = [ipaddress.IPv4Network(f"10.{number}.0.0/16") for number in (second, second + 1)]
        if not any(mine.overlaps(theirs) for mine in pair for theirs in used):
            return str(pair[0]), str(pair[1])
    raise UsageError("no free 10.x.0.0/16 network: choose --cluster-cidr and --service-cidr")


def _routes() -> list[str]:
    answer = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=False, timeout=10)
    targets = [line.split()[0] for line in answer.stdout.splitlines() if line.strip()]
    return [target for target in targets if target[0].isdigit() and "/" in target]


def node_address() -> str:
    """The IPv4 address by which others reach this machine: the one used towards the default route, else loopback."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.254", 9))  # no packet is sent: the kernel only picks the source address
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
