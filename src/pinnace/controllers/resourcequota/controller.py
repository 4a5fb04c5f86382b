"""The loop: quotas and the resources that they name wake keys; a key's usage is counted from the informers."""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.quota.amounts import Amounts, add, parsed
from pinnace.api.quota.evaluators import evaluator_for, resources_of
from pinnace.api.resources import RESOURCE_QUOTAS
from pinnace.apimachinery.gvk import GVR
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, Key, Lister, following
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.controllers.resourcequota.usage import Resource, counted, decide
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.workers import Workers

log = logging.getLogger(__name__)

SETTLE = 0.2  # seconds that a lower number must be seen before it is believed
RECHECK = 5.0  # seconds after a charge until somebody looks whether its object has come
DISCOVERY = 5.0  # seconds between two looks for a resource that the server does not have
PIECE = 200  # objects counted in one go
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a quota's status said when its usage was first found to be lower."""

    when: float
    used: Amounts


class ResourceQuotaController:
    name = "resourcequota"

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, directory: Directory, *, workers: int = 5,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._client, self._clock = client, clock
        self._informers, self._directory = informers, directory
        self._quotas = informers.of(RESOURCE_QUOTAS)
        self._recorder = EventRecorder(client, clock, "resourcequota-controller")
        self._workers = Workers(
            self.name,
            clock,
            self._sync,
            count=workers,
            max_delay=60.0,
            recorder=self._recorder,
            about=self._quota,
            tracer=tracer,
        )
        self._queue, self.metrics = self._workers.queue, self._workers.metrics
        self._followed: dict[Resource, GVR] = {}
        self._seen: dict[Key, _Seen] = {}

    async def run(self) -> None:
        await self._quotas.wait_synced()
        with following((self._quotas, self._quota_changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    # -- what wakes a key -----------------------------------------------------------------------------------
    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._seen.pop(meta.key(old), None)
            return
        if old is None or _spec_or_hard(old) != _spec_or_hard(new):
            self._queue.add(meta.key(new))
        else:
            self._queue.add_after(meta.key(new), RECHECK)

    def _object_changed(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """What is new has been charged already; what is gone, has ended or has changed may use less."""
        changed = new if new is not None else old
        if changed is None:
            return
        if old is not None and new is not None and not _uses_other(resource, old, new):
            return
        for quota in self._quotas.lister.select(meta.namespace(changed)):
            if resource not in resources_of((quota.get("spec") or {}).get("hard") or ()):
                continue
            if old is None:
                self._queue.add_after(meta.key(quota), RECHECK)
            else:
                self._queue.add(meta.key(quota))

    # -- a pass ---------------------------------------------------------------------------------------------
    def _quota(self, key: Key) -> Object | None:
        return self._quotas.lister.get(key[1], key[0])

    async def _sync(self, key: Key) -> None:
        quota = self._quota(key)
        if quota is None or meta.is_terminating(quota):
            return
        wanted = resources_of((quota.get("spec") or {}).get("hard") or ())
        listers = await self._listers(wanted)
        if len(listers) < len(wanted):
            self._queue.add_after(key, DISCOVERY)
        found = await self._count(quota, listers)
        seen = self._seen.get(key)
        is_due = seen is not None and self._clock.monotonic() - seen.when >= SETTLE
        verdict = decide(quota, found, seen.used if seen is not None and is_due else None)
        if verdict.status is not None:  # a conflict leaves what was seen: the next pass goes on from there
            await self._client.update(
                RESOURCE_QUOTAS, {**quota, "status": verdict.status}, subresource="status"
            )
        if verdict.is_settled:
            self._seen.pop(key, None)
            return
        if seen is None or is_due:
            used = (quota.get("status") or {}).get("used")
            self._seen[key] = _Seen(self._clock.monotonic(), parsed(used))
        self._queue.add_after(key, SETTLE)

    async def _count(self, quota: Object, listers: dict[Resource, Lister]) -> Amounts:
        """In pieces, between which others may run: a namespace can hold many thousand pods.

        What changes meanwhile does no harm: a charge makes the write a conflict, and whatever goes away wakes the key again.
        """
        found: Amounts = {}
        now = self._clock.now()
        for resource, lister in listers.items():
            objects = lister.select(meta.namespace(quota))
            found = add(found, counted(quota, resource, objects[:PIECE], now))
            for begin in range(PIECE, len(objects), PIECE):
                await self._clock.sleep(0)
                found = add(found, counted(quota, resource, objects[begin : begin + PIECE], now))
        return found

    async def _listers(self, wanted: set[Resource]) -> dict[Resource, Lister]:
        """The informers' copies of these resources, without those that the server does not have (yet)."""
        for resource in wanted - set(self._followed):
            if (gvr := self._find(resource)) is None:
                await self._directory.refresh()
                gvr = self._find(resource)
            if gvr is not None:
                await self._follow(resource, gvr)
        return {
            resource: self._informers.of(self._followed[resource]).lister
            for resource in wanted
            if resource in self._followed
        }

    def _find(self, resource: Resource) -> GVR | None:
        served = (
            one for one in self._directory if (one.gvr.resource, one.gvr.group) == resource and one.namespaced
        )
        return next((one.gvr for one in served), None)

    async def _follow(self, resource: Resource, gvr: GVR) -> None:
        informer = self._informers.of(gvr)
        await informer.wait_synced()
        if resource not in self._followed:  # another worker may have been quicker
            self._followed[resource] = gvr
            informer.add_handler(partial(self._object_changed, resource))


def _spec_or_hard(quota: Object) -> tuple[object, object]:
    return quota.get("spec"), (quota.get("status") or {}).get("hard")


def _uses_other(resource: Resource, old: Object, new: Object) -> bool:
    """Whether a change of an object may change what is charged for it: a pod ended or was resized, a claim grew."""
    if resource != ("pods", ""):
        is_measured = evaluator_for(*resource).on_update
        return is_measured and (old.get("spec"), old.get("status")) != (new.get("spec"), new.get("status"))
    was_ended, is_ended = ((pod.get("status") or {}).get("phase") in _ENDED for pod in (old, new))
    return was_ended != is_ended or old.get("spec") != new.get("spec")
