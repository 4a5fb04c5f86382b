"""Ranges as flags give them: of addresses (one, or one of each family with a comma between, the first one the cluster's own), of ports. Pure."""

import ipaddress
from collections.abc import Iterable

from pinnace.cluster.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NODE_PREFIX = {4: 24, 6: 64}  # of one node's part, as upstream's node-ipam gives it


def networks(text: str) -> tuple[Network, ...]:
    """Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def checked(text: str, flag: str, longest: dict[int, int]) -> tuple[Network, ...]:
    """The ranges of a flag; `longest` is the longest prefix by family. Raises UsageError."""
    try:
        found = networks(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: {error}") from None
    if len(found) not in (1, 2) or len({network.version for network in found}) != len(found):
        raise UsageError(
            f"{flag} {text}: must be one range, or one of IPv4 and one of IPv6 with a comma between"
        )
    for network in found:
        if network.prefixlen > longest[network.version]:
            raise UsageError(f"{flag} {network} is too small: /{longest[network.version]} is the least")
    return found


def node_subnets(pod_cidr: str) -> tuple[Network, ...]:
    """The first part of each range of the pod network (all of it when it is smaller) is the first node's."""
    return tuple(_first(network) for network in networks(pod_cidr))


def _first(network: Network) -> Network:
    prefix = NODE_PREFIX[network.version]
    return ipaddress.ip_network((network.network_address, max(prefix, network.prefixlen)))


def of_version(found: Iterable[Network], version: int) -> Network | None:
    return next((network for network in found if network.version == version), None)


def is_within(part: Network, whole: Network) -> bool:
    """Also for two families, of which none has part of the other."""
    return part.version == whole.version and part.network_address in whole and part.broadcast_address in whole


def has_ipv6(text: str) -> bool:
    return ":" in text


def ports(text: str, flag: str) -> tuple[int, int]:
    """The first and the last of `30000-32767`, or of a single port. Raises UsageError."""
    low, _, high = text.strip().partition("-")
    try:
        first, last = int(low), int(high or low)
    except ValueError:
        raise UsageError(f"{flag} {text}: must be like 30000-32767, or a single port") from None
    if not 1 <= first <= last <= 65535:
        raise UsageError(f"{flag} {text}: must go up, and be between 1 and 65535")
    return first, last
