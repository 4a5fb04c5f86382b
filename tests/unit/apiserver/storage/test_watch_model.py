"""Whoever lists and then watches, with any selector, at any moment, ends with what a new list shows."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pinnace.api import meta, selector_text
from pinnace.api.resources import BY_GVR, PODS
from pinnace.apimachinery import errors, selectors
from pinnace.apiserver.storage.item import Item, Object
from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.apiserver.storage.options import ListOptions, WatchOptions
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.storages import Storages
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.store.memory import MemoryBackend
from pinnace.testing.fake_clock import FakeClock

SCOPES = st.builds(
    Scope,
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(["", "app=a", "app!=a", "app"]).map(selector_text.parse),
    st.sampled_from(["", "spec.nodeName=n1", "spec.nodeName!=n1", "spec.nodeName="]).map(
        selectors.parse_fields
    ),
)
WRITE = st.tuples(
    st.sampled_from(["x", "y"]),
    st.sampled_from(["p", "q"]),
    st.one_of(st.none(), st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(["", "n1", "n2"]))),
)
STEPS = st.lists(st.one_of(WRITE, SCOPES), max_size=30)


def pod(namespace: str, name: str, app: str, node: str) -> Object:
    labels = {"app": app} if app else {}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
    }


def field_labels(obj: Object) -> dict[str, str]:
    names = {"metadata.name": meta.name(obj), "metadata.namespace": meta.namespace(obj)}
    return {**names, "spec.nodeName": obj["spec"].get("nodeName", "")}


async def write(storage: ObjectStorage, namespace: str, name: str, state: tuple[str, str] | None) -> None:
    """Bring the pod to this state, whatever it was."""

    async def change(item: Item) -> Object:
        assert state is not None
        return pod(namespace, name, *state)

    try:
        if state is None:
            await storage.delete(name, namespace)
        else:
            await storage.update(name, namespace, change)
    except errors.NotFound:
        if state is not None:
            await storage.create(pod(namespace, name, *state))


class Reader:
    """A client's copy: one list, then a watch."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.copy: dict[str, bytes] = {}

    async def begin(self, storage: ObjectStorage) -> None:
        listed = await storage.list(ListOptions(self.scope))
        self.copy = {item.key: item.raw for item in listed.items}
        options = WatchOptions(self.scope, listed.resource_version, send_initial_events=False)
        self.watch: ObjectWatch = await storage.watch(options)

    async def finish(self) -> dict[str, bytes]:
        self.watch.end()
        last = 0
        async for batch in self.watch.batches():
            for event in batch:
                assert event.revision > last
                last = event.revision
                assert (event.item.key in self.copy) == (event.type != "ADDED")
                if event.type == "DELETED":
                    del self.copy[event.item.key]
                else:
                    self.copy[event.item.key] = event.item.raw
        return self.copy


async def play(steps: list[Any]) -> None:
    storage = Storages(MemoryBackend(), FakeClock()).of(BY_GVR[PODS], field_labels)
    readers: list[Reader] = []
    for step in steps:
        if isinstance(step, Scope):
            readers.append(Reader(step))
            await readers[-1].begin(storage)
        else:
            await write(storage, *step)
    for reader in readers:
        present = (await storage.list(ListOptions(reader.scope))).items
        assert await reader.finish() == {item.key: item.raw for item in present}
    storage.cache.close()


@given(STEPS)
def test_list_and_watch_end_with_what_a_new_list_shows(steps: list[Any]) -> None:
    asyncio.run(play(steps))
