"""What a rule of a policy means for the table: the matches of its peers and ports, and the names of the sets that they look into. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from pinnace.netpolicy.model import EVERY_POD, INGRESS, Group, Pod, Policy, Port, Rule
from pinnace.netpolicy.table import Element, Match

Named = tuple[str, str]  # protocol, name of a port


def from_peers(rule: Rule, named: Named, target: Group) -> Iterator[Match]:
    """The port is one of the policy's own pods, whoever the peer is."""
    name = ports_set(addresses_of(target), named)
    if rule.groups is None:
        yield Match(protocol=named[0], named=name)
        return
    for group in rule.groups:
        yield Match(peers=addresses_of(group), protocol=named[0], named=name)
    if rule.blocks:
        yield Match(blocks=rule.blocks, protocol=named[0], named=name)


def to_peers(rule: Rule, named: Named) -> Iterator[Match]:
    """Who has the port is a peer already, except that a block asks for the address too."""
    for group in (EVERY_POD,) if rule.groups is None else rule.groups:
        yield Match(protocol=named[0], named=ports_set(addresses_of(group), named))
    if rule.blocks:
        yield Match(blocks=rule.blocks, protocol=named[0], named=ports_set(addresses_of(EVERY_POD), named))


def resolvers(policy: Policy, direction: str, rule: Rule) -> tuple[Group, ...]:
    """The pods whose named ports a rule means: of ingress the policy's own, of egress those that it lets them reach."""
    if direction == INGRESS:
        return (policy.target,)
    if rule.groups is None:
        return (EVERY_POD,)
    return (*rule.groups, EVERY_POD) if rule.blocks else rule.groups


def named_ports(ports: Iterable[Port] | None) -> list[Named]:
    return list(dict.fromkeys((port.protocol, port.name) for port in ports or () if port.name))


def numbered_ports(ports: Iterable[Port] | None) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """(protocol, ranges); ranges of () are all ports, and a protocol of "" is all of them."""
    if ports is None:
        yield "", ()
        return
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for port in ports:
        if not port.name:
            ranges[port.protocol].append((port.first, port.last))
    for protocol, found in ranges.items():
        whole = any(first == 0 for first, _ in found)
        yield protocol, () if whole else tuple(_joined(found))


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps, which an interval set of the kernel refuses."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def port_elements(set_name: str, named: Named, pod: Pod) -> Iterator[Element]:
    numbers = dict.fromkeys(number for protocol, name, number in pod.ports if (protocol, name) == named)
    return (Element(set_name, ip, number) for ip in pod.ips for number in numbers)


def addresses_of(group: Group) -> str:
    return f"pods-{_digest(group)}"


def ports_set(addresses: str, named: Named) -> str:
    """The set of a named port, by the name of the group's set of addresses."""
    return f"{addresses}-{named[0]}-{named[1]}"


def _digest(group: Group) -> str:
    """Of what the group says, so that it is the same in every process."""
    said = [
        group.namespace,
        *(f"{r.key} {r.operator} {sorted(r.values)}" for r in group.namespaces.requirements),
    ]
    said += ["pods", *(f"{r.key} {r.operator} {sorted(r.values)}" for r in group.pods.requirements)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]
