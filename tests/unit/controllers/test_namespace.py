import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pinnace.api.resources import CONFIG_MAPS, NAMESPACES, PODS
from pinnace.apimachinery.errors import NotFound
from pinnace.client.informer import Informers
from pinnace.controllers.namespace import Content, NamespaceController, report
from pinnace.controllers.runtime.directory import Directory
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import NOW, config_map, namespace, pod


@asynccontextmanager
async def running(client: FakeClient, clock: FakeClock) -> AsyncIterator[None]:
    informers = Informers(client, clock)
    controller = NamespaceController(client, clock, informers, Directory(client))
    tasks = [asyncio.create_task(informers.run()), asyncio.create_task(controller.run())]
    await clock.advance(1)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_deleted_namespace_is_emptied_and_let_go() -> None:
    client = FakeClient(
        [namespace("x", terminating=True), config_map("a", "x"), config_map("b"), pod("p") | {}]
    )
    async with running(client, FakeClock()):
        pass
    with pytest.raises(NotFound):
        await client.get(NAMESPACES, "x")
    assert [item["metadata"]["name"] for item in (await client.list(CONFIG_MAPS))["items"]] == ["b"]


async def test_pods_go_first_and_finalizers_are_waited_for() -> None:
    held = pod("p", finalizers=["example.com/hold"])
    held["metadata"]["namespace"] = "x"
    client, clock = FakeClient([namespace("x", terminating=True), config_map("a", "x"), held]), FakeClock()
    async with running(client, clock):
        found = (await client.get(NAMESPACES, "x"))["status"]["conditions"]
        messages = {c["type"]: c["message"] for c in found if c["status"] == "True"}
        assert messages == {
            "NamespaceContentRemaining": "Some resources are remaining: pods. has 1 resource instances",
            "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
            "example.com/hold in 1 resource instances",
        }
        assert len((await client.list(CONFIG_MAPS, "x"))["items"]) == 1
        await client.patch(PODS, "p", {"metadata": {"finalizers": None}}, "x")
        await clock.advance(10)
    with pytest.raises(NotFound):
        await client.get(NAMESPACES, "x")


def test_conditions_of_an_empty_namespace_say_that_all_went_well() -> None:
    found = report([], Content(), {}, NOW)
    assert {c["status"] for c in found} == {"False"}
    assert [c["reason"] for c in found] == [
        "ResourcesDiscovered", "ParsedGroupVersions", "ContentDeleted", "ContentRemoved", "ContentHasNoFinalizers",
    ]  # fmt: skip


async def test_a_namespace_that_is_held_for_hours_goes_soon_after() -> None:
    held = config_map("a", "x")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    client, clock = FakeClient([namespace("x", terminating=True), held]), FakeClock()
    async with running(client, clock):
        await clock.advance(2 * 3600)
        await client.patch(CONFIG_MAPS, "a", {"metadata": {"finalizers": None}}, "x")
        await clock.advance(10)
    with pytest.raises(NotFound):
        await client.get(NAMESPACES, "x")
