"""Scheduler extenders: a real HTTP server has its say about nodes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from pinnace.api.resources import PODS
from pinnace.component.clock import RealClock
from pinnace.scheduler.configuration import read
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.wait import eventually
from unit.scheduler.objects import node, pod

Object = dict[str, Any]
Verb = Callable[[Object], Any]
GPU = "example.com/gpu"


@asynccontextmanager
async def extender(**verbs: Verb) -> AsyncGenerator[str, None]:
    """The address of a server whose verbs answer with what these functions give; an Exception becomes a 500."""

    def handler(verb: Verb) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return web.json_response(verb(await request.json()))

        return handle

    app = web.Application()
    for name, verb in verbs.items():
        app.router.add_post(f"/x/{name}", handler(verb))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/x/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def scheduling(client: FakeClient, *extenders: Object) -> AsyncGenerator[Scheduler, None]:
    body = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "extenders": list(extenders),
    }
    scheduler = Scheduler(client, RealClock(), SchedulerConfig(read(body), seed=1))
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def node_of(client: FakeClient, name: str) -> str:
    async def bound() -> str:
        return str((await client.get(PODS, name, "default"))["spec"].get("nodeName", ""))

    return str(await eventually(bound))


async def refusal(client: FakeClient, name: str) -> Object:
    async def refused() -> Object | None:
        conditions = ((await client.get(PODS, name, "default")).get("status") or {}).get("conditions") or [
            None
        ]
        return conditions[0]  # type: ignore[no-any-return]

    found = await eventually(refused)
    assert found is not None
    return found


def nodes() -> list[Object]:
    return [node(f"n{i}") for i in range(3)]


async def test_filters_and_scores_by_name() -> None:
    asked: list[Object] = []

    def filter_(question: Object) -> Object:
        asked.append(question)
        return {"NodeNames": ["n1", "n2"], "FailedNodes": {"n0": "too hot"}}

    def prioritize(question: Object) -> list[Object]:
        asked.append(question)
        return [{"Host": "n1", "Score": 1}, {"Host": "n2", "Score": 9}]

    client = FakeClient([*nodes(), pod("web")])
    async with extender(filter=filter_, prioritize=prioritize) as url:
        settings = {
            "urlPrefix": url,
            "filterVerb": "filter",
            "prioritizeVerb": "prioritize",
            "weight": 5,
            "nodeCacheCapable": True,
        }
        async with scheduling(client, settings) as scheduler:
            assert await node_of(client, "web") == "n2"
            decision = scheduler.explain("default", "web")
    assert decision is not None
    assert dict(decision.rejected) == {"Extender": 1}
    assert decision.best[0].scores["Extender"] == 450
    assert [sorted(question["NodeNames"]) for question in asked] == [["n0", "n1", "n2"], ["n1", "n2"]]
    assert asked[0]["Pod"]["metadata"]["name"] == "web"


async def test_filters_whole_nodes() -> None:
    def filter_(question: Object) -> Object:
        return {
            "nodes": {
                "items": [item for item in question["Nodes"]["items"] if item["metadata"]["name"] == "n1"]
            }
        }

    client = FakeClient([*nodes(), pod("web")])
    async with (
        extender(filter=filter_) as url,
        scheduling(client, {"urlPrefix": url, "filterVerb": "filter"}),
    ):
        assert await node_of(client, "web") == "n1"


async def test_a_refusal_of_all_nodes_is_told() -> None:
    def filter_(question: Object) -> Object:
        return {
            "NodeNames": [],
            "FailedNodes": {"n0": "too hot"},
            "FailedAndUnresolvableNodes": {"n1": "too old", "n2": "too old"},
        }

    client = FakeClient([*nodes(), pod("web")])
    async with (
        extender(filter=filter_) as url,
        scheduling(client, {"urlPrefix": url, "filterVerb": "filter", "nodeCacheCapable": True}),
    ):
        condition = await refusal(client, "web")
    assert condition["message"] == (
        "0/3 nodes are available: 1 too hot, 2 too old. no new claims to deallocate, preemption: 0/3 nodes are available: "
        "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
    )


async def test_one_that_fails_stops_the_pod_unless_it_is_ignorable() -> None:
    def filter_(question: Object) -> Object:
        return {"Error": "no idea"}

    for ignorable in (False, True):
        client = FakeClient([*nodes(), pod("web")])
        settings = {"filterVerb": "filter", "nodeCacheCapable": True, "ignorable": ignorable}
        async with extender(filter=filter_) as url, scheduling(client, {"urlPrefix": url, **settings}):
            if ignorable:
                assert (await node_of(client, "web")).startswith("n")
            else:
                condition = await refusal(client, "web")
                assert (condition["reason"], condition["message"]) == ("SchedulerError", "no idea")


async def test_one_that_cannot_be_reached_says_so() -> None:
    client = FakeClient([*nodes(), pod("web")])
    async with scheduling(client, {"urlPrefix": "http://127.0.0.1:1/x", "filterVerb": "filter"}):
        condition = await refusal(client, "web")
    assert condition["reason"] == "SchedulerError"
    assert condition["message"].startswith('Post "http://127.0.0.1:1/x/filter": ')


async def test_one_that_manages_a_resource_is_asked_about_its_pods_alone() -> None:
    asked: list[str] = []

    def filter_(question: Object) -> Object:
        asked.append(question["Pod"]["metadata"]["name"])
        return {"NodeNames": ["n1"]}

    client = FakeClient([*nodes(), pod("web"), pod("train", requests={GPU: "1"})])
    settings = {
        "filterVerb": "filter",
        "nodeCacheCapable": True,
        "managedResources": [{"name": GPU, "ignoredByScheduler": True}],
    }
    async with extender(filter=filter_) as url, scheduling(client, {"urlPrefix": url, **settings}):
        assert await node_of(client, "train") == "n1"
        await node_of(client, "web")
    assert asked == ["train"]


async def test_binds() -> None:
    bound: list[Object] = []

    def bind(question: Object) -> Object:
        bound.append(question)
        return {}

    client = FakeClient([node("n1"), pod("web")])
    async with extender(bind=bind) as url, scheduling(client, {"urlPrefix": url, "bindVerb": "bind"}):

        async def asked() -> bool:
            return bool(bound)

        await eventually(asked)
    assert bound[0] == {
        "PodName": "web",
        "PodNamespace": "default",
        "PodUID": "uid-default-web",
        "Node": "n1",
    }
    assert "nodeName" not in (await client.get(PODS, "web", "default"))["spec"]  # that is the extender's task
