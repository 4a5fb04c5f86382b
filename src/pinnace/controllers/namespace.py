"""Namespace controller: empties a namespace that is being deleted, then lets it go.

Pods go first and everything else only when the last one is gone. Works on whatever the server has, so it is not one of the
pure controllers; what it reports is made by pure functions.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import NAMESPACES, PODS
from pinnace.apimachinery.errors import MethodNotSupported, NotFound, StatusError
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, following
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer, note
from pinnace.controllers.runtime import conditions
from pinnace.controllers.runtime.directory import Directory, Served
from pinnace.controllers.runtime.workers import Workers

log = logging.getLogger(__name__)

FINALIZER = "kubernetes"
SHORTEST_WAIT, LONGEST_WAIT = 0.1, 5.0  # seconds between two looks at what is still there


@dataclass(slots=True)
class Content:
    """What is left in a namespace after a round of deletions."""

    remaining: dict[str, int] = field(default_factory=dict)  # "pods." -> count, as upstream writes it
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def told(self) -> str:
        """What still keeps the namespace, in words."""
        left = ", ".join(f"{count} {name.rstrip('.')}" for name, count in sorted(self.remaining.items()))
        failed = "; ".join(self.errors)
        return ", ".join(filter(None, (f"{left} left" if left else "", failed))) or "it is empty"

    def note(self, served: Served, items: list[Object]) -> None:
        if items:
            self.remaining[f"{served.gvr.resource}.{served.gvr.group}"] = len(items)
        for item in items:
            self.finalizers.update(item["metadata"].get("finalizers") or ())


def report(
    found: list[Object], content: Content, failed_groups: dict[str, str], now: datetime
) -> list[Object]:
    """The namespace's conditions after a round."""

    def make(kind: str, bad: str, reason: str, ok_reason: str, ok_message: str) -> Object:
        if bad:
            return conditions.condition(kind, "True", reason, bad, now)
        return conditions.condition(kind, "False", ok_reason, ok_message, now)

    groups = ", ".join(f"{name}: {why}" for name, why in sorted(failed_groups.items()))
    errors = ", ".join(content.errors)
    left = ", ".join(f"{name} has {n} resource instances" for name, n in sorted(content.remaining.items()))
    held = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(content.finalizers.items()))
    for new in (
        make("NamespaceDeletionDiscoveryFailure",
             f"Discovery failed for some groups, {len(failed_groups)} failing: {groups}" if groups else "",
             "DiscoveryFailed", "ResourcesDiscovered", "All resources successfully discovered"),
        make("NamespaceDeletionGroupVersionParsingFailure", "", "",
             "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        make("NamespaceDeletionContentFailure",
             f"Failed to delete all resource types, {len(content.errors)} remaining: {errors}" if errors else "",
             "ContentDeletionFailed", "ContentDeleted",
             "All content successfully deleted, may be waiting on finalization"),
        make("NamespaceContentRemaining", f"Some resources are remaining: {left}" if left else "",
             "SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        make("NamespaceFinalizersRemaining",
             f"Some content in the namespace has finalizers remaining: {held}" if held else "",
             "SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
    ):  # fmt: skip
        found = conditions.with_condition(found, new)
    return found


class NamespaceController:
    name = "namespace"

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, directory: Directory, *, workers: int = 5,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._directory = client, clock, directory
        self._namespaces, self._pods = informers.of(NAMESPACES), informers.of(PODS)
        self._rounds: Counter[str] = Counter()
        self._recorder = EventRecorder(client, clock, "namespace-controller")
        self._workers = Workers(
            self.name,
            clock,
            self._sync,
            count=workers,
            recorder=self._recorder,
            about=self._namespaces.lister.get,
            tracer=tracer,
        )
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        await self._namespaces.wait_synced()
        with following((self._namespaces, self._changed), (self._pods, self._pod_changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.is_terminating(new):
            self._queue.add(meta.name(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """A pod that is gone may have been what a namespace was waiting for."""
        if new is None and old is not None and meta.namespace(old) in self._rounds:
            self._queue.add_after(meta.namespace(old), SHORTEST_WAIT)

    async def _sync(self, name: str) -> None:
        namespace = self._namespaces.lister.get(name)
        finalizers = (namespace or {}).get("spec", {}).get("finalizers") or []
        if namespace is None or not meta.is_terminating(namespace) or FINALIZER not in finalizers:
            self._rounds.pop(name, None)
            return
        await self._directory.refresh()
        content = await self._empty(name)
        note(why=content.told())
        namespace = await self._report(namespace, content)
        if content.remaining or content.errors or self._directory.failed:
            wait = min(SHORTEST_WAIT * 2 ** min(self._rounds[name], 30), LONGEST_WAIT)
            self._rounds[name] += 1
            self._queue.add_after(name, wait)
            return
        rest = [finalizer for finalizer in finalizers if finalizer != FINALIZER]
        body = {**namespace, "spec": {**namespace["spec"], "finalizers": rest}}
        try:
            await self._client.update(NAMESPACES, body, subresource="finalize")
        except NotFound:
            log.debug("namespace %s is gone", name)
        self._rounds.pop(name, None)

    async def _report(self, namespace: Object, content: Content) -> Object:
        status = namespace.get("status") or {}
        found = report(status.get("conditions") or [], content, self._directory.failed, self._clock.now())
        wanted = {**status, "phase": "Terminating", "conditions": found}
        if wanted == status:
            return namespace
        return await self._client.update(NAMESPACES, {**namespace, "status": wanted}, subresource="status")

    async def _empty(self, name: str) -> Content:
        """Delete pods; when there are none left, everything else. Says what is still there."""
        content = Content()
        namespaced = [served for served in self._directory if served.namespaced]
        for served in namespaced:
            if served.gvr == PODS:
                await self._clear(served, name, content)
        if not content.remaining and not content.errors:
            await asyncio.gather(
                *(self._clear(served, name, content) for served in namespaced if served.gvr != PODS)
            )
        return content

    async def _clear(self, served: Served, name: str, content: Content) -> None:
        try:
            items = (await self._client.list(served.gvr, name)).get("items") or []
            if not items:
                return
            await self._delete_all(served, name, items)
            content.note(served, (await self._client.list(served.gvr, name)).get("items") or [])
        except (NotFound, MethodNotSupported):
            return
        except (StatusError, OSError, TimeoutError) as error:
            content.errors.append(f"{served.gvr.qualified}: {error}")

    async def _delete_all(self, served: Served, name: str, items: list[Object]) -> None:
        if "deletecollection" in served.verbs:
            await self._client.delete_collection(served.gvr, name)
            return
        for item in items:
            await self._client.delete(served.gvr, meta.name(item), name, propagation_policy="Background")
