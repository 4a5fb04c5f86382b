"""Where nodes' name servers are, as the Service kube-dns is told."""

from typing import Any

import pytest

from pinnace.cluster import node_dns


def node(port: str = "53", cidr: str = "10.42.1.0/24") -> dict[str, Any]:
    spec = {"podCIDR": cidr, "podCIDRs": [cidr]} if cidr else {}
    return {"metadata": {"name": "n", "annotations": {node_dns.ANNOTATION: port}}, "spec": spec}


@pytest.mark.parametrize(
    "wrong",
    [
        node(""),
        node("0"),
        node("70000"),
        node("-1"),
        node("x"),
        node("²"),
        node("9" * 5000),
        node(cidr=""),
        None,
    ],
)
def test_a_node_that_says_nothing_usable_has_no_name_server(wrong: dict[str, Any] | None) -> None:
    assert node_dns.addresses(wrong) == {}


def test_the_address_is_the_subnets_and_only_the_port_is_the_nodes() -> None:
    assert node_dns.addresses(node("5353")) == {"IPv4": ("10.42.1.1", 5353)}


def test_every_node_is_pointed_at_its_own() -> None:
    made = node_dns.endpoint_slice("n", ("10.42.1.1", 53))
    (endpoint,) = made["endpoints"]
    assert (endpoint["addresses"], endpoint["nodeName"]) == (["10.42.1.1"], "n")
    assert endpoint["hints"] == {"forNodes": [{"name": "n"}]}
    assert [port["port"] for port in made["ports"]] == [53, 53]
