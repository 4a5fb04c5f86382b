"""The two families of addresses: their words in nftables and in EndpointSlices, and the one way an address gets into a rule. Pure.

Every address is parsed here, because it becomes part of a program for the kernel: what is not an address (or range) of the
family never reaches the rules, whoever wrote the object.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """`word` is nftables' name of family and header, `type` that of an address in sets."""

    version: int
    name: str  # as EndpointSlices and Services say
    word: str
    type: str
    loopback: str
    anything: str  # the unspecified address, which means every address of the node
    nobody: str  # a source that no packet has

    def address(self, text: object) -> str:
        """The address in its one written form; "" for what is none of this family."""
        if not isinstance(text, str) or "%" in text:  # a zone can hold any text
            return ""
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            return ""
        return str(found) if found.version == self.version else ""

    def addresses(self, texts: Iterable[object]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(found for text in texts if (found := self.address(text))))

    def ranges(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The ranges of this family, merged: nft refuses ranges that overlap."""
        found = []
        for text in texts:
            if "%" in text:
                continue
            try:
                network = ipaddress.ip_network(text.strip(), strict=False)
            except ValueError:
                continue
            if network.version == self.version:
                found.append(network)
        return tuple(map(str, ipaddress.collapse_addresses(found)))  # type: ignore[type-var]  # of one version

    def socket(self, address: str, port: int) -> str:
        return f"[{address}]:{port}" if self.version == 6 else f"{address}:{port}"


IPV4 = Family(4, "IPv4", "ip", "ipv4_addr", "127.0.0.0/8", "0.0.0.0", "255.255.255.255/32")
IPV6 = Family(6, "IPv6", "ip6", "ipv6_addr", "::1", "::", "ff02::ffff/128")
FAMILIES = {"IPv4": IPV4, "IPv6": IPV6}


def family_of(text: str) -> Family:
    """The family of an address or a range."""
    return IPV6 if ":" in text else IPV4
