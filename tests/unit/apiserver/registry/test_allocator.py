import ipaddress

from pinnace.apiserver.registry import allocator

SMALL, LARGE = ipaddress.ip_network("10.0.0.0/29"), ipaddress.ip_network("10.0.0.0/24")


def test_addresses_leave_out_network_and_broadcast() -> None:
    found = {str(address) for address in allocator.candidates(SMALL, lambda _: False)}
    assert found == {f"10.0.0.{n}" for n in range(1, 7)}


def test_the_static_band_is_used_last() -> None:
    last = [int(address) & 0xFF for address in allocator.candidates(LARGE, lambda _: False)]
    assert min(last[:238]) > 16
    assert sorted(last[238:]) == list(range(1, 17))


def test_taken_addresses_are_left_out() -> None:
    free = list(allocator.candidates(SMALL, lambda address: int(address) % 2 == 0))
    assert {str(address) for address in free} == {"10.0.0.1", "10.0.0.3", "10.0.0.5"}


def test_a_huge_network_is_not_walked_through() -> None:
    network = ipaddress.ip_network("fd00::/64")
    first = next(allocator.candidates(network, lambda _: False))
    assert first in network


def test_every_position_comes_once() -> None:
    assert sorted(allocator.positions(100, 16)) == list(range(100))
    assert list(allocator.positions(0, 0)) == []
    assert (allocator.static_ports(2768), allocator.static_ports(10)) == (86, 0)
