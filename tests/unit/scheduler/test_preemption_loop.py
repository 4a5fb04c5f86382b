"""Preemption from end to end against a fake API: status, condition, event, deletion, and the pod in the freed place."""

from typing import Any

from pinnace.api import meta
from pinnace.api.resources import EVENTS, NODES, PODS
from pinnace.apimachinery import errors
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import node, pod
from unit.scheduler.test_loop import events, get, running

Object = dict[str, Any]


def high(name: str = "high", **more: Any) -> Object:
    return pod(name, cpu="1", priority=100, **more)


async def test_evicts_and_takes_the_place() -> None:
    client, clock = FakeClient([node("n1", cpu="1"), pod("low", cpu="1", node="n1"), high()]), FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        assert (await get(client, "high"))["spec"]["nodeName"] == "n1"
        assert [p["metadata"]["name"] for p in (await client.list(PODS))["items"]] == ["high"]
        assert await events(client) == [
            ("Warning", "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."),
            ("Normal", "Preempted", "Preempted by pod uid-default-high on node n1"),
            ("Normal", "Scheduled", "Successfully assigned default/high to n1"),
        ]
        told = (await client.list(EVENTS))["items"]
        assert [one["action"] for one in told] == ["Scheduling", "Preempting", "Binding"]
        victim, preemptor = told[1]["involvedObject"], told[1]["related"]
        assert (victim["kind"], victim["name"]) == ("Pod", "low")
        assert (preemptor["kind"], preemptor["name"], preemptor["uid"]) == ("Pod", "high", "uid-default-high")
        assert "related" not in told[0]


async def test_the_victim_says_who_disrupted_it_and_the_pod_where_it_is_going() -> None:
    low = pod("low", cpu="1", node="n1")
    low["metadata"]["finalizers"] = ["example.com/test"]
    low["metadata"]["generation"] = 3
    client, clock = FakeClient([node("n1", cpu="1"), low, high()]), FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        condition = meta.find_condition(await get(client, "low"), "DisruptionTarget")
        assert condition is not None
        assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
        assert condition["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
        assert condition["observedGeneration"] == 3
        status = (await get(client, "high"))["status"]
        assert status["nominatedNodeName"] == "n1"
        await client.patch(PODS, "low", {"metadata": {"finalizers": None}}, "default")
        await clock.advance(1.0)
        assert (await get(client, "high"))["spec"]["nodeName"] == "n1"


async def test_nobody_is_evicted_twice_and_no_second_node_is_freed_while_victims_leave() -> None:
    low = [pod(f"low{i}", cpu="1", node=f"n{i}") for i in range(3)]
    for one in low:
        one["metadata"]["finalizers"] = ["example.com/test"]
    client, clock = FakeClient([*(node(f"n{i}", cpu="1") for i in range(3)), *low, high()]), FakeClock()
    async with running(client, clock) as scheduler:
        for _ in range(3):
            await clock.advance(301.0)  # the longest wait: it is tried again
        decision = scheduler.explain("default", "high")
        assert decision is not None
        assert decision.message.endswith(
            "preemption: not eligible due to a terminating pod on the nominated node."
        )
        assert len([call for call in client.calls if call[0] == "delete"]) == 1


async def test_a_stronger_pod_takes_the_nomination_of_a_weaker_one() -> None:
    low = pod("low", cpu="1", node="n1")
    low["metadata"]["finalizers"] = ["example.com/test"]
    client, clock = FakeClient([node("n1", cpu="1"), low, high()]), FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        assert (await get(client, "high"))["status"]["nominatedNodeName"] == "n1"
        await client.create(PODS, pod("higher", cpu="1", priority=1000), "default")
        await clock.advance(1.0)
        assert (await get(client, "higher"))["status"]["nominatedNodeName"] == "n1"
        assert "nominatedNodeName" not in (await get(client, "high"))["status"]
        await client.patch(PODS, "low", {"metadata": {"finalizers": None}}, "default")
        await clock.advance(20.0)
        assert (await get(client, "higher"))["spec"]["nodeName"] == "n1"
        assert "nodeName" not in (await get(client, "high"))["spec"]


class UnableToDelete(FakeClient):
    failures = 1

    async def delete(self, *args: Any, **more: Any) -> Object:
        if self.failures:
            self.failures -= 1
            raise errors.InternalError("no luck")
        return await super().delete(*args, **more)


async def test_an_eviction_that_fails_is_tried_again() -> None:
    client = UnableToDelete([node("n1", cpu="1"), pod("low", cpu="1", node="n1"), high()])
    clock = FakeClock()
    async with running(client, clock):
        await clock.advance(15.0)
        assert (await get(client, "high"))["spec"]["nodeName"] == "n1"


class SlowToAnswerDeletes(FakeClient):
    """The victim is gone, and seen to be gone, before the answer to its deletion has come."""

    clock: FakeClock

    async def delete(self, *args: Any, **more: Any) -> Object:
        answer = await super().delete(*args, **more)
        await self.clock.sleep(5.0)
        return answer


async def test_a_victim_that_is_gone_before_the_answer_came_does_not_leave_the_pod_waiting() -> None:
    client = SlowToAnswerDeletes([node("n1", cpu="1"), pod("low", cpu="1", node="n1"), high()])
    client.clock = clock = FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        assert "nodeName" not in (await get(client, "high"))["spec"]
        await clock.advance(10.0)
        assert (await get(client, "high"))["spec"]["nodeName"] == "n1"


async def test_a_burst_preempts_exactly_what_it_needs() -> None:
    nodes = [node(f"n{i}", cpu="2") for i in range(10)]
    low = [pod(f"low{i}", cpu="1", node=f"n{i // 2}") for i in range(20)]
    client, clock = FakeClient([*nodes, *low, *(high(f"h{i}") for i in range(12))]), FakeClock()
    async with running(client, clock):
        for _ in range(15):
            await clock.advance(1.0)
        items = (await client.list(PODS))["items"]
        assert len([p for p in items if p["metadata"]["name"].startswith("low")]) == 8
        assert all(p["spec"].get("nodeName") for p in items)


async def test_a_scheduler_that_starts_again_knows_what_was_nominated() -> None:
    waiting = {**high("first"), "status": {"nominatedNodeName": "n1"}}
    waiting["spec"]["schedulerName"] = "default-scheduler"
    low = pod("low", cpu="1", node="n1", terminating=True)
    low["metadata"]["finalizers"] = ["x"]
    low["status"] = {
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    }
    client, clock = FakeClient([node("n1", cpu="1"), low, waiting]), FakeClock()
    async with running(client, clock):
        await client.create(PODS, high("second"), "default")
        await client.patch(PODS, "low", {"metadata": {"finalizers": None}}, "default")
        await clock.advance(20.0)
        assert (await get(client, "first"))["spec"]["nodeName"] == "n1"
        assert "nodeName" not in (await get(client, "second"))["spec"]


def held(name: str, on: str, **more: Any) -> Object:
    """A pod that does not go away before its finalizer does."""
    made = pod(name, cpu="1", node=on, **more)
    made["metadata"]["finalizers"] = ["example.com/test"]
    return made


async def let_go(client: FakeClient, name: str) -> None:
    await client.patch(PODS, name, {"metadata": {"finalizers": None}}, "default")


async def test_a_pod_that_lost_its_nomination_looks_elsewhere_at_once() -> None:
    objects = [
        node("n1", cpu="1"),
        node("n2", cpu="1"),
        held("a", "n1"),
        held("b", "n2", priority=50),
        high(),
    ]
    client, clock = FakeClient(objects), FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        assert (await get(client, "high"))["status"]["nominatedNodeName"] == "n1"
        await client.create(PODS, pod("higher", cpu="1", priority=1000), "default")
        await clock.advance(2.0)
        assert (await get(client, "higher"))["status"]["nominatedNodeName"] == "n1"
        assert (await get(client, "high"))["status"]["nominatedNodeName"] == "n2"


async def test_a_pod_whose_place_was_taken_looks_elsewhere_when_its_last_victim_is_gone() -> None:
    objects = [
        node("n1", cpu="1"),
        node("n2", cpu="1"),
        held("a", "n1"),
        held("b", "n2", priority=50),
        high(),
    ]
    client, clock = FakeClient(objects), FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        assert (await get(client, "high"))["status"]["nominatedNodeName"] == "n1"
        await client.create(PODS, pod("intruder", cpu="1", node="n1", priority=2000), "default")
        await let_go(client, "a")
        await clock.advance(5.0)
        assert (await get(client, "high"))["status"]["nominatedNodeName"] == "n2"
        await let_go(client, "b")
        await clock.advance(5.0)
        assert (await get(client, "high"))["spec"]["nodeName"] == "n2"


async def test_a_pod_whose_nominated_node_is_gone_looks_elsewhere() -> None:
    objects = [
        node("n1", cpu="1"),
        node("n2", cpu="1"),
        held("a", "n1"),
        pod("b", cpu="1", node="n2", priority=50),
        high(),
    ]
    client, clock = FakeClient(objects), FakeClock()
    async with running(client, clock):
        await clock.advance(1.0)
        assert (await get(client, "high"))["status"]["nominatedNodeName"] == "n1"
        await client.delete(NODES, "n1")
        await clock.advance(5.0)
        assert (await get(client, "high"))["spec"]["nodeName"] == "n2"
