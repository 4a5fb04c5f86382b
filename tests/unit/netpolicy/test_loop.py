"""The loop with a recording `nft`: when there is a table at all, what a change costs, and what a new pod waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pinnace.api.resources import NETWORK_POLICIES, PODS
from pinnace.component.clock import RealClock
from pinnace.component.nftables import NftError
from pinnace.netpolicy.loop import NetworkPolicies, NetworkPolicyConfig
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.wait import eventually
from unit.netpolicy.test_enforcement import NODE, pod, policy

Object = dict[str, Any]


class RecordingNft:
    def __init__(self) -> None:
        self.given: list[str] = []
        self.is_free = asyncio.Event()
        self.is_free.set()
        self.refusals = 0

    async def apply(self, transaction: str) -> None:
        await self.is_free.wait()
        if self.refusals:
            self.refusals -= 1
            raise NftError("no")
        self.given.append(transaction)

    async def delete(self, *tables: str) -> None:
        self.given.append("delete")


@asynccontextmanager
async def running(client: FakeClient) -> AsyncIterator[tuple[NetworkPolicies, RecordingNft]]:
    made, nft = NetworkPolicies(client, RealClock(), NetworkPolicyConfig(NODE)), RecordingNft()
    made._nft = nft  # type: ignore[assignment]  # the kernel's place
    task = asyncio.create_task(made.run())
    try:
        yield made, nft
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def web(name: str = "web", ip: str = "10.42.0.2") -> Object:
    return {"apiVersion": "v1", "kind": "Pod", **pod(name, ip, app="web")}


def closed(name: str = "p") -> Object:
    return {
        **policy(name, policyTypes=["Ingress"]),
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
    }


async def test_without_policies_there_is_no_table_and_nobody_waits() -> None:
    async with running(FakeClient([web()])) as (policies, nft):
        await policies.admit(web(), ["10.42.0.2"])
        assert nft.given == ["delete"], "what an earlier process may have left"


async def test_the_table_comes_with_the_first_policy_and_goes_with_the_last() -> None:
    client = FakeClient([web()])
    async with running(client) as (_, nft):
        await eventually(lambda: nft.given == ["delete"])
        await client.create(NETWORK_POLICIES, closed(), "a")
        await eventually(lambda: len(nft.given) == 2)
        assert "10.42.0.2 : goto ingress-pods" in nft.given[1]
        await client.delete(NETWORK_POLICIES, "p", "a")
        await eventually(lambda: nft.given[2:] == ["delete"])
        await client.create(NETWORK_POLICIES, closed(), "a")
        await eventually(lambda: len(nft.given) == 4)
        assert "10.42.0.2 : goto ingress-pods" in nft.given[3]


async def test_a_new_pod_waits_until_its_rules_are_in_the_kernel() -> None:
    client = FakeClient([closed(), web()])
    async with running(client) as (policies, nft):
        await eventually(lambda: len(nft.given) == 1)
        nft.is_free.clear()
        new = web("new", "")
        new["metadata"]["uid"] = "u"
        await client.create(PODS, new, "a")
        waiting = asyncio.create_task(policies.admit(new, ["10.42.0.9"]))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        nft.is_free.set()
        await waiting
        assert "10.42.0.9 : goto ingress-pods" in nft.given[-1]
        told = len(nft.given)
        await policies.admit(new, ["10.42.0.9"])
        assert len(nft.given) == told, "a container that is started again costs nothing"


async def test_a_new_sandbox_counts_before_the_status_says_so() -> None:
    client = FakeClient([closed(), web()])
    async with running(client) as (policies, nft):
        await eventually(lambda: len(nft.given) == 1)
        known = await client.get(PODS, "web", "a")
        await policies.admit(known, ["10.42.0.7"])
        assert "10.42.0.7 : goto ingress-pods" in nft.given[-1]
        await client.patch(PODS, "web", {"metadata": {"labels": {"x": "y"}}}, "a")
        await policies.admit(await client.get(PODS, "web", "a"), ["10.42.0.7"])
        assert "10.42.0.2 :" not in nft.given[-1]


async def test_a_refused_transaction_is_followed_by_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnace.netpolicy.loop.RETRY_SECONDS", 0.01)
    client = FakeClient([closed(), web()])
    async with running(client) as (_, nft):
        await eventually(lambda: len(nft.given) == 1)
        nft.refusals = 1
        await client.create(PODS, web("new", "10.42.0.9"), "a")
        await eventually(lambda: len(nft.given) == 2)
        assert "delete table" in nft.given[1]
        assert "10.42.0.9 : goto" in nft.given[1]
        assert "10.42.0.2 : goto" in nft.given[1]


async def test_what_somebody_else_did_to_the_table_is_undone() -> None:
    async with running(FakeClient([closed(), web()])) as (policies, nft):
        await eventually(lambda: len(nft.given) == 1)
        policies._on_foreign_change()
        await eventually(lambda: len(nft.given) == 2)
        assert nft.given[1] == nft.given[0]


async def test_a_pod_from_a_file_does_not_wait_for_the_api_and_others_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pinnace.netpolicy.loop.ADMISSION_SECONDS", 0.01)
    policies = NetworkPolicies(FakeClient(), RealClock(), NetworkPolicyConfig(NODE))
    static = web()
    static["metadata"]["annotations"] = {"kubernetes.io/config.source": "file"}
    await policies.admit(static, ["10.42.0.2"])
    with pytest.raises(TimeoutError):
        await policies.admit(web(), ["10.42.0.2"])
