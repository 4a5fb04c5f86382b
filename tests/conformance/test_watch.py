"""test/e2e/apimachinery/watch.go: what watchers of config maps are told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.client.interface import Client, WatchEvent
from pinnace.client.rest import RestClient

Object = dict[str, Any]


def config_map(name: str, data: dict[str, str] | None = None, **labels: str) -> Object:
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
        "data": data or {},
    }


async def write(client: Client, name: str, mutation: int, **labels: str) -> Object:
    """One change of an object that is there already."""
    body: Object = {"data": {"mutation": str(mutation)}}
    if labels:
        body["metadata"] = {"labels": labels}
    return await client.patch(r.CONFIG_MAPS, name, body, "default")


async def now(client: Client) -> str:
    listed = await client.list(r.CONFIG_MAPS, "default")
    return listed["metadata"]["resourceVersion"]


async def take(events: AsyncGenerator[WatchEvent, None], count: int) -> list[WatchEvent]:
    """The next events that are not bookmarks."""
    taken: list[WatchEvent] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            event = await anext(events)
            if event.type != "BOOKMARK":
                taken.append(event)
    return taken


def told(events: list[WatchEvent]) -> list[tuple[str, str, str]]:
    return [
        (e.type, e.object["metadata"]["name"], e.object.get("data", {}).get("mutation", "")) for e in events
    ]


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps [Conformance]"
)
async def test_watchers_see_the_changes_of_what_their_selector_matches(rest_client: RestClient) -> None:
    start = await now(rest_client)
    selectors = {"a": "watch=a", "b": "watch=b", "either": "watch in (a,b)"}
    watches = {
        name: rest_client.watch(r.CONFIG_MAPS, "default", resource_version=start, label_selector=selector)
        for name, selector in selectors.items()
    }
    for name in ("a", "b"):
        await rest_client.create(r.CONFIG_MAPS, config_map(f"map-{name}", watch=name), "default")
        await write(rest_client, f"map-{name}", 1)
        await write(rest_client, f"map-{name}", 2)
        await rest_client.delete(r.CONFIG_MAPS, f"map-{name}", "default")
    story = {
        name: [
            ("ADDED", f"map-{name}", ""), ("MODIFIED", f"map-{name}", "1"), ("MODIFIED", f"map-{name}", "2"),
            ("DELETED", f"map-{name}", "2"),
        ]
        for name in ("a", "b")
    }  # fmt: skip
    expected = {**story, "either": story["a"] + story["b"]}
    for name, watch in watches.items():
        async with aclosing(watch):
            assert told(await take(watch, len(expected[name]))) == expected[name]


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should be able to start watching from a specific resource version [Conformance]"
)
async def test_a_watch_starts_after_the_version_it_names(rest_client: RestClient) -> None:
    await rest_client.create(r.CONFIG_MAPS, config_map("m"), "default")
    first = await write(rest_client, "m", 1)
    await write(rest_client, "m", 2)
    await rest_client.delete(r.CONFIG_MAPS, "m", "default")
    watch = rest_client.watch(r.CONFIG_MAPS, "default", resource_version=first["metadata"]["resourceVersion"])
    async with aclosing(watch):
        assert told(await take(watch, 2)) == [("MODIFIED", "m", "2"), ("DELETED", "m", "2")]


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the previous watch [Conformance]"
)
async def test_a_watch_goes_on_where_an_earlier_one_ended(rest_client: RestClient) -> None:
    watch = rest_client.watch(r.CONFIG_MAPS, "default", resource_version=await now(rest_client))
    async with aclosing(watch):
        await rest_client.create(r.CONFIG_MAPS, config_map("m"), "default")
        await write(rest_client, "m", 1)
        seen = await take(watch, 2)
    await write(rest_client, "m", 2)
    await rest_client.delete(r.CONFIG_MAPS, "m", "default")
    last = seen[-1].object["metadata"]["resourceVersion"]
    again = rest_client.watch(r.CONFIG_MAPS, "default", resource_version=last)
    async with aclosing(again):
        assert told(await take(again, 2)) == [("MODIFIED", "m", "2"), ("DELETED", "m", "2")]


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector [Conformance]"
)
async def test_an_object_that_leaves_the_selector_is_deleted_for_its_watchers(
    rest_client: RestClient,
) -> None:
    start = await now(rest_client)
    watch = rest_client.watch(r.CONFIG_MAPS, "default", resource_version=start, label_selector="in=yes")
    async with aclosing(watch):
        await rest_client.create(r.CONFIG_MAPS, config_map("m", **{"in": "yes"}), "default")
        await write(rest_client, "m", 1)
        await write(rest_client, "m", 1, **{"in": "no"})
        assert told(await take(watch, 3))[-1] == ("DELETED", "m", "1")
        await write(rest_client, "m", 2)  # not seen
        await write(rest_client, "m", 2, **{"in": "yes"})
        await write(rest_client, "m", 3)
        await rest_client.delete(r.CONFIG_MAPS, "m", "default")
        assert told(await take(watch, 3)) == [
            ("ADDED", "m", "2"),
            ("MODIFIED", "m", "3"),
            ("DELETED", "m", "3"),
        ]


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should receive events on concurrent watches in same order [Conformance]"
)
async def test_watches_from_each_event_see_the_rest_in_the_same_order(rest_client: RestClient) -> None:
    count = 30
    start = await now(rest_client)

    async def produce() -> None:
        for index in range(count):
            name = f"m{index % 4}"
            try:
                await rest_client.create(r.CONFIG_MAPS, config_map(name), "default")
            except Exception:  # it is there: change it, or remove it every third time
                if index % 3:
                    await write(rest_client, name, index)
                else:
                    await rest_client.delete(r.CONFIG_MAPS, name, "default")

    producer = asyncio.create_task(produce())
    first = rest_client.watch(r.CONFIG_MAPS, "default", resource_version=start)
    versions = [start]
    later: list[AsyncGenerator[WatchEvent, None]] = []
    async with aclosing(first):
        for _ in range(count):
            (event,) = await take(first, 1)
            later.append(rest_client.watch(r.CONFIG_MAPS, "default", resource_version=versions[-1]))
            versions.append(event.object["metadata"]["resourceVersion"])
    await producer
    expected = versions[1:]
    assert sorted(expected, key=int) == expected
    for begin, watch in enumerate(later):
        async with aclosing(watch):
            seen = await take(watch, count - begin)
            assert [e.object["metadata"]["resourceVersion"] for e in seen] == expected[begin:]
