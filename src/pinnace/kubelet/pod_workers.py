"""One worker for each pod: it syncs the pod, then ends it, then cleans up after it, never two things at a time.

A worker is woken by changes of the API object, of the runtime, of what the pod refers to, and by its own timer. An end
interrupts a sync (an image pull may take an hour); a shorter grace period interrupts a longer one.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import StatusError
from pinnace.component.clock import Clock
from pinnace.component.tracing import CURRENT, Tracer
from pinnace.kubelet.cri.runtime import CriError
from pinnace.kubelet.pod_conditions import OWN_CONDITIONS
from pinnace.kubelet.pod_record import PodRecord
from pinnace.kubelet.tracing import begin_end, seen, told_ready

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


class PodSync(Protocol):
    async def sync(self, record: PodRecord) -> None:
        """Towards the spec; sets `record.retry_after` when it wants to be called again soon. May be cancelled."""

    def room_appeared(self) -> None:
        """A pod takes no more of the node's resources."""


class PodEnding(Protocol):
    """Each step may be repeated."""

    async def end(self, record: PodRecord, grace: int) -> None:
        """Stop everything that runs; returns when nothing does."""

    async def clean_up(self, record: PodRecord) -> None:
        """Volumes, cgroups, directories; then the final status."""

    async def forget(self, record: PodRecord) -> None:
        """Delete the API object if it waits for that, and what the runtime still keeps of the pod."""


class PodWorker:
    def __init__(
        self, record: PodRecord, syncing: PodSync, ending: PodEnding, clock: Clock, resync: float
    ) -> None:
        self.record = record
        self._syncing, self._ending, self._clock, self._resync = syncing, ending, clock, resync
        self._wake = asyncio.Event()
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self.is_finished = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"pod {meta.key_text(self.record.pod)}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        await self._ended.wait()

    async def finished(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    def wake(self) -> None:
        self._wake.set()
        if self.record.wants_end():
            self._end.set()

    async def _run(self) -> None:
        CURRENT.set(self.record.span)  # of this task and those that it starts
        try:
            await self._sync_until_end()
            CURRENT.set(ending := begin_end(self.record))
            await self._repeat("ending", self._end_pod)
            self.record.has_ended = True
            told_ready(self.record.span)
            told_ready(ending)
            self._ended.set()
            self._syncing.room_appeared()
            await self._repeat("cleaning up", lambda: self._ending.clean_up(self.record))
            await self._wait_deleted()
            await self._repeat("removing", lambda: self._ending.forget(self.record))
        finally:
            self.is_finished = True
            self._ended.set()

    async def _sync_until_end(self) -> None:
        self.wake()
        while not self._end.is_set():
            self._wake.clear()
            await self._interruptible(self._sync_once())
            if self.record.wants_end():
                return
            pause = self._resync if self.record.retry_after is None else self.record.retry_after
            await self._wait_woken(pause)

    async def _sync_once(self) -> None:
        self.record.retry_after = None
        try:
            await self._syncing.sync(self.record)
        except (CriError, StatusError, ConnectionError, TimeoutError) as error:
            log.warning("pod %s: %s", meta.key_text(self.record.pod), error)
            self.record.retry_after = RETRY_SECONDS
        except Exception:
            log.exception("sync of pod %s failed", meta.key_text(self.record.pod))
            self.record.retry_after = RETRY_SECONDS

    async def _interruptible(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, but give it up when the pod shall end."""
        doing, ending = asyncio.ensure_future(work), asyncio.ensure_future(self._end.wait())
        try:
            await asyncio.wait((doing, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (doing, ending):
                task.cancel()
            await asyncio.gather(doing, ending, return_exceptions=True)

    async def _wait_woken(self, seconds: float) -> None:
        try:
            await self._clock.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _end_pod(self) -> None:
        """A new, shorter grace period while we wait starts the end over with it."""
        self.record.is_ending = True
        while True:
            grace = self.record.grace_seconds()
            ending = asyncio.ensure_future(self._ending.end(self.record, grace))
            try:
                while not ending.done() and self.record.grace_seconds() >= grace:
                    self._wake.clear()
                    waking = asyncio.ensure_future(self._wake.wait())
                    await asyncio.wait((ending, waking), return_when=asyncio.FIRST_COMPLETED)
                    waking.cancel()
                if ending.done():
                    return ending.result()
            finally:
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)

    async def _wait_deleted(self) -> None:
        while not (self.record.is_gone_from_api or meta.is_terminating(self.record.pod)):
            self._wake.clear()
            await self._wake.wait()

    async def _repeat(self, what: str, step: "_Step") -> None:
        pause = 0.5
        while True:
            try:
                await step()
            except (CriError, StatusError, ConnectionError, TimeoutError) as error:
                log.warning("%s pod %s: %s", what, meta.key_text(self.record.pod), error)
            except Exception:
                log.exception("%s pod %s failed", what, meta.key_text(self.record.pod))
            else:
                return
            await self._wait_woken(pause)
            pause = min(pause * 2, 30.0)


class _Step(Protocol):
    async def __call__(self) -> None: ...


def concerns_kubelet(old: Object, new: Object) -> bool:
    """False for the echo of a status that the kubelet itself wrote."""
    if old["spec"] != new["spec"] or pods.is_terminal(old) != pods.is_terminal(new):
        return True
    fields = ("labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds")
    if any(old["metadata"].get(field) != new["metadata"].get(field) for field in fields):
        return True
    return _foreign_conditions(old) != _foreign_conditions(new)


def _foreign_conditions(pod: Object) -> list[tuple[str, str]]:
    listed = (pod.get("status") or {}).get("conditions") or ()
    return sorted((one["type"], one["status"]) for one in listed if one["type"] not in OWN_CONDITIONS)


class PodWorkers:
    """The workers by pod uid."""

    def __init__(
        self,
        syncing: PodSync,
        ending: PodEnding,
        clock: Clock,
        resync_seconds: float,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._syncing, self._ending, self._clock, self._resync = syncing, ending, clock, resync_seconds
        self._workers: dict[str, PodWorker] = {}

    def records(self) -> list[PodRecord]:
        return [worker.record for worker in self._workers.values()]

    def record(self, uid: str) -> PodRecord | None:
        worker = self._workers.get(uid)
        return worker.record if worker else None

    def update(self, pod: Object, *, is_static: bool = False) -> PodRecord:
        """A pod is new or changed."""
        uid = meta.uid(pod)
        worker = self._workers.get(uid)
        if worker is None:
            record = PodRecord(pod, is_static=is_static)
            if self._tracer is not None:
                record.span = seen(self._tracer, pod)
            worker = self._workers[uid] = PodWorker(
                record, self._syncing, self._ending, self._clock, self._resync
            )
            worker.start()
        else:
            before = worker.record.desired
            worker.record.take(pod)
            if concerns_kubelet(before, pod):
                worker.wake()
        return worker.record

    def is_alive(self, uid: str) -> bool:
        """Whether something of this pod may still run."""
        worker = self._workers.get(uid)
        return worker is not None and not worker.record.has_ended

    def remove(self, pod: Object) -> None:
        """The API object is gone: whatever still runs of it is ended."""
        worker = self._workers.get(meta.uid(pod))
        if worker is not None:
            worker.record.is_gone_from_api = True
            worker.wake()
            self._syncing.room_appeared()

    async def ended(self, uid: str) -> None:
        """Return when no container of that pod runs."""
        worker = self._workers.get(uid)
        if worker is not None:
            await worker.ended()

    async def finished(self, uid: str) -> None:
        """Return when nothing of that pod is left."""
        worker = self._workers.get(uid)
        if worker is not None:
            await worker.finished()

    def wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def sweep(self) -> None:
        """Drop workers whose pods are gone altogether."""
        for uid in [uid for uid, worker in self._workers.items() if worker.is_finished]:
            del self._workers[uid]

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.stop()
