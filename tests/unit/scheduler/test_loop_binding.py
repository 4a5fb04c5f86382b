"""What happens to a pod between the decision and its node: updates, deletion, answers that get lost, failures."""

import asyncio
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import EVENTS, NODES, PODS
from pinnace.apimachinery import errors
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import node, pod
from unit.scheduler.test_loop import events, get, running

Object = dict[str, Any]


class SlowClient(FakeClient):
    """Bindings wait until `go` is set; then the first `refusals` of them fail, `too_late` says whether after the fact."""

    refusals, too_late = 0, False

    def __init__(self, objects: Any) -> None:
        super().__init__(objects)
        self.go = asyncio.Event()
        self.tried = 0

    async def create(self, gvr: Any, body: Any, namespace: Any = None, **more: Any) -> Object:  # type: ignore[override]
        if more.get("subresource") != "binding":
            return await super().create(gvr, body, namespace, **more)
        self.tried += 1
        await self.go.wait()
        if self.refusals and not self.too_late:
            self.refusals -= 1
            raise errors.InternalError("no luck")
        answer = await super().create(gvr, body, namespace, **more)
        if self.refusals:
            self.refusals -= 1
            for _ in range(20):  # the watch is faster than the answer
                await asyncio.sleep(0)
            raise TimeoutError
        return answer


async def test_an_update_during_the_binding_counts_when_that_fails() -> None:
    taint = {"key": "new", "effect": "NoSchedule"}
    client, clock = SlowClient([node("n1"), pod("web")]), FakeClock()
    client.refusals = 1
    async with running(client, clock):
        await client.patch(
            PODS, "web", {"spec": {"tolerations": [{"key": "new", "operator": "Exists"}]}}, "default"
        )
        await client.patch(NODES, "n1", {"spec": {"taints": [taint]}})
        await clock.advance(0.1)
        client.go.set()
        await clock.advance(1.5)
        assert (await get(client, "web"))["spec"]["nodeName"] == "n1"


async def test_a_pod_that_is_being_deleted_is_not_tried_again_when_its_binding_fails() -> None:
    client, clock = SlowClient([node("n1"), pod("web")]), FakeClock()
    client.refusals = 1
    async with running(client, clock) as scheduler:
        await client.patch(PODS, "web", {"metadata": {"finalizers": ["example.com/wait"]}}, "default")
        await client.delete(PODS, "web", "default")
        await clock.advance(0.1)
        client.go.set()
        await clock.advance(60.0)
        assert client.tried == 1
        assert scheduler._queue.sizes() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
        assert scheduler._cache.sizes()["assumed_pods"] == 0
        assert await events(client) == []


async def test_a_binding_whose_answer_gets_lost_is_a_binding() -> None:
    client, clock = SlowClient([node("n1"), pod("web")]), FakeClock()
    client.refusals, client.too_late = 1, True
    async with running(client, clock) as scheduler:
        client.go.set()
        await clock.advance(5.0)
        assert client.tried == 1
        assert [reason for _, reason, _ in await events(client)] == ["Scheduled"]
        assert scheduler._cache.get("uid-default-web") is not None
        assert (scheduler._queue.in_flight, scheduler._queue.backing_off) == (0, 0)


class TellingLate(FakeClient):
    """Writes to the status of pods take ten seconds."""

    def __init__(self, objects: Any, clock: FakeClock) -> None:
        super().__init__(objects)
        self.clock = clock

    async def patch(self, gvr: Any, name: str, body: Any, namespace: Any = None, **more: Any) -> Object:  # type: ignore[override]
        if more.get("subresource") == "status":
            await self.clock.sleep(10.0)
        return await super().patch(gvr, name, body, namespace, **more)

    async def create(self, gvr: Any, body: Any, namespace: Any = None, **more: Any) -> Object:  # type: ignore[override]
        answer = await super().create(gvr, body, namespace, **more)
        if more.get("subresource") == "binding":  # what the API server does
            status = {"status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}
            await super().patch(PODS, more["name"], status, namespace, subresource="status")
        return answer


async def test_that_it_did_not_fit_is_never_the_last_word_about_a_pod_that_has_a_node() -> None:
    clock = FakeClock()
    client = TellingLate([node("n1", unschedulable=True), pod("web")], clock)
    async with running(client, clock):
        await client.patch(NODES, "n1", {"spec": {"unschedulable": False}})
        await clock.advance(30.0)
        found = await get(client, "web")
        condition = meta.find_condition(found, "PodScheduled")
        assert condition is not None
        assert (found["spec"]["nodeName"], condition["status"]) == ("n1", "True")


async def test_conditions_that_others_wrote_meanwhile_stay() -> None:
    clock = FakeClock()
    client = TellingLate([node("n1", unschedulable=True), pod("web")], clock)
    async with running(client, clock):
        other = {"status": {"conditions": [{"type": "example.com/checked", "status": "True"}]}}
        await FakeClient.patch(client, PODS, "web", other, "default", subresource="status")
        await clock.advance(15.0)
        types = {condition["type"] for condition in (await get(client, "web"))["status"]["conditions"]}
        assert types == {"example.com/checked", "PodScheduled"}


async def test_room_of_a_pod_that_is_deleted_while_it_waits_for_its_volumes_is_free_at_once() -> None:
    claim: Object = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "default"},
        "spec": {"storageClassName": "slow", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Pending"},
    }  # fmt: skip
    slow: Object = {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"},
        "provisioner": "example.com/slow", "volumeBindingMode": "WaitForFirstConsumer",
    }  # fmt: skip
    data = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    first, second = pod("first", cpu="1", volumes=data), pod("second", cpu="1")
    client, clock = FakeClient([node("n1", cpu="1"), claim, slow, first]), FakeClock()
    async with running(client, clock) as scheduler:
        await clock.advance(1.0)
        assert scheduler._cache.sizes()["assumed_pods"] == 1
        await client.create(PODS, second, "default")
        await clock.advance(15.0)
        assert "nodeName" not in (await get(client, "second"))["spec"]
        await client.delete(PODS, "first", "default")
        await clock.advance(1.0)
        assert (await get(client, "second"))["spec"]["nodeName"] == "n1"


class NoEvictions(FakeClient):
    async def delete(self, gvr: Any, name: str, namespace: Any = None, **more: Any) -> Object:  # type: ignore[override]
        if gvr == PODS and name == "low":
            self.calls.append(("delete", "pods", name, None))
            raise errors.Forbidden("not this one")
        return await super().delete(gvr, name, namespace, **more)


async def test_evictions_that_fail_are_repeated_at_the_pace_of_the_back_off() -> None:
    low, high = pod("low", cpu="1", node="n1"), pod("high", cpu="1", priority=9)
    client, clock = NoEvictions([node("n1", cpu="1"), low, high]), FakeClock()
    async with running(client, clock):
        for _ in range(30):
            await clock.advance(1.0)
        tries = [call for call in client.calls if call[0] == "delete"]
        assert 3 <= len(tries) <= 7
        assert len((await client.list(EVENTS))["items"]) < 10
