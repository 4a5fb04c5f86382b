"""The garbage collector at work: one informer per resource feeds the graph, workers look at what the graph points out."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS, EVENTS
from pinnace.apimachinery.errors import Conflict, NotFound
from pinnace.apimachinery.gvk import GVR
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer, note
from pinnace.controllers.garbage.decisions import Keep, OwnerState, decide
from pinnace.controllers.garbage.graph import FOREGROUND, ORPHAN, REMEMBERED_ABSENT, Graph, Node
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.workers import Workers

RESYNC = 30.0  # seconds between two looks for new resources
IGNORED = frozenset((EVENTS,))


class GarbageCollector:
    name = "garbage-collector"

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, directory: Directory, *, workers: int = 20,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._client, self._clock = client, clock
        self._informers, self._directory = informers, directory
        self._recorder = EventRecorder(client, clock, "garbage-collector-controller")
        self._graph = Graph()
        self._workers = Workers(
            self.name, clock, self._look_at, count=workers, recorder=self._recorder, about=self._object_of,
            tracer=tracer,
        )  # fmt: skip
        self._queue, self.metrics = self._workers.queue, self._workers.metrics
        self._watched: set[GVR] = set()
        self._not_there: OrderedDict[tuple[str, ...], None] = OrderedDict()  # what references named in vain
        self._definitions_changed = asyncio.Event()
        self._watch_resources()

    async def run(self) -> None:
        await asyncio.gather(*(self._informers.of(gvr).wait_synced() for gvr in self._watched))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._follow_discovery())
            tasks.create_task(self._workers.run())

    def _watch_resources(self) -> None:
        for served in self._directory:
            if served.gvr not in self._watched and served.gvr not in IGNORED:
                self._watched.add(served.gvr)
                self._informers.of(served.gvr).add_handler(partial(self._changed, served.gvr))

    async def _follow_discovery(self) -> None:
        while True:
            self._definitions_changed.clear()
            await self._directory.refresh()
            self._watch_resources()
            self._forget_resources()
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._definitions_changed.wait(), RESYNC)

    def _forget_resources(self) -> None:
        """Resources that the server has no more: their objects are gone with them."""
        if self._directory.failed:
            return
        for gvr in self._watched - {served.gvr for served in self._directory}:
            self._watched.discard(gvr)
            for obj in self._informers.forget(gvr):
                self._changed(gvr, obj, None)

    def _changed(self, gvr: GVR, old: Object | None, new: Object | None) -> None:
        if gvr == CUSTOM_RESOURCE_DEFINITIONS:
            self._definitions_changed.set()
        if old is not None and (new is None or meta.uid(new) != meta.uid(old)):
            self._look_at_all(self._graph.remove(meta.uid(old)), old)
        if new is not None:
            self._look_at_all(self._graph.put(new, gvr), new)

    def _look_at_all(self, nodes: Iterable[Node], changed: Object) -> None:
        for node in nodes:
            self._workers.saw(node.uid, changed)
            self._queue.add(node.uid)

    def _object_of(self, uid: str) -> Object | None:
        node = self._graph.get(uid)
        return self._copy_of(node) if node is not None else None

    async def _look_at(self, uid: str) -> None:
        node = self._graph.get(uid)
        if node is None:
            return
        if node.is_virtual:
            await self._look_up(node)
        elif node.is_orphaning:
            await self._set_free(node)
        elif node.is_deleting_dependents:
            await self._finish_foreground(node)
        elif not node.is_terminating:
            await self._collect(node)

    async def _look_up(self, node: Node) -> None:
        """An owner that no informer knows: ask the server; if it is not there, every dependent asks for what it named itself."""
        reference = {"apiVersion": node.api_version, "kind": node.kind, "name": node.name, "uid": node.uid}
        if await self._looked_up(reference, node.namespace) != "solid":
            for dependent in list(node.dependents.values()):
                self._queue.add(dependent.uid)

    async def _looked_up(self, ref: Object, namespace: str) -> OwnerState:
        """What the server says of the owner that an object of `namespace` ("" for none) names."""
        place = (ref["uid"], ref["apiVersion"], ref["kind"], ref["name"], namespace)
        if place in self._not_there:
            return "dangling"
        served = self._directory.find(ref["apiVersion"], ref["kind"])
        if served is None:
            await self._directory.refresh()
            served = self._directory.find(ref["apiVersion"], ref["kind"])
        if served is None:
            raise Conflict(f"no resource serves {ref['apiVersion']} {ref['kind']}")  # perhaps later
        if served.namespaced and not namespace:
            return "impossible"
        try:
            found = await self._client.get(served.gvr, ref["name"], namespace if served.namespaced else None)
        except NotFound:
            found = {"metadata": {}}
        if meta.uid(found) == ref["uid"]:
            return "solid"
        self._not_there[place] = None
        while len(self._not_there) > REMEMBERED_ABSENT:
            self._not_there.popitem(last=False)
        return "dangling"

    async def _set_free(self, node: Node) -> None:
        """Orphan: take the reference off every dependent, then the finalizer off the owner."""
        for dependent in list(node.dependents.values()):
            await self._drop_owners(dependent, frozenset((node.uid,)))
        note(why="what it owned is set free")
        await self._drop_finalizer(node, ORPHAN)

    async def _finish_foreground(self, node: Node) -> None:
        blocking = node.blocking_dependents()
        for dependent in blocking:
            if not dependent.is_deleting_dependents:
                self._queue.add(dependent.uid)
        if not blocking:
            note(why="what it owned is gone")
            await self._drop_finalizer(node, FOREGROUND)

    async def _collect(self, node: Node) -> None:
        obj = self._copy_of(node)
        if obj is None or not node.owners:
            return
        owners = [(ref, await self._state_of(node, ref, obj)) for ref in node.owners]
        match decide(node, owners):
            case None:
                return
            case Keep(drop):
                if drop:
                    await self._drop_owners(node, drop)
            case verdict:
                note(why=_why(node, owners))
                if verdict.unblock:
                    obj = await self._unblock(node, obj)
                await self._delete(node, obj, verdict.policy)

    async def _state_of(self, node: Node, ref: Object, obj: Object) -> OwnerState:
        owner = self._graph.get(ref["uid"])
        if owner is None or owner.is_virtual or not owner.is_named_by(ref):
            if self._graph.is_absent(ref["uid"]):
                return "dangling"
            return await self._looked_up(ref, node.namespace)
        if not owner.may_own(node):
            self._recorder.event(obj, "Warning", "OwnerRefInvalidNamespace", _wrong_namespace(node, ref))
            return "dangling" if node.namespace else "impossible"
        return "waiting" if owner.is_deleting_dependents else "solid"

    def _copy_of(self, node: Node) -> Object | None:
        """The informer's copy, if it is still this very object."""
        if node.gvr is None:
            return None
        obj = self._informers.of(node.gvr).lister.get(node.name, node.namespace)
        return obj if obj is not None and meta.uid(obj) == node.uid else None

    async def _delete(self, node: Node, obj: Object, policy: str) -> None:
        """Guarded by uid and revision: an object that changed since is looked at again."""
        if node.gvr is not None:
            await self._client.delete(
                node.gvr,
                node.name,
                node.namespace or None,
                uid=node.uid,
                resource_version=meta.resource_version(obj),
                propagation_policy=policy,
            )

    async def _patch(self, node: Node, obj: Object, **metadata: Any) -> Object:
        if node.gvr is None:
            return obj
        guard = {"uid": node.uid, "resourceVersion": meta.resource_version(obj)}
        return await self._client.patch(
            node.gvr, node.name, {"metadata": {**guard, **metadata}}, node.namespace or None
        )

    async def _drop_owners(self, node: Node, uids: frozenset[str]) -> None:
        obj = self._copy_of(node)
        if obj is None:
            return
        references = obj["metadata"].get("ownerReferences") or []
        rest = [ref for ref in references if ref["uid"] not in uids]
        if len(rest) < len(references):
            await self._patch(node, obj, ownerReferences=rest or None)

    async def _unblock(self, node: Node, obj: Object) -> Object:
        references = [
            {**ref, "blockOwnerDeletion": False} for ref in obj["metadata"].get("ownerReferences") or []
        ]
        return await self._patch(node, obj, ownerReferences=references)

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        obj = self._copy_of(node)
        if obj is None:
            return
        finalizers = obj["metadata"].get("finalizers") or []
        if finalizer in finalizers:
            rest = [name for name in finalizers if name != finalizer]
            await self._patch(node, obj, finalizers=rest or None)


def _why(node: Node, owners: Iterable[tuple[Object, OwnerState]]) -> str:
    told = {"waiting": "is deleted in the foreground", "solid": "is there"}
    return ", ".join(
        f"its owner {ref['kind'].lower()}/{ref['name']} {told.get(state, 'is gone')}" for ref, state in owners
    )


def _wrong_namespace(node: Node, ref: Object) -> str:
    owner = f"[{ref['apiVersion']}/{ref['kind']}, namespace: {node.namespace}, name: {ref['name']}, uid: {ref['uid']}]"
    return f'ownerRef {owner} does not exist in namespace "{node.namespace}"'
