"""Claims that cannot be written: devices are given back, the pod is told and tried again."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import EVENTS, PODS, RESOURCE_CLAIMS
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Object
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import node, pod

GROUP, DRIVER = "resource.k8s.io/v1", "d.example.com"
Refuse = Callable[[GVR, str], Exception | None]


class Refusing(FakeClient):
    """Refuses writes that `refuse(resource, subresource)` has an error for."""

    refuse: Refuse = staticmethod(lambda gvr, subresource: None)

    def _check(self, gvr: GVR, subresource: str) -> None:
        error = self.refuse(gvr, subresource)
        if error is not None:
            raise error

    async def update(self, gvr: GVR, body: Object, *, subresource: str = "", **more: Any) -> Object:
        self._check(gvr, subresource)
        return await super().update(gvr, body, subresource=subresource, **more)

    async def create(
        self, gvr: GVR, body: Object, namespace: str | None = None, *, subresource: str = "", **more: Any
    ) -> Object:
        self._check(gvr, subresource)
        return await super().create(gvr, body, namespace, subresource=subresource, **more)


def claim(name: str = "c") -> Object:
    asked = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}
    return {
        "apiVersion": GROUP,
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"devices": {"requests": [{"name": "r", "exactly": asked}]}},
    }


def world(*more: Object) -> list[Object]:
    spec = {
        "driver": DRIVER,
        "nodeName": "n1",
        "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "a"}],
    }
    return [
        node("n1"),
        {"apiVersion": GROUP, "kind": "ResourceSlice", "metadata": {"name": "s"}, "spec": spec},
        {"apiVersion": GROUP, "kind": "DeviceClass", "metadata": {"name": "gpu"}, "spec": {}},
        *more,
    ]


def user(name: str, claim_name: str = "c") -> Object:
    return pod(name, resourceClaims=[{"name": "gpu", "resourceClaimName": claim_name}])


@asynccontextmanager
async def running(client: FakeClient, clock: FakeClock) -> AsyncGenerator[Scheduler, None]:
    scheduler = Scheduler(client, clock, SchedulerConfig(seed=1))
    task = asyncio.create_task(scheduler.run())
    await clock.advance(0.1)
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def node_of(client: FakeClient, name: str) -> str:
    found: str = (await client.get(PODS, name, "default"))["spec"].get("nodeName", "")
    return found


async def reserved(client: FakeClient, name: str = "c") -> list[str]:
    status = (await client.get(RESOURCE_CLAIMS, name, "default")).get("status") or {}
    return [one["name"] for one in status.get("reservedFor") or ()]


async def messages(client: FakeClient) -> list[str]:
    return [event["message"] for event in (await client.list(EVENTS))["items"]]


async def test_allocated_reserved_and_bound_in_this_order() -> None:
    client, clock = FakeClient(world(claim(), user("p"))), FakeClock()
    async with running(client, clock):
        assert await node_of(client, "p") == "n1"
        assert await reserved(client) == ["p"]
    writes = [
        (verb, resource) for verb, resource, _, _ in client.calls if resource in ("resourceclaims", "pods")
    ]
    assert [resource for _, resource in writes[:3]] == ["resourceclaims", "resourceclaims", "pods"]


async def test_a_claim_that_cannot_be_written_gives_its_device_back() -> None:
    client, clock = Refusing(world(claim(), claim("other"), user("p"))), FakeClock()
    client.refuse = lambda gvr, sub: (
        errors.InternalError("no space left") if gvr == RESOURCE_CLAIMS and sub else None
    )
    async with running(client, clock):
        assert await node_of(client, "p") == ""
        assert 'running PreBind plugin "DynamicResources": no space left' in await messages(client)
        client.refuse = lambda gvr, sub: None
        await client.create(PODS, user("q", "other"), "default")
        await client.delete(PODS, "p", "default")
        await clock.advance(15)
        assert await node_of(client, "q") == "n1"


async def test_a_pod_that_cannot_be_bound_loses_its_reservation_and_keeps_trying() -> None:
    client, clock = Refusing(world(claim(), user("p"))), FakeClock()
    client.refuse = lambda gvr, sub: errors.InternalError("not now") if sub == "binding" else None
    async with running(client, clock):
        assert await node_of(client, "p") == ""
        assert await reserved(client) == []
        client.refuse = lambda gvr, sub: None
        await clock.advance(15)
        assert await node_of(client, "p") == "n1"
        assert await reserved(client) == ["p"]


async def test_a_conflict_is_tried_again_with_the_stored_claim() -> None:
    client, clock = Refusing(world(claim(), user("p"))), FakeClock()
    left = [errors.Conflict("changed meanwhile")]
    client.refuse = lambda gvr, sub: left.pop() if left and gvr == RESOURCE_CLAIMS and sub else None
    async with running(client, clock):
        assert await node_of(client, "p") == "n1"
        assert await reserved(client) == ["p"]
    assert not left


async def test_somebody_elses_allocation_is_not_overwritten() -> None:
    client, clock = Refusing(world(claim(), user("p"))), FakeClock()
    result = {"request": "r", "driver": DRIVER, "pool": "p", "device": "a"}
    theirs = {"devices": {"results": [result]}}
    done: list[bool] = []

    def refuse(gvr: GVR, sub: str) -> Exception | None:
        if gvr != RESOURCE_CLAIMS or not sub or done:
            return None
        done.append(True)
        key = (RESOURCE_CLAIMS, "default", "c")
        client._put(
            RESOURCE_CLAIMS,
            {**meta.mutable_copy(client._objects[key]), "status": {"allocation": theirs}},
            "MODIFIED",
        )
        return errors.Conflict("changed meanwhile")

    client.refuse = refuse
    async with running(client, clock):
        told = [text for text in await messages(client) if "got allocated elsewhere in the meantime" in text]
        assert told
        await clock.advance(15)
        assert await node_of(client, "p") == "n1"
        stored = await client.get(RESOURCE_CLAIMS, "c", "default")
        assert stored["status"]["allocation"] == theirs
        assert meta.name(stored) == "c"
