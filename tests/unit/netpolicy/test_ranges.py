"""Ranges with holes, against sets of addresses; and what a policy costs that is all holes."""

import ipaddress
import itertools

from hypothesis import given
from hypothesis import strategies as st

from pinnace.netpolicy import model, ranges

NETWORKS = st.tuples(st.integers(0, 255), st.integers(24, 32)).map(lambda n: f"10.0.0.{n[0]}/{n[1]}")


def addresses(text: str) -> set[int]:
    return set(map(int, ipaddress.ip_network(text, strict=False)))


def covered(found: list[ranges.Range]) -> set[int]:
    return {address for one in found for address in range(one.first, one.last + 1)}


@given(NETWORKS, st.lists(NETWORKS, max_size=6))
def test_holes_are_left_out_and_nothing_else(whole: str, holes: list[str]) -> None:
    wanted = addresses(whole).difference(*map(addresses, holes))
    assert covered(ranges.without(whole, holes)) == wanted


@given(st.lists(NETWORKS, max_size=8))
def test_joined_ranges_neither_overlap_nor_touch(texts: list[str]) -> None:
    found = list(ranges.joined([one for text in texts if (one := ranges.of(text))]))
    assert covered(found) == set().union(*map(addresses, texts))
    assert all(before.last + 1 < after.first for before, after in itertools.pairwise(found))


@given(NETWORKS)
def test_a_network_is_written_as_one(text: str) -> None:
    found = ranges.of(text)
    assert str(found) == str(ipaddress.ip_network(text, strict=False))


def test_a_policy_of_very_many_holes_is_as_many_ranges() -> None:
    """Cut into networks, 500 holes in ::/0 were 58,842 pieces and half a minute of every node's event loop."""
    holes = [f"{number:x}:1::1/128" for number in range(1, 20_001)]
    block = {"cidr": "::/0", "except": holes}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"ipBlock": block}]}]}
    made = model.policy({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})
    (rule,) = made.rules["ingress"]
    assert len(rule.blocks) == len(holes) + 1


def test_a_zone_is_no_address() -> None:
    """What a node writes into a pod's status becomes part of the other nodes' programs for the kernel."""
    status = {"phase": "Running", "podIPs": [{"ip": "fe80::1%x }\nflush ruleset\n"}, {"ip": "10.0.0.1"}]}
    found = model.pod(
        {"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": []}, "status": status}, "node"
    )
    assert found is not None
    assert found.ips == ("10.0.0.1",)
    assert ranges.of("fe80::1%x\n/64") is None
