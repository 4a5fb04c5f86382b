"""Two nodes that say the same: who has the subnet, and that one bad Node object stands in nobody else's way."""

from ipaddress import IPv4Network, ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from pinnace.api import meta
from pinnace.cluster import network, routes
from pinnace.cluster.network import NetworkError
from pinnace.cluster.pod_network import PodNetwork
from pinnace.cluster.subnet_claims import SubnetClaims
from pinnace.component.clock import RealClock
from pinnace.testing.fake_client import FakeClient

from .test_routes import LINKS, node

A, B, WIDE = IPv4Network("10.42.1.0/24"), IPv4Network("10.42.2.0/24"), IPv4Network("10.42.0.0/16")


def test_the_older_node_has_the_subnet_and_who_waited_gets_it() -> None:
    claims = SubnetClaims()
    assert claims.put("old", A, "2026-01-01") == set()
    assert claims.put("new", A, "2026-01-02") == {"old"}
    assert (claims.holder("old"), claims.holder("new")) == ("old", "old")
    assert claims.put("old", B, "2026-01-01") == {"new"}
    assert (claims.holder("old"), claims.holder("new")) == ("old", "new")
    assert claims.put("new", None, "") == set()
    assert claims.holder("new") == ""


def test_a_wider_subnet_is_the_same() -> None:
    claims = SubnetClaims()
    claims.put("a", A, "2026-01-01")
    claims.put("b", B, "2026-01-01")
    assert claims.put("thief", WIDE, "2026-01-02") == {"a", "b"}
    assert [claims.holder(name) for name in ("a", "b", "thief")] == ["a", "b", "a"]
    assert claims.put("thief", None, "") == {"a", "b"}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", ""])
def test_there_is_no_way_to_where_no_machine_can_be(address: str) -> None:
    assert routes.peer(node("n", address, "10.42.2.0/24")) is None


def test_an_address_without_type_is_none() -> None:
    made = node("n", "192.168.1.7", "10.42.2.0/24")
    made["status"]["addresses"] = [{}, {"address": "10.0.0.1"}, {"type": "InternalIP"}]
    assert routes.peer(made) is None


def pod_network(*nodes: dict[str, Any]) -> PodNetwork:
    here: Any = SimpleNamespace(
        clock=RealClock(), told=None, ca="", subnets=(IPv4Network("10.42.0.0/24"), ip_network("fd42::/64")),
        config=SimpleNamespace(node_name="here", pod_cidr="10.42.0.0/16,fd42::/56"),
        names=SimpleNamespace(overlay="vx", bridge="br"),
    )  # fmt: skip
    here.told = SimpleNamespace(set=lambda: None)
    made = PodNetwork(here, FakeClient())
    for one in nodes:
        made._nodes.lister._objects[meta.key(one)] = one
        made._node_changed(None, one)
    return made


def created(made: dict[str, Any], when: str) -> dict[str, Any]:
    made["metadata"]["creationTimestamp"] = when
    return made


def test_a_node_takes_no_packets_of_others() -> None:
    """It may write any subnet into its own Node object: all the world's, this node's, another's."""
    made = pod_network(
        created(node("old", "192.168.1.7", "10.42.2.0/24"), "2026-01-01"),
        created(node("thief", "192.168.1.9", "10.42.2.0/24"), "2026-01-02"),
        created(node("world", "192.168.1.9", "0.0.0.0/0"), "2026-01-02"),
        created(node("services", "192.168.1.9", "10.43.0.0/24"), "2026-01-02"),
        created(node("ours", "192.168.1.9", "10.42.0.0/25"), "2025-01-02"),
    )
    assert made._way("old", 4, LINKS) is not None
    assert [made._way(name, 4, LINKS) for name in ("thief", "world", "services", "ours")] == [None] * 4


def test_a_node_takes_no_packets_of_others_in_the_second_family() -> None:
    four = ("10.42.2.0/24", "10.42.3.0/24", "10.42.4.0/24")
    made = pod_network(
        created(node("old", "192.168.1.7", four[0], "fd42:0:0:2::/64"), "2026-01-01"),
        created(node("thief", "192.168.1.9", four[1], "fd42:0:0:2::/64"), "2026-01-02"),
        created(node("world", "192.168.1.9", four[2], "::/0"), "2026-01-02"),
    )
    assert [made._way(name, 6, LINKS) is not None for name in ("old", "thief", "world")] == [
        True,
        False,
        False,
    ]
    assert made._way("thief", 4, LINKS) is not None


async def test_a_way_that_the_kernel_refuses_is_in_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    async def run(*command: str, stdin: str | None = None) -> str:
        if "192.168.1.255" in (stdin or ""):
            raise NetworkError("Error: Nexthop has invalid gateway.")
        ran.extend((stdin or "").splitlines())
        return ""

    monkeypatch.setattr(network, "run", run)
    nodes = [node(f"n{number}", f"192.168.1.{number}", f"10.42.{number}.0/24") for number in (5, 6, 255, 7)]
    made = pod_network(*nodes)
    names = ("n5", "n6", "n255", "n7")
    ways = {(name, 4): way for name in names if (way := made._way(name, 4, LINKS))}
    failed = await made._carry_out([], ways)
    assert failed == {("n255", 4): "Error: Nexthop has invalid gateway."}
    assert {line.split()[4] for line in ran} == {"192.168.1.5", "192.168.1.6", "192.168.1.7"}
