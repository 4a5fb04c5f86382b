"""Which programs of this machine listen where others reach it, so that no Service takes their ports away."""

import ipaddress
from collections.abc import Collection, Iterator
from pathlib import Path

from pinnace.cluster import preflight
from pinnace.cluster.routes import Address

TABLES = Path("/proc/net")
LISTENING = {"tcp": "0A", "udp": "07"}  # states of sockets; UDP's is of those that are connected to nobody


def listener(protocol: str, port: int, addresses: Collection[str], tables: Path = TABLES) -> str:
    """The program that has this port on every address or on one of these; "" when there is none."""
    if port not in _ports(protocol.lower(), {ipaddress.ip_address(one) for one in addresses if one}, tables):
        return ""
    holder = preflight.port_holder(port) if protocol == "TCP" else preflight.Holder()
    return str(holder) if holder.pid else "a program of this machine"


def _ports(protocol: str, addresses: Collection[Address], tables: Path) -> Iterator[int]:
    for name in (protocol, f"{protocol}6"):
        try:
            lines = (tables / name).read_text().splitlines()[1:]
        except OSError:
            continue  # SCTP, or a kernel without IPv6
        for line in lines:
            _, local, _, state, *_ = line.split()
            host, _, port = local.partition(":")
            address = _address(host)
            if state == LISTENING.get(protocol) and (address.is_unspecified or address in addresses):
                yield int(port, 16)


def _address(digits: str) -> Address:
    """Words of 32 bits in the machine's order, which is little-endian where Pinnace runs."""
    words = [bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8)]
    return ipaddress.ip_address(b"".join(words))
