import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pinnace.api import meta
from pinnace.api.resources import CONFIG_MAPS, EVENTS, PODS, REPLICA_SETS
from pinnace.client.informer import Informers
from pinnace.controllers.garbage.collector import GarbageCollector
from pinnace.controllers.runtime.directory import Directory
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import Object, ago, config_map, pod, replicaset


@asynccontextmanager
async def running(client: FakeClient) -> AsyncIterator[FakeClock]:
    clock = FakeClock()
    informers = Informers(client, clock)
    collector = GarbageCollector(client, clock, informers, Directory(client))
    tasks = [asyncio.create_task(informers.run()), asyncio.create_task(collector.run())]
    await clock.advance(1)
    try:
        yield clock
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def names(client: FakeClient, gvr: tuple) -> list[str]:
    return sorted(meta.name(item) for item in (await client.list(gvr))["items"])  # type: ignore[arg-type]


async def test_pods_follow_their_deleted_set() -> None:
    rs = replicaset()
    client = FakeClient([rs, pod("a", rs), pod("b", rs), pod("free")])
    async with running(client) as clock:
        assert await names(client, PODS) == ["a", "b", "free"]
        await client.delete(REPLICA_SETS, "web", "default")
        await clock.advance(1)
        assert await names(client, PODS) == ["free"]


async def test_objects_whose_owner_never_existed_are_collected() -> None:
    client = FakeClient([pod("a", replicaset("ghost"))])
    async with running(client):
        assert await names(client, PODS) == []


async def test_a_second_living_owner_keeps_the_object() -> None:
    one, two = replicaset("one"), replicaset("two")
    shared = pod("a", one)
    shared["metadata"]["ownerReferences"].append(meta.owner_reference(two, controller=False))
    client = FakeClient([one, two, shared])
    async with running(client) as clock:
        await client.delete(REPLICA_SETS, "one", "default")
        await clock.advance(1)
        kept = await client.get(PODS, "a", "default")
        assert [ref["name"] for ref in kept["metadata"]["ownerReferences"]] == ["two"]


async def test_orphans_are_set_free_before_the_owner_goes() -> None:
    rs = replicaset()
    rs["metadata"] |= {"finalizers": ["orphan"], "deletionTimestamp": ago(1)}
    client = FakeClient([rs, pod("a", rs)])
    async with running(client):
        assert await names(client, REPLICA_SETS) == []
        kept = await client.get(PODS, "a", "default")
        assert not kept["metadata"].get("ownerReferences")


async def test_in_the_foreground_the_owner_goes_last() -> None:
    rs = replicaset()
    rs["metadata"] |= {"finalizers": ["foregroundDeletion"], "deletionTimestamp": ago(1)}
    held = pod("held", rs, finalizers=["example.com/hold"])
    client = FakeClient([rs, pod("a", rs), held])
    async with running(client) as clock:
        assert await names(client, PODS) == ["held"]
        assert await names(client, REPLICA_SETS) == ["web"]
        await client.patch(PODS, "held", {"metadata": {"finalizers": None}}, "default")
        await clock.advance(1)
        assert await names(client, PODS) == []
        assert await names(client, REPLICA_SETS) == []


async def test_an_owner_in_another_namespace_is_no_owner() -> None:
    owner = config_map("owner", "other")
    reference = meta.owner_reference(owner, controller=False)
    child: Object = config_map("child", ownerReferences=[reference])
    client = FakeClient([owner, child])
    async with running(client) as clock:
        await clock.advance(1)
        assert await names(client, CONFIG_MAPS) == ["owner"]
        assert [e["reason"] for e in (await client.list(EVENTS))["items"]] == ["OwnerRefInvalidNamespace"]
