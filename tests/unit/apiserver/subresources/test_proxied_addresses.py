"""Where a proxy may lead: to the network, and never to the server's own machine."""

import pytest

from pinnace.apimachinery import errors
from pinnace.apiserver.subresources.proxy import check_address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "169.254.169.254", "224.0.0.1", "::1", "::", "fe80::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "localhost", "127.1", "",
    ],
)  # fmt: skip
def test_the_servers_own_addresses_are_refused_however_they_are_written(address: str) -> None:
    with pytest.raises(errors.BadRequest, match="address not allowed"):
        check_address(address)


@pytest.mark.parametrize("address", ["10.42.0.5", "192.168.1.1", "fd00::5", "::ffff:10.42.0.5"])
def test_addresses_of_the_network_are_allowed(address: str) -> None:
    check_address(address)
