import pytest

from pinnace.apiserver.registry.allocator import AddressPool, Full, PortPool, Reservation


def test_addresses_leave_out_network_and_broadcast() -> None:
    pool = AddressPool("10.0.0.0/29")
    taken = {pool.take_next() for _ in range(6)}
    assert taken == {f"10.0.0.{n}" for n in range(1, 7)}
    with pytest.raises(Full):
        pool.take_next()


def test_the_static_band_is_used_last() -> None:
    pool = AddressPool("10.0.0.0/24")
    first = [int(pool.take_next().rpartition(".")[2]) for _ in range(238)]
    assert min(first) > 16
    assert int(pool.take_next().rpartition(".")[2]) <= 16


def test_a_given_back_reservation_is_free_again() -> None:
    addresses, ports = AddressPool("10.0.0.0/24"), PortPool(30000, 30003)
    reservation = Reservation(addresses, ports)
    assert reservation.address("10.0.0.9")
    assert reservation.port(30001)
    assert not Reservation(addresses, ports).address("10.0.0.9")
    reservation.give_back()
    assert Reservation(addresses, ports).address("10.0.0.9")
    assert Reservation(addresses, ports).port(30001)


def test_what_belongs_to_a_range() -> None:
    assert AddressPool("10.0.0.0/24").contains("10.0.0.1")
    assert not AddressPool("10.0.0.0/24").contains("10.0.1.1")
    assert not AddressPool("10.0.0.0/24").contains("::1")
    assert PortPool(30000, 32767).contains(32767)
