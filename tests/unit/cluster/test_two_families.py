"""Ranges of two families: what the flags may say, and what follows from them."""

import pytest

from pinnace.cluster import address_ranges, decide, node_dns, preflight, routes
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.errors import UsageError

BOTH = {"pod_cidr": "10.42.0.0/16,fd42::/56", "service_cidr": "10.43.0.0/16,fd43::/112"}


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "port_is_free", lambda port, address="0.0.0.0": True)
    monkeypatch.setattr(decide, "running_records", list)


def settled(**fields: str) -> ClusterConfig:
    config = ClusterConfig(**fields)
    decide.settle(config)
    return config


def test_the_name_server_has_the_tenth_address_of_each_service_range() -> None:
    assert settled(**BOTH).dns_ip == "10.43.0.10,fd43::a"
    assert settled(pod_cidr="fd42::/56", service_cidr="fd43::/112").dns_ip == "fd43::a"
    assert settled(**BOTH, dns_ip="fd43::53").dns_ip == "fd43::53"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pod_cidr": "10.42.0.0/16"}, "must have ranges of the same families in the same order"),
        ({"pod_cidr": "fd42::/56,10.42.0.0/16"}, "must have ranges of the same families in the same order"),
        ({"pod_cidr": "10.42.0.0/16,10.44.0.0/16"}, "must be one range, or one of IPv4 and one of IPv6"),
        (
            {"pod_cidr": "10.42.0.0/16,fd42::/56,fd44::/56"},
            "must be one range, or one of IPv4 and one of IPv6",
        ),
        ({"pod_cidr": "10.42.0.0/16,fd43::/56"}, "overlap"),
        ({"service_cidr": "10.43.0.0/16,fd43::/126"}, "fd43::/126 is too small: /124 is the least"),
        ({"service_cidr": "10.43.0.0/16,fd43::1/112"}, "has host bits set"),
        ({"dns_ip": "10.43.0.10,fd44::a"}, "fd44::a is not in the service network"),
    ],
)
def test_ranges_that_cannot_be_are_refused(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settled(**{**BOTH, **wrong})


def test_a_node_gets_a_part_of_each_range() -> None:
    assert [str(n) for n in address_ranges.node_subnets(BOTH["pod_cidr"])] == ["10.42.0.0/24", "fd42::/64"]
    assert [str(n) for n in address_ranges.node_subnets("10.42.0.0/28")] == ["10.42.0.0/28"]


def test_ranges_of_other_clusters_of_two_families_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"name": "x", "podCIDR": "10.42.0.0/16,fd42::/56", "serviceCIDR": "10.43.0.0/16,fd43::/112"}
    monkeypatch.setattr(decide, "running_records", lambda: [other])
    assert settled().pod_cidr not in ("10.42.0.0/16", "10.43.0.0/16")


def test_the_node_has_an_address_of_each_family_of_its_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "node_address", lambda: "192.0.2.7")
    monkeypatch.setattr(decide, "_node_address6", lambda: "2001:db8::7")
    assert decide.node_addresses(settled(**BOTH)) == ("192.0.2.7", "2001:db8::7")
    assert decide.node_addresses(settled(pod_cidr="fd42::/56", service_cidr="fd43::/112")) == ("2001:db8::7",)
    assert decide.node_addresses(settled(node_ip="192.0.2.9")) == ("192.0.2.9",)
    monkeypatch.setattr(decide, "_node_address6", lambda: "")
    assert decide.node_addresses(settled(**BOTH)) == ("192.0.2.7", "fd42::1")  # that of the bridge
    assert decide.own_addresses(BOTH["pod_cidr"]) == (
        "192.0.2.7",
        "",
    )  # of an agent, whose bridge is not there yet
    assert decide.own_addresses("fd42::/56,10.42.0.0/16", "2001:db8::9") == ("2001:db8::9", "192.0.2.7")


def test_a_name_server_is_told_of_in_each_family() -> None:
    node = {
        "metadata": {"name": "n1", "annotations": {node_dns.ANNOTATION: "53"}},
        "spec": {"podCIDRs": ["10.42.1.0/24", "fd42:0:0:1::/64"]},
    }
    assert node_dns.addresses(node) == {"IPv4": ("10.42.1.1", 53), "IPv6": ("fd42:0:0:1::1", 53)}
    assert node_dns.addresses({**node, "metadata": {"name": "n1"}}) == {}
    assert [subnet.version for subnet in routes.own_subnets(node)] == [4, 6]
    six = node_dns.endpoint_slice("n1", ("fd42::1", 53), "IPv6")
    assert (six["addressType"], six["metadata"]["name"]) == ("IPv6", "kube-dns-n1.ipv6")
    assert node_dns.service(["10.43.0.10", "fd43::a"])["spec"]["ipFamilyPolicy"] == "RequireDualStack"
