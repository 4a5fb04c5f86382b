"""The node's side of the pod network: the bridge, its address, and the kernel settings that routing needs."""

import asyncio
import ipaddress
import logging
from pathlib import Path

log = logging.getLogger(__name__)

SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",  # a reply between two pods of one bridge must pass the service rules again
}


class NetworkError(Exception):
    """The bridge cannot be made; the message has the words of `ip`."""


def node_subnet(pod_cidr: str) -> ipaddress.IPv4Network:
    """The first /24 of the pod network (all of it when it is smaller) is this node's."""
    network = ipaddress.IPv4Network(pod_cidr)
    return next(network.subnets(new_prefix=24)) if network.prefixlen < 24 else network


def _apply_settings() -> None:
    for path, value in SETTINGS.items():
        _set(path, value)


async def prepare(bridge: str, subnet: ipaddress.IPv4Network) -> str:
    """Make the bridge with the gateway's address; returns the address. Doing it again changes nothing."""
    _apply_settings()
    gateway = str(subnet[1])
    if not _link_exists(bridge):
        await _ip("link", "add", bridge, "type", "bridge")
    await _ip("addr", "replace", f"{gateway}/{subnet.prefixlen}", "dev", bridge)
    await _ip("link", "set", bridge, "up")
    _set(f"net/ipv4/conf/{bridge}/route_localnet")  # host ports of 127.0.0.1; the proxy keeps strangers off
    return gateway


def _set(path: str, value: str = "1") -> None:
    setting = Path("/proc/sys") / path
    if setting.exists() and setting.read_text().strip() != value:
        setting.write_text(value)


def _link_exists(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()


async def _ip(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise NetworkError(f"`ip {' '.join(arguments)}`: {output.decode(errors='replace').strip()}")
