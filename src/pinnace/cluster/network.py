"""The node's side of the pod network: the bridge, its address, and the kernel settings that routing needs."""

import asyncio
import ipaddress
import json
import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",  # a reply between two pods of one bridge must pass the service rules again
    "net/bridge/bridge-nf-call-ip6tables": "1",
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
    if not link_exists(bridge):
        await ip("link", "add", bridge, "type", "bridge")
    await ip("addr", "replace", f"{gateway}/{subnet.prefixlen}", "dev", bridge)
    await ip("link", "set", bridge, "up")
    _set(f"net/ipv4/conf/{bridge}/route_localnet")  # host ports of 127.0.0.1; the proxy keeps strangers off
    return gateway


def _set(path: str, value: str = "1") -> None:
    setting = Path("/proc/sys") / path
    if setting.exists() and setting.read_text().strip() != value:
        setting.write_text(value)


async def forget_other_addresses(bridge: str, subnet: ipaddress.IPv4Network) -> None:
    """Of a subnet that the node had before."""
    for link in await ip_json("-4", "addr", "show", "dev", bridge):
        for address in link.get("addr_info") or ():
            if ipaddress.IPv4Address(address["local"]) not in subnet:
                await ip("addr", "del", f"{address['local']}/{address['prefixlen']}", "dev", bridge)


def link_exists(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()


async def ip(*arguments: str) -> None:
    await run("ip", *arguments)


async def ip_json(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(await run("ip", "-j", *arguments) or "[]")


async def run(*command: str, stdin: str | None = None) -> str:
    """What it printed; raises NetworkError with its words."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(None if stdin is None else stdin.encode())
    if process.returncode != 0:
        said = (errors or output).decode(errors="replace").strip()
        raise NetworkError(f"`{' '.join(command)}`: {said}")
    return output.decode()
