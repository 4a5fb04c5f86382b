"""The node's side of the pod network: the bridge, its address, and the kernel settings that routing needs."""

import asyncio
import ipaddress
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pinnace.cluster import address_ranges
from pinnace.cluster.address_ranges import Network

log = logging.getLogger(__name__)

SYSCTL = Path("/proc/sys")
SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",  # a reply between two pods of one bridge must pass the service rules again
    "net/bridge/bridge-nf-call-ip6tables": "1",
}


class NetworkError(Exception):
    """The bridge cannot be made; the message has the words of `ip`."""


def _apply_settings() -> None:
    for path, value in SETTINGS.items():
        _set(path, value)


async def prepare(bridge: str, subnets: Iterable[Network]) -> tuple[str, ...]:
    """Make the bridge with the gateways' addresses; returns the addresses. Doing it again changes nothing."""
    subnets = tuple(subnets)
    _apply_settings()
    if not link_exists(bridge):
        await ip("link", "add", bridge, "type", "bridge")
    if address_ranges.of_version(subnets, 6):
        _route_ipv6(bridge)
    for subnet in subnets:
        at_once = (
            ["nodad"] if subnet.version == 6 else []
        )  # nobody else can have it, and the name server listens there
        await ip("addr", "replace", f"{subnet[1]}/{subnet.prefixlen}", "dev", bridge, *at_once)
    await ip("link", "set", bridge, "up")
    _set(f"net/ipv4/conf/{bridge}/route_localnet")  # host ports of 127.0.0.1; the proxy keeps strangers off
    return tuple(str(subnet[1]) for subnet in subnets)


def _route_ipv6(bridge: str) -> None:
    """A router believes nobody's advertisements, unless told so: who got its routes from one keeps them."""
    if not (SYSCTL / "net/ipv6").is_dir():
        raise NetworkError(
            "this kernel has no IPv6 (it was started with ipv6.disable=1): give ranges of IPv4 alone"
        )
    use_ipv6(bridge)
    if (SYSCTL / "net/ipv6/conf/all/forwarding").read_text().strip() == "0":
        for setting in (SYSCTL / "net/ipv6/conf").glob("*/accept_ra"):
            if setting.read_text().strip() == "1":
                setting.write_text("2")
    for path in ("net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-ip6tables"):
        _set(path)


def use_ipv6(link: str) -> None:
    _set(f"net/ipv6/conf/{link}/disable_ipv6", "0")


def _set(path: str, value: str = "1") -> None:
    setting = SYSCTL / path
    if setting.exists() and setting.read_text().strip() != value:
        setting.write_text(value)


async def forget_other_addresses(bridge: str, subnets: Iterable[Network]) -> None:
    """Of subnets that the node had before."""
    subnets = tuple(subnets)
    for link in await ip_json("addr", "show", "dev", bridge, "scope", "global"):
        for address in link.get("addr_info") or ():
            if "local" not in address:
                continue
            local = ipaddress.ip_address(address["local"])
            if not any(local in subnet for subnet in subnets):
                await ip("addr", "del", f"{local}/{address['prefixlen']}", "dev", bridge)


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
