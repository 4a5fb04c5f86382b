"""The proxy's loop with a recording `nft`: what it asks the kernel for when Services overlap or nft refuses."""

import asyncio
from collections.abc import Callable

import pytest

from pinnace.component.nftables import NftError
from pinnace.proxy.loop import ProxyConfig, ServiceProxy
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.proxy.test_rules import endpoint, piece, service


class RecordingNft:
    def __init__(self) -> None:
        self.given: list[str] = []
        self.then: Callable[[], None] = lambda: None
        self.refuses = False

    async def apply(self, transaction: str) -> None:
        if self.refuses:
            self.refuses = False
            raise NftError("no")
        self.given.append(transaction)
        then, self.then = self.then, lambda: None
        then()


@pytest.fixture
def proxy() -> ServiceProxy:
    made = ServiceProxy(FakeClient(), FakeClock(), ProxyConfig("n1"))
    made._nft = RecordingNft()  # type: ignore[assignment]  # the kernel's place
    return made


def show(proxy: ServiceProxy, name: str, cluster_ip: str) -> None:
    """A Service and its slice appear in the proxy's caches."""
    made = service(clusterIP=cluster_ip, clusterIPs=[cluster_ip], externalIPs=["203.0.113.7"])
    made["metadata"]["name"] = name
    slice_ = piece(endpoint("10.42.0.5"))
    slice_["metadata"] = {"namespace": "shop", "name": name, "labels": {"kubernetes.io/service-name": name}}
    proxy._services.lister.put(made)
    proxy._slices.lister.put(slice_)
    proxy._mark(("service", "shop", name))


async def test_two_services_with_one_external_address(proxy: ServiceProxy) -> None:
    nft = proxy._nft
    assert isinstance(nft, RecordingNft)
    show(proxy, "a", "10.43.0.7")
    await proxy.sync()
    show(proxy, "b", "10.43.0.8")
    await proxy.sync()
    assert "203.0.113.7" not in nft.given[-1]
    proxy._services.lister._store(("shop", "a"), None)
    proxy._mark(("service", "shop", "a"))
    await proxy.sync()
    lines = [line for line in nft.given[-1].splitlines() if "203.0.113.7" in line]
    assert [line.split()[0] for line in lines] == ["delete", "add"]
    assert "shop/b" in lines[1]


async def test_a_refused_transaction_is_followed_by_the_whole_table(proxy: ServiceProxy) -> None:
    nft = proxy._nft
    assert isinstance(nft, RecordingNft)
    show(proxy, "a", "10.43.0.7")
    await proxy.sync()
    nft.refuses = True
    show(proxy, "b", "10.43.0.8")
    task = asyncio.create_task(proxy.sync())
    await proxy._clock.advance(2.0)  # type: ignore[attr-defined]  # the fake clock
    await task
    await proxy.sync()
    assert nft.given[-1].startswith("add table")
    assert {"10.43.0.7", "10.43.0.8"} <= {word for word in nft.given[-1].split() if word.startswith("10.43.")}


async def test_tables_that_somebody_changes_are_built_anew_ever_more_seldom(proxy: ServiceProxy) -> None:
    nft, clock = proxy._nft, proxy._clock
    assert isinstance(nft, RecordingNft)
    assert isinstance(clock, FakeClock)
    show(proxy, "a", "10.43.0.7")
    await proxy.sync()
    pauses = []
    for _ in range(3):
        proxy._on_foreign_change()
        begun, built = clock.monotonic(), len(nft.given)
        task = asyncio.create_task(proxy.sync())
        while len(nft.given) == built:
            await clock.advance(0.5)
        await task
        assert nft.given[-1].startswith("add table")
        assert "10.43.0.7" in nft.given[-1]
        pauses.append(clock.monotonic() - begun)
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]
    await clock.advance(600)
    proxy._on_foreign_change()
    begun = clock.monotonic()
    await proxy.sync()
    assert clock.monotonic() == begun  # after a quiet time at once


async def test_a_change_while_the_tables_are_built_is_not_overlooked(proxy: ServiceProxy) -> None:
    """Between the end of our transaction and our hearing of it."""
    show(proxy, "a", "10.43.0.7")
    nft = proxy._nft
    assert isinstance(nft, RecordingNft)
    nft.then = proxy._on_foreign_change
    await proxy.sync()
    assert proxy._wake.is_set()
    await proxy._clock.advance(60)  # type: ignore[attr-defined]  # the fake clock
    await proxy.sync()
    assert [text.startswith("add table") for text in nft.given] == [True, True]


async def test_a_change_during_a_small_transaction_of_ours_is_not_overlooked_either(
    proxy: ServiceProxy,
) -> None:
    nft = proxy._nft
    assert isinstance(nft, RecordingNft)
    show(proxy, "a", "10.43.0.7")
    await proxy.sync()
    show(proxy, "b", "10.43.0.8")
    nft.then = proxy._on_foreign_change
    await proxy.sync()
    assert proxy._wake.is_set()
    await proxy._clock.advance(60)  # type: ignore[attr-defined]  # the fake clock
    await proxy.sync()
    assert [text.startswith("add table") for text in nft.given] == [True, False, True]


async def test_one_transaction_for_both_families() -> None:
    both = ServiceProxy(FakeClient(), FakeClock(), ProxyConfig("n1", ("10.42.0.0/16", "fd42::/56")))
    both._nft = nft = RecordingNft()  # type: ignore[assignment]  # the kernel's place
    show(both, "a", "10.43.0.7")
    await both.sync()
    (text,) = nft.given
    assert "table ip pinnace {" in text
    assert "table ip6 pinnace {" in text
    show(both, "b", "fd43::8")
    await both.sync()
    assert {line.split()[2] for line in nft.given[-1].splitlines()} == {"ip6"}
