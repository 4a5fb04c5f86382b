"""ObjectStorage over a MemoryBackend: what the registry relies on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from pinnace.api import meta, selector_text
from pinnace.api.resources import BY_GVR, PODS
from pinnace.apimachinery import errors, selectors
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item, Object
from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.apiserver.storage.options import ListOptions, Outcome, Preconditions, WatchOptions
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.storages import Storages
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.store.memory import MemoryBackend
from pinnace.testing.fake_clock import FakeClock


def pod(name: str, namespace: str = "default", *, node: str = "", **labels: str) -> Object:
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    if labels:
        metadata["labels"] = labels
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
    }


def field_labels(obj: Object) -> dict[str, str]:
    return {
        "metadata.name": meta.name(obj),
        "metadata.namespace": meta.namespace(obj),
        "spec.nodeName": obj["spec"].get("nodeName", ""),
    }


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend()
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
def storage(backend: MemoryBackend, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    monkeypatch.setenv("PINNACE_DETECT_MUTATION", "1")
    return Storages(backend, clock).of(BY_GVR[PODS], field_labels)


async def change_label(item: Item, value: str) -> Object:
    obj = item.decode()
    obj["metadata"].setdefault("labels", {})["app"] = value
    return obj


def relabel(value: str) -> Any:
    return lambda item: change_label(item, value)


async def next_batch(watch: ObjectWatch) -> list[tuple[str, str]]:
    batch = await asyncio.wait_for(anext(watch), 5)
    return [(event.type, event.item.name) for event in batch]


def scope(labels: str = "", fields: str = "", namespace: str = "") -> Scope:
    return Scope(namespace, selector_text.parse(labels), selectors.parse_fields(fields))


async def names(storage: ObjectStorage, chosen: Scope, **more: Any) -> list[str]:
    return [item.name for item in (await storage.list(ListOptions(chosen, **more))).items]


async def test_created_object_is_read_back_with_its_resource_version(storage: ObjectStorage) -> None:
    created = await storage.create(pod("web"))
    assert created.obj["metadata"]["resourceVersion"] == "1"
    assert (await storage.get("web", "default")).raw == created.raw
    assert orjson.loads(created.raw)["metadata"]["name"] == "web"


async def test_create_refuses_a_taken_name_in_upstreams_words(storage: ObjectStorage) -> None:
    await storage.create(pod("web"))
    with pytest.raises(errors.AlreadyExists, match=r'^pods "web" already exists$'):
        await storage.create(pod("web"))


async def test_get_of_a_missing_object_is_not_found(storage: ObjectStorage) -> None:
    with pytest.raises(errors.NotFound, match=r'^pods "web" not found$'):
        await storage.get("web", "default")


async def test_update_is_retried_when_another_write_came_in_between(storage: ObjectStorage) -> None:
    await storage.create(pod("web"))
    seen: list[int] = []

    async def change(item: Item) -> Object:
        seen.append(item.revision)
        if len(seen) == 1:
            await storage.update("web", "default", relabel("other"))
        obj = item.decode()
        obj["spec"]["nodeName"] = "n1"
        return obj

    updated = await storage.update("web", "default", change)
    assert seen == [1, 2]
    assert updated.obj["metadata"]["labels"] == {"app": "other"}
    assert updated.obj["spec"]["nodeName"] == "n1"


async def test_update_that_changes_nothing_writes_nothing(storage: ObjectStorage) -> None:
    created = await storage.create(pod("web"))

    async def same(item: Item) -> Object:
        return item.decode()

    async def keep(item: Item) -> Outcome:
        return Outcome.KEEP

    assert (await storage.update("web", "default", same)).revision == created.revision
    assert (await storage.update("web", "default", keep)).revision == created.revision


async def test_update_may_end_in_a_deletion(storage: ObjectStorage) -> None:
    await storage.create(pod("web"))

    async def finish(item: Item) -> Outcome:
        return Outcome.DELETE

    gone = await storage.update("web", "default", finish)
    assert gone.obj["metadata"]["resourceVersion"] == "2"
    with pytest.raises(errors.NotFound):
        await storage.get("web", "default")


async def test_delete_checks_its_preconditions(storage: ObjectStorage) -> None:
    await storage.create(pod("web"))
    with pytest.raises(errors.Conflict, match=r"the UID in the precondition \(x\) does not match"):
        await storage.delete("web", "default", preconditions=Preconditions(uid="x"))
    with pytest.raises(errors.Conflict, match=r"the ResourceVersion in the precondition \(7\)"):
        await storage.delete("web", "default", preconditions=Preconditions(resource_version="7"))
    gone = await storage.delete("web", "default", preconditions=Preconditions("uid-web", "1"))
    assert gone.revision == 2


async def test_update_checks_its_preconditions(storage: ObjectStorage) -> None:
    await storage.create(pod("web"))
    with pytest.raises(
        errors.Conflict, match="Precondition failed: UID in precondition: x, UID in object meta: uid-web"
    ):
        await storage.update("web", "default", relabel("a"), preconditions=Preconditions(uid="x"))
    with pytest.raises(errors.Conflict, match=r'pods "web": the object has been modified; please apply'):
        await storage.update(
            "web", "default", relabel("a"), preconditions=Preconditions(resource_version="9")
        )


async def test_list_selects_by_namespace_label_and_field(storage: ObjectStorage) -> None:
    for obj in (pod("a", app="x"), pod("b", "other", app="x", node="n1"), pod("c", app="y", node="n1")):
        await storage.create(obj)
    assert await names(storage, scope()) == ["a", "c", "b"]
    assert await names(storage, scope(namespace="other")) == ["b"]
    assert await names(storage, scope("app=x")) == ["a", "b"]
    assert await names(storage, scope("app!=x")) == ["c"]
    assert await names(storage, scope(fields="spec.nodeName=n1")) == ["c", "b"]
    assert await names(storage, scope(fields="metadata.name=c", namespace="default")) == ["c"]
    assert await names(storage, scope("app=x", "spec.nodeName!=n1")) == ["a"]


async def test_list_joins_the_stored_bytes(storage: ObjectStorage) -> None:
    await storage.create(pod("a"))
    await storage.create(pod("b"))
    result = await storage.list()
    assert result.resource_version == "2"
    assert [item["metadata"]["resourceVersion"] for item in orjson.loads(b"[" + result.joined() + b"]")] == [
        "1",
        "2",
    ]


async def test_pages_show_one_snapshot(storage: ObjectStorage) -> None:
    for name in "abcde":
        await storage.create(pod(name))
    first = await storage.list(ListOptions(limit=2))
    assert first.remaining_item_count == 3
    await storage.delete("c", "default")
    await storage.create(pod("cc"))
    second = await storage.list(ListOptions(limit=2, continue_token=first.continue_token))
    third = await storage.list(ListOptions(limit=2, continue_token=second.continue_token))
    assert [item.name for page in (first, second, third) for item in page.items] == list("abcde")
    assert {page.resource_version for page in (first, second, third)} == {"5"}
    assert (second.remaining_item_count, third.continue_token) == (1, "")


async def test_pages_with_a_selector_are_filled(storage: ObjectStorage) -> None:
    for number in range(20):
        await storage.create(pod(f"p{number:02}", app="x" if number % 5 == 0 else "y"))
    first = await storage.list(ListOptions(scope("app=x"), limit=3))
    assert [item.name for item in first.items] == ["p00", "p05", "p10"]
    assert first.remaining_item_count is None
    await storage.create(pod("zz", app="x"))
    rest = await storage.list(ListOptions(scope("app=x"), limit=3, continue_token=first.continue_token))
    assert ([item.name for item in rest.items], rest.continue_token) == (["p15"], "")


async def test_expired_token_offers_an_inconsistent_continuation(
    storage: ObjectStorage, backend: MemoryBackend
) -> None:
    for name in "abc":
        await storage.create(pod(name))
    first = await storage.list(ListOptions(limit=1))
    await storage.create(pod("d"))
    await backend.compact(4)
    with pytest.raises(
        errors.Expired, match=r"^The provided continue parameter is too old to display"
    ) as refused:
        await storage.list(ListOptions(limit=1, continue_token=first.continue_token))
    token = refused.value.metadata["continue"]
    assert await names(storage, scope(), continue_token=token) == ["b", "c", "d"]


@pytest.mark.parametrize(
    "token", ["x", "eyJ9", "e30", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJhIn0", "é"]
)
async def test_bad_token_is_a_bad_request(storage: ObjectStorage, token: str) -> None:
    with pytest.raises(errors.BadRequest, match=r"^continue key is not valid: "):
        await storage.list(ListOptions(continue_token=token))


async def test_list_at_an_exact_revision(storage: ObjectStorage, backend: MemoryBackend) -> None:
    for name in "abc":
        await storage.create(pod(name))
    exact = ListOptions(resource_version="2", resource_version_match="Exact")
    result = await storage.list(exact)
    assert ([item.name for item in result.items], result.resource_version) == (["a", "b"], "2")
    newer = await storage.list(ListOptions(resource_version="2", resource_version_match="NotOlderThan"))
    assert len(newer.items) == 3
    await backend.compact(3)
    with pytest.raises(errors.Expired, match=r"^The resourceVersion for the provided list is too old.$"):
        await storage.list(exact)


async def test_read_at_a_future_revision_times_out(storage: ObjectStorage, clock: FakeClock) -> None:
    reading = asyncio.ensure_future(storage.list(ListOptions(resource_version="9")))
    await clock.advance(4)
    with pytest.raises(errors.Timeout, match="Too large resource version: 9, current: 0"):
        await reading


async def test_malformed_resource_version_is_a_bad_request(storage: ObjectStorage) -> None:
    with pytest.raises(errors.BadRequest, match='resourceVersion: Invalid value: "x1"'):
        await storage.list(ListOptions(resource_version="x1"))


async def test_watch_goes_on_after_a_revision(storage: ObjectStorage) -> None:
    await storage.create(pod("a"))
    await storage.create(pod("b"))
    watch = await storage.watch(WatchOptions(resource_version="1"))
    assert await next_batch(watch) == [("ADDED", "b")]
    await storage.update("a", "default", relabel("x"))
    await storage.delete("b", "default")
    assert await next_batch(watch) == [("MODIFIED", "a"), ("DELETED", "b")]
    watch.close()
    with pytest.raises(StopAsyncIteration):
        await anext(watch)
    assert len(storage.cache.watchers) == 0


async def test_watch_without_a_version_begins_with_the_present(storage: ObjectStorage) -> None:
    await storage.create(pod("a"))
    watch = await storage.watch()
    await storage.create(pod("b"))
    assert await next_batch(watch) == [("ADDED", "a")]
    assert await next_batch(watch) == [("ADDED", "b")]


async def test_initial_events_end_with_an_annotated_bookmark(storage: ObjectStorage) -> None:
    await storage.create(pod("a"))
    watch = await storage.watch(WatchOptions(bookmarks=True, send_initial_events=True))
    batch = await anext(watch)
    assert [event.type for event in batch] == ["ADDED", "BOOKMARK"]
    assert orjson.loads(batch[1].line) == {
        "type": "BOOKMARK",
        "object": {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "resourceVersion": "1",
                "creationTimestamp": None,
                "annotations": {"k8s.io/initial-events-end": "true"},
            },
        },
    }


async def test_selector_turns_changes_into_additions_and_deletions(storage: ObjectStorage) -> None:
    watch = await storage.watch(WatchOptions(scope("app=x"), send_initial_events=False))
    await storage.create(pod("a", app="y"))
    await storage.update("a", "default", relabel("x"))
    await storage.update("a", "default", relabel("y"))
    batch = await anext(watch)
    assert [(event.type, event.item.labels["app"], event.revision) for event in batch] == [
        ("ADDED", "x", 2),
        ("DELETED", "x", 3),
    ]
    assert b'"resourceVersion":"3"' in batch[1].line
    assert watch.batches() is watch


async def test_field_selector_sees_an_object_come_to_a_node(storage: ObjectStorage) -> None:
    here = await storage.watch(WatchOptions(scope(fields="spec.nodeName=n1"), send_initial_events=False))
    elsewhere = await storage.watch(WatchOptions(scope(fields="spec.nodeName=n2"), send_initial_events=False))
    await storage.create(pod("a"))

    async def bind(item: Item) -> Object:
        return {**item.decode(), "spec": {"nodeName": "n1"}}

    await storage.update("a", "default", bind)
    assert await next_batch(here) == [("ADDED", "a")]
    elsewhere.close()
    with pytest.raises(StopAsyncIteration):
        await anext(elsewhere)


async def test_event_line_is_encoded_once_for_all_watchers(storage: ObjectStorage) -> None:
    watches = [await storage.watch() for _ in range(3)]
    await storage.create(pod("a"))
    lines: list[bytes] = []
    for watch in watches:
        batch: list[StorageEvent] = list(await anext(watch))
        lines.append(batch[0].line)
    assert lines[0] is lines[1] is lines[2]
    assert orjson.loads(lines[0])["type"] == "ADDED"


async def test_watch_from_a_forgotten_revision_is_expired(
    backend: MemoryBackend, clock: FakeClock, storage: ObjectStorage
) -> None:
    await storage.create(pod("a"))
    await storage.create(pod("b"))
    await backend.compact(2)
    fresh = Storages(backend, clock).of(BY_GVR[PODS], field_labels)
    with pytest.raises(errors.Expired, match=r"^too old resource version: 1 \(2\)$"):
        await fresh.watch(WatchOptions(resource_version="1"))


async def test_watch_goes_on_after_a_restart_of_the_server(
    backend: MemoryBackend, clock: FakeClock, storage: ObjectStorage
) -> None:
    await storage.create(pod("a", app="x"))
    await storage.update("a", "default", relabel("y"))
    await storage.create(pod("b", app="x"))
    await storage.delete("b", "default")
    restarted = Storages(backend, clock).of(BY_GVR[PODS], field_labels)
    watch = await restarted.watch(WatchOptions(scope("app=x"), resource_version="1"))
    assert await next_batch(watch) == [("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b")]


async def test_slow_watcher_is_ended(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnace.apiserver.storage.watchers.BUFFER_LIMIT", 2)
    watch = await storage.watch()
    for name in "abc":
        await storage.create(pod(name))
    with pytest.raises(StopAsyncIteration):
        await anext(watch)
    assert watch.is_too_slow


async def test_bookmarks_come_every_minute(backend: MemoryBackend, clock: FakeClock) -> None:
    storages = Storages(backend, clock)
    storage = storages.of(BY_GVR[PODS], field_labels)
    running = asyncio.ensure_future(storages.run())
    watch = await storage.watch(WatchOptions(bookmarks=True))
    await clock.advance(61)
    batch = await anext(watch)
    assert [event.type for event in batch] == ["BOOKMARK"]
    running.cancel()


async def test_mutation_of_a_shared_object_is_detected(storage: ObjectStorage) -> None:
    await storage.create(pod("a"))
    shared = await storage.get("a", "default")
    shared.obj["spec"]["nodeName"] = "sneaky"
    with pytest.raises(AssertionError, match="changed inside a cache"):
        storage.cache.verify()
