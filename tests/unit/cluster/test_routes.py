"""Which way packets for other nodes' pods go, and what the kernel's messages say about it."""

import ipaddress
from typing import Any

from pinnace.cluster import route_events, routes
from pinnace.component import netlink

SHOWN: list[dict[str, Any]] = [
    {"ifname": "lo", "ifindex": 1, "mtu": 65536, "flags": ["LOOPBACK", "UP"],
     "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8},
                   {"family": "inet6", "local": "::1", "prefixlen": 128, "scope": "host"}]},
    {"ifname": "eth0", "ifindex": 2, "mtu": 1500, "flags": ["UP"],
     "addr_info": [{"family": "inet", "local": "192.168.1.1", "prefixlen": 24}, {"family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "scope": "global"},
                   {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"}]},
    {"ifname": "down0", "ifindex": 3, "mtu": 1500, "flags": [], "addr_info": [{"family": "inet", "local": "172.16.0.1", "prefixlen": 16}]},
]  # fmt: skip
LINKS = routes.links(SHOWN)


def node(name: str, address: str, *cidrs: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {},
        "status": {"addresses": [{"type": "Hostname", "address": name}, *({"type": "InternalIP", "address": one} for one in (address, *more))]},
    }  # fmt: skip


def peer(address: str, subnet: str = "10.42.2.0/24") -> routes.Peer:
    found = routes.peer(node("n", address, subnet))
    assert found is not None
    return found


def way(to: routes.Peer) -> routes.Way:
    found = routes.way(to, LINKS, "vx")
    assert found is not None
    return found


def test_only_links_that_are_up_count_and_addresses_that_others_reach() -> None:
    assert [link.name for link in LINKS] == ["lo", "eth0"]
    assert [str(one) for link in LINKS for one in link.addresses] == [
        "127.0.0.1/8",
        "192.168.1.1/24",
        "2001:db8::1/64",
    ]


def test_a_node_on_our_link_is_reached_straight() -> None:
    found = way(peer("192.168.1.7"))
    assert found.add == ("route replace 10.42.2.0/24 via 192.168.1.7 dev eth0 proto 142",)
    assert not found.forward
    assert not found.overhead


def test_a_node_elsewhere_is_reached_through_the_overlay() -> None:
    found = way(peer("172.16.0.9"))  # the link of its network is down
    assert found.add == (
        "neigh replace 10.42.2.0 dev vx lladdr 0a:58:0a:2a:02:00 nud permanent",
        "route replace 10.42.2.0/24 via 10.42.2.0 dev vx proto 142 onlink",
    )
    assert found.forward == "0a:58:0a:2a:02:00 dev vx dst 172.16.0.9"


def test_a_node_without_subnet_or_address_has_no_way_yet() -> None:
    assert routes.peer(node("n", "192.168.1.7")) is None
    assert routes.peer({"metadata": {"name": "n"}, "spec": {"podCIDR": "10.42.1.0/24"}}) is None
    assert routes.peer(None) is None
    assert routes.peer(node("n", "192.168.1.7", "nonsense")) is None


SIX = "fd42:0:0:2::/64"


def test_pods_of_ipv6_are_reached_by_the_node_s_address_of_ipv6_on_our_link() -> None:
    both = node("n", "192.168.1.7", "10.42.2.0/24", SIX, more=("2001:db8::7",))
    four, six = routes.peer(both, 4), routes.peer(both, 6)
    assert four is not None
    assert six is not None
    assert way(four).add == ("route replace 10.42.2.0/24 via 192.168.1.7 dev eth0 proto 142",)
    assert way(six).add == (f"route replace {SIX} via 2001:db8::7 dev eth0 proto 142",)


def test_pods_of_ipv6_share_the_overlay_where_their_node_has_no_address_of_ipv6_that_others_reach() -> None:
    for more in (
        (),
        ("fd42:0:0:2::1",),
        ("fe80::7",),
        ("::1",),
    ):  # none, its bridge's, one that means nothing elsewhere
        six = routes.peer(node("n", "192.168.1.7", "10.42.2.0/24", SIX, more=more), 6)
        assert six is not None
        found = way(six)
        assert found.add == (
            "neigh replace fe80::858:aff:fe2a:200 dev vx lladdr 0a:58:0a:2a:02:00 nud permanent",
            f"route replace {SIX} via fe80::858:aff:fe2a:200 dev vx proto 142 onlink",
        )
        assert found.forward == "0a:58:0a:2a:02:00 dev vx dst 192.168.1.7"
        assert found.overhead == 50


def test_the_overlay_of_a_cluster_without_ipv4_runs_over_ipv6() -> None:
    found = routes.peer(node("n", "2001:db8:9::7", SIX), 6)
    assert found is not None
    assert way(found).forward == "0a:58:00:00:00:02 dev vx dst 2001:db8:9::7"
    assert way(found).overhead == 70
    assert routes.peer(node("n", "2001:db8:9::7", SIX), 4) is None


def test_without_any_end_there_is_no_way() -> None:
    found = routes.peer(
        node("n", "2001:db8:9::7", "10.42.2.0/24", SIX), 6
    )  # no address of IPv4 for the overlay
    assert found is not None
    assert routes.way(found, LINKS, "vx") is None
    assert routes.peer(node("n", "2001:db8:9::7", "10.42.2.0/24", SIX), 4) is None


def test_pods_leave_room_for_the_overlay_where_there_is_one() -> None:
    direct = [way(peer("192.168.1.7"))]
    both = [*direct, way(peer("8.8.8.8"))]
    link = routes.link_of("192.168.1.1", LINKS)
    assert routes.pod_mtu(link, direct) == 1500
    assert routes.pod_mtu(link, both) == 1450
    assert routes.pod_mtu(None, both) == 0
    assert routes.pod_mtu(routes.link_of("127.0.0.1", LINKS), direct) == 0


def test_clusters_have_overlays_of_their_own() -> None:
    assert routes.overlay_id("one") != routes.overlay_id("other")
    assert 0 < routes.overlay_id("one") < 1 << 24


def test_the_narrowest_network_of_several_decides() -> None:
    wide = routes.Link("wide", 7, 1500, (ipaddress.IPv4Interface("192.168.0.1/16"),))
    found = routes.link_towards(ipaddress.IPv4Address("192.168.1.7"), [wide, *LINKS])
    assert found is not None
    assert found.name == "eth0"


def message(kind: int, body: bytes) -> bytes:
    length = netlink.HEADER.size + len(body)
    return netlink.HEADER.pack(length, kind, 0, 0, 0) + body + b"\0" * (-length % 4)


def test_kernel_messages_concern_us_when_they_are_about_our_links_and_routes() -> None:
    changes = route_events.RouteEvents(142, lambda: None)
    changes.watch_links({2})

    def concerns(kind: int, body: bytes) -> bool:
        (found,) = netlink.messages(message(kind, body))
        return changes.concerns(*found)

    up, down = (route_events.LINK.pack(0, 0, 2, flags, 0) for flags in (0x1043, 0x1002))
    assert concerns(route_events.NEW_LINK, up)
    assert not concerns(route_events.NEW_LINK, up)  # the kernel repeats itself
    assert concerns(route_events.NEW_LINK, down)
    assert not concerns(route_events.NEW_LINK, route_events.LINK.pack(0, 0, 9, 1, 0))  # a pod's link
    assert concerns(route_events.DELETE_LINK, down)
    assert concerns(
        route_events.DELETE_ROUTE, route_events.ROUTE_MESSAGE.pack(2, 24, 0, 0, 254, 142, 0, 1, 0)
    )
    assert not concerns(
        route_events.DELETE_ROUTE, route_events.ROUTE_MESSAGE.pack(2, 24, 0, 0, 254, 3, 0, 1, 0)
    )
    assert concerns(route_events.NEW_ADDRESS, route_events.ADDRESS.pack(2, 24, 0, 0, 2))
    assert not concerns(route_events.NEW_ADDRESS, b"")
