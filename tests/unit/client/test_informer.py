import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from pinnace.api.resources import CONFIG_MAPS
from pinnace.client.informer import Informer
from pinnace.client.interface import WatchEvent
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from pinnace.testing.wait import eventually


def config_map(name: str, **data: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


async def test_informer_follows_creation_change_and_deletion() -> None:
    client = FakeClient([config_map("a")])
    informer = Informer(client, FakeClock(), CONFIG_MAPS)
    seen: list[tuple[bool, bool]] = []
    informer.add_handler(lambda old, new: seen.append((old is not None, new is not None)))
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    await client.create(CONFIG_MAPS, config_map("b"))
    await client.patch(CONFIG_MAPS, "b", {"data": {"k": "v"}}, "default")
    await client.delete(CONFIG_MAPS, "a", "default")
    await eventually(lambda: len(seen) == 4)
    assert seen == [(False, True), (False, True), (True, True), (True, False)]
    assert [obj["data"] for obj in informer.lister] == [{"k": "v"}]
    task.cancel()


async def test_index_finds_objects_under_their_current_key_only() -> None:
    client = FakeClient([config_map("a", owner="x")])
    informer = Informer(client, FakeClock(), CONFIG_MAPS)
    informer.lister.add_index("owner", lambda obj: [obj["data"].get("owner")])
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    assert len(informer.lister.by_index("owner", "x")) == 1
    await client.patch(CONFIG_MAPS, "a", {"data": {"owner": "y"}}, "default")
    await eventually(lambda: informer.lister.by_index("owner", "y"))
    assert informer.lister.by_index("owner", "x") == []
    task.cancel()


class EndsAtOnce(FakeClient):
    """A server that ends every watch as soon as it has begun."""

    watches = 0

    async def watch(self, *arguments: Any, **options: Any) -> AsyncGenerator[WatchEvent, None]:
        self.watches += 1
        for event in ():
            yield event


async def test_watches_that_end_at_once_are_not_begun_in_a_tight_loop() -> None:
    client, clock = EndsAtOnce(), FakeClock()
    task = asyncio.create_task(Informer(client, clock, CONFIG_MAPS).run())
    await clock.advance(3.5)
    task.cancel()
    assert 3 <= client.watches <= 4


async def test_a_handler_that_raises_is_told_again_from_where_it_was() -> None:
    client, clock = FakeClient([config_map("a", k="0")]), FakeClock()
    informer = Informer(client, clock, CONFIG_MAPS)
    told: list[tuple[str | None, str | None]] = []
    refusals = 0

    def handler(old: dict | None, new: dict | None) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise ZeroDivisionError
        told.append((old and old["data"]["k"], new and new["data"]["k"]))

    remove = informer.add_handler(handler)
    task = asyncio.create_task(informer.run())
    await clock.settle()
    assert told == [(None, "0")]
    refusals = 2
    await client.patch(CONFIG_MAPS, "a", {"data": {"k": "1"}}, "default")
    await clock.advance(2.9)  # refused at once and after a second; two more pass until the next attempt
    assert told == [(None, "0")]
    await clock.advance(0.1)
    assert told == [(None, "0"), ("0", "1")]
    refusals = 1
    await client.patch(CONFIG_MAPS, "a", {"data": {"k": "2"}}, "default")
    await clock.settle()
    await client.delete(
        CONFIG_MAPS, "a", "default"
    )  # an event that comes before the next attempt takes its place
    await clock.advance(10)
    assert told == [(None, "0"), ("0", "1"), ("1", None)]
    refusals = 1
    await client.create(CONFIG_MAPS, config_map("b", k="3"))
    await clock.settle()
    remove()
    await clock.advance(100)
    assert len(told) == 3
    task.cancel()
