"""IP addresses and CIDR blocks, in strict notation: no zones, no leading zeros, no IPv4 inside IPv6."""

import ipaddress
from dataclasses import dataclass
from typing import Any, ClassVar

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.types import Type, opaque
from pinnace.apimachinery.cel.values import Extension

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True)
class Ip(Extension):
    cel_type: ClassVar[Type] = opaque("net.IP")
    address: _Address

    @property
    def cost_size(self) -> int:
        return len(self.address.packed)


@dataclass(frozen=True, slots=True)
class Cidr(Extension):
    cel_type: ClassVar[Type] = opaque("net.CIDR")
    block: _Interface

    @property
    def cost_size(self) -> int:
        return (self.block.network.prefixlen + 7) // 8


def parse_ip(text: str) -> Ip:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise EvaluationError(
            f'IP Address "{text}" parse error during conversion from string: ParseAddr("{text}"): unable to parse IP'
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped:
            raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return Ip(address)


def parse_cidr(text: str) -> Cidr:
    bad = EvaluationError(
        f"network address parse error during conversion from string: netip.ParsePrefix(\"{text}\"): no '/'"
    )
    address, slash, length = text.partition("/")
    if not slash:
        raise bad
    if not (length.isascii() and length.isdigit()) or (length[0] == "0" and length != "0"):
        raise EvaluationError(
            f'network address parse error during conversion from string: netip.ParsePrefix("{text}"): '
            f'bad bits after slash: "{length}"'
        )
    parse_ip(address)
    try:
        return Cidr(ipaddress.ip_interface(text))
    except ValueError:
        raise EvaluationError(
            f'network address parse error during conversion from string: netip.ParsePrefix("{text}"): '
            "prefix length out of range"
        ) from None


def _sound(parse: Any) -> Any:
    def run(text: str) -> bool:
        try:
            parse(text)
        except EvaluationError:
            return False
        return True

    return run


def _contains_ip(cidr: Cidr, other: "Ip | str") -> bool:
    address = (parse_ip(other) if isinstance(other, str) else other).address
    return address.version == cidr.block.version and address in cidr.block.network


def _contains_cidr(cidr: Cidr, other: "Cidr | str") -> bool:
    block = (parse_cidr(other) if isinstance(other, str) else other).block
    if block.version != cidr.block.version:
        return False
    return block.network.prefixlen >= cidr.block.network.prefixlen and block.ip in cidr.block.network


def _is_multicast_link_local(ip: Ip) -> bool:
    packed = ip.address.packed
    return packed[:3] == b"\xe0\x00\x00" if len(packed) == 4 else packed[0] == 0xFF and packed[1] & 0x0F == 2


def _is_global_unicast(ip: Ip) -> bool:
    address = ip.address
    broadcast = address.packed == b"\xff\xff\xff\xff"
    return not (
        broadcast
        or address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )


ROWS: tuple[Row, ...] = (
    ("ip", "string_to_ip", "(string) -> net.IP", parse_ip),
    ("isIP", "is_ip", "(string) -> bool", _sound(parse_ip)),
    (
        "ip.isCanonical",
        "ip_is_canonical",
        "(string) -> bool",
        lambda text: str(parse_ip(text).address) == text,
    ),
    ("string", "ip_to_string", "(net.IP) -> string", lambda ip: str(ip.address)),
    ("family", "ip_family", "net.IP.() -> int", lambda ip: ip.address.version),
    ("isUnspecified", "ip_is_unspecified", "net.IP.() -> bool", lambda ip: ip.address.is_unspecified),
    ("isLoopback", "ip_is_loopback", "net.IP.() -> bool", lambda ip: ip.address.is_loopback),
    ("isLinkLocalMulticast", "ip_is_link_local_multicast", "net.IP.() -> bool", _is_multicast_link_local),
    (
        "isLinkLocalUnicast",
        "ip_is_link_local_unicast",
        "net.IP.() -> bool",
        lambda ip: ip.address.is_link_local,
    ),
    ("isGlobalUnicast", "ip_is_global_unicast", "net.IP.() -> bool", _is_global_unicast),
    ("cidr", "string_to_cidr", "(string) -> net.CIDR", parse_cidr),
    ("isCIDR", "is_cidr", "(string) -> bool", _sound(parse_cidr)),
    ("string", "cidr_to_string", "(net.CIDR) -> string", lambda cidr: str(cidr.block)),
    ("containsIP", "cidr_contains_ip_string", "net.CIDR.(string) -> bool", _contains_ip),
    ("containsIP", "cidr_contains_ip_ip", "net.CIDR.(net.IP) -> bool", _contains_ip),
    ("containsCIDR", "cidr_contains_cidr_string", "net.CIDR.(string) -> bool", _contains_cidr),
    ("containsCIDR", "cidr_contains_cidr", "net.CIDR.(net.CIDR) -> bool", _contains_cidr),
    ("ip", "cidr_ip", "net.CIDR.() -> net.IP", lambda cidr: Ip(cidr.block.ip)),
    (
        "masked",
        "cidr_masked",
        "net.CIDR.() -> net.CIDR",
        lambda cidr: Cidr(ipaddress.ip_interface(str(cidr.block.network))),
    ),
    ("prefixLength", "cidr_prefix_length", "net.CIDR.() -> int", lambda cidr: cidr.block.network.prefixlen),
)
