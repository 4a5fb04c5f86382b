"""What the kernel does with the table, in Python: the judge of tests without a kernel."""

import ipaddress

from pinnace.netpolicy.table import Element, Match, PolicyChain, ProfileChain, Table, Verdict
from unit.netpolicy.reference import Flow


def lets_pass(table: Table, flow: Flow) -> bool:
    if flow.source == flow.destination:
        return True
    return _judged(table, "egress", flow.source, flow.destination, flow) and _judged(
        table, "ingress", flow.destination, flow.source, flow
    )


def _judged(table: Table, direction: str, own: str, other: str, flow: Flow) -> bool:
    profile = table.entries.get(Verdict(direction, own))
    if profile is None:
        return True
    assert isinstance(profile, ProfileChain)
    assert profile in table.entries
    return any(
        _matches(table, match, other, flow)
        for policy in profile.policies
        for match in _chain(table, direction, policy)
    )


def _chain(table: Table, direction: str, policy: tuple[str, str]) -> tuple[Match, ...]:
    chain = table.entries[PolicyChain(direction, policy)]
    assert isinstance(chain, tuple)
    return chain


def _matches(table: Table, match: Match, other: str, flow: Flow) -> bool:
    if match.peers and Element(match.peers, other) not in table.entries:
        return False
    if match.blocks and not any(ipaddress.ip_address(other) in block for block in match.blocks):
        return False
    if match.protocol and match.protocol != flow.protocol.lower():
        return False
    if match.ports and not any(first <= flow.port <= last for first, last in match.ports):
        return False
    return not match.named or Element(match.named, flow.destination, flow.port) in table.entries
