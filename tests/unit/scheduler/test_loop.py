"""The scheduler against a fake API: it binds, explains, retries, and starts again where it stopped."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pinnace.api.resources import EVENTS, NODES, PODS
from pinnace.apimachinery import errors
from pinnace.scheduler.configuration import read
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.scheduler.settings import DEFAULT_SETTINGS, SchedulerSettings
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import node, pod

Object = dict[str, Any]


@asynccontextmanager
async def running(
    client: FakeClient, clock: FakeClock, settings: SchedulerSettings = DEFAULT_SETTINGS
) -> AsyncGenerator[Scheduler, None]:
    scheduler = Scheduler(client, clock, SchedulerConfig(settings, seed=1))
    task = asyncio.create_task(scheduler.run())
    await clock.advance(0.1)
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def get(client: FakeClient, name: str) -> Object:
    return await client.get(PODS, name, "default")


async def events(client: FakeClient) -> list[tuple[str, str, str]]:
    return [(e["type"], e["reason"], e["message"]) for e in (await client.list(EVENTS))["items"]]


async def test_binds_a_pod_and_says_so() -> None:
    client, clock = FakeClient([node("n1"), pod("web")]), FakeClock()
    async with running(client, clock):
        assert (await get(client, "web"))["spec"]["nodeName"] == "n1"
        assert await events(client) == [("Normal", "Scheduled", "Successfully assigned default/web to n1")]


async def test_a_pod_that_does_not_fit_gets_condition_and_event_and_waits_for_a_node() -> None:
    client, clock = FakeClient([node("n1", cpu="1"), pod("big", cpu="2")]), FakeClock()
    async with running(client, clock):
        message = (
            "0/1 nodes are available: 1 Insufficient cpu. "
            "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        )
        (condition,) = (await get(client, "big"))["status"]["conditions"]
        assert condition["status"] == "False"
        assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
        assert condition["message"] == message
        assert await events(client) == [("Warning", "FailedScheduling", message)]
        await client.create(NODES, node("n2"))
        await clock.advance(1.0)
        assert (await get(client, "big"))["spec"]["nodeName"] == "n2"


async def test_room_that_is_freed_goes_to_a_waiting_pod() -> None:
    client = FakeClient([node("n1", cpu="1"), pod("old", cpu="1", node="n1"), pod("new", cpu="1")])
    clock = FakeClock()
    async with running(client, clock):
        assert "nodeName" not in (await get(client, "new"))["spec"]
        await client.delete(PODS, "old", "default")
        await clock.advance(1.0)
        assert (await get(client, "new"))["spec"]["nodeName"] == "n1"


async def test_a_finished_pod_no_longer_uses_its_node() -> None:
    client = FakeClient([node("n1", cpu="1"), pod("job", cpu="1", node="n1"), pod("new", cpu="1")])
    clock = FakeClock()
    async with running(client, clock):
        await client.patch(PODS, "job", {"status": {"phase": "Succeeded"}}, "default", subresource="status")
        await clock.advance(1.0)
        assert (await get(client, "new"))["spec"]["nodeName"] == "n1"


async def test_leaves_gated_pods_and_those_of_other_schedulers() -> None:
    gated = pod("gated", schedulingGates=[{"name": "wait"}])
    other = {**pod("other"), "spec": {"containers": [], "schedulerName": "mine"}}
    client, clock = FakeClient([node("n1"), gated, other]), FakeClock()
    async with running(client, clock):
        assert "nodeName" not in (await get(client, "gated"))["spec"]
        assert "nodeName" not in (await get(client, "other"))["spec"]
        await client.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, "default")
        await clock.advance(0.1)
        assert (await get(client, "gated"))["spec"]["nodeName"] == "n1"


class RefusingClient(FakeClient):
    """Refuses the first binding."""

    refusals = 1

    async def create(self, gvr: Any, body: Any, namespace: Any = None, **more: Any) -> Object:  # type: ignore[override]
        if more.get("subresource") == "binding" and self.refusals:
            self.refusals -= 1
            raise errors.InternalError("no luck")
        return await super().create(gvr, body, namespace, **more)


async def test_a_failed_binding_frees_the_room_and_is_tried_again() -> None:
    client, clock = RefusingClient([node("n1", cpu="1"), pod("web", cpu="1")]), FakeClock()
    async with running(client, clock):
        assert "nodeName" not in (await get(client, "web"))["spec"]
        assert (
            "Warning",
            "FailedScheduling",
            'running Bind plugin "DefaultBinder": no luck',
        ) in await events(client)
        await clock.advance(1.0)
        assert (await get(client, "web"))["spec"]["nodeName"] == "n1"


async def test_a_burst_fits_exactly_although_bindings_are_still_under_way() -> None:
    nodes = [node(f"n{i}", cpu="1") for i in range(5)]
    client, clock = FakeClient([*nodes, *(pod(f"p{i}", cpu="250m") for i in range(21))]), FakeClock()
    async with running(client, clock):
        placed = [p["spec"].get("nodeName") for p in (await client.list(PODS))["items"]]
        assert sorted(filter(None, placed)) == sorted([f"n{i}" for i in range(5)] * 4)


async def test_explains_its_latest_decision() -> None:
    client, clock = FakeClient([node("n1"), node("n2", unschedulable=True), pod("web")]), FakeClock()
    async with running(client, clock) as scheduler:
        decision = scheduler.explain("default", "web")
        assert decision is not None
        assert (decision.node, dict(decision.rejected)) == ("n1", {"NodeUnschedulable": 1})


async def test_a_second_scheduler_takes_over_where_the_first_stopped() -> None:
    client, clock = FakeClient([node("n1", cpu="1"), pod("a", cpu="600m")]), FakeClock()
    async with running(client, clock):
        pass
    await client.create(PODS, pod("b", cpu="600m"), "default")
    async with running(client, clock):
        assert "nodeName" not in (await get(client, "b"))["spec"]
        await client.delete(PODS, "a", "default")
        await clock.advance(1.0)
        assert (await get(client, "b"))["spec"]["nodeName"] == "n1"


PACKING = {
    "schedulerName": "packing",
    "pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "MostAllocated"}}}],
    "plugins": {
        "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]},
        "postFilter": {"disabled": [{"name": "DefaultPreemption"}]},
    },
}


def two_profiles() -> SchedulerSettings:
    return read(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "profiles": [{"schedulerName": "default-scheduler"}, PACKING],
            "podInitialBackoffSeconds": 3,
        }
    )


def of_packing(name: str, **more: Any) -> Object:
    return pod(name, cpu="1", **more) | {
        "spec": pod(name, cpu="1", **more)["spec"] | {"schedulerName": "packing"}
    }


async def test_each_pod_is_placed_by_the_profile_that_it_names() -> None:
    busy = pod("busy", cpu="2", memory="4Gi", node="n1")
    client, clock = (
        FakeClient([node("n1"), node("n2"), busy, pod("spread", cpu="1"), of_packing("packed")]),
        FakeClock(),
    )
    async with running(client, clock, two_profiles()):
        assert (await get(client, "spread"))["spec"]["nodeName"] == "n2"
        assert (await get(client, "packed"))["spec"]["nodeName"] == "n1"
        sources = {
            e["involvedObject"]["name"]: e["source"]["component"]
            for e in (await client.list(EVENTS))["items"]
        }
        assert sources == {"spread": "default-scheduler", "packed": "packing"}


async def test_a_profile_without_preemption_evicts_nobody() -> None:
    low = pod("low", cpu="1", node="n1")
    client, clock = FakeClient([node("n1", cpu="1"), low, of_packing("high", priority=9)]), FakeClock()
    async with running(client, clock, two_profiles()):
        await clock.advance(20.0)
        (condition,) = (await get(client, "high"))["status"]["conditions"]
        assert (
            condition["message"] == "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate"
        )
        assert (await get(client, "low"))["spec"]["nodeName"] == "n1"


async def test_the_back_off_of_the_configuration_counts() -> None:
    client, clock = RefusingClient([node("n1", cpu="1"), pod("web", cpu="1")]), FakeClock()
    async with running(client, clock, two_profiles()):
        await clock.advance(2.5)
        assert "nodeName" not in (await get(client, "web"))["spec"]
        await clock.advance(1.0)
        assert (await get(client, "web"))["spec"]["nodeName"] == "n1"
