"""Writes pod statuses to the API: in the background, the newest one only, one pod at a time.

A status that was written after its pod changed hands is refused by the server (the uid in the patch differs).
"""

import asyncio
import logging
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.client.interface import STRATEGIC_MERGE_PATCH, Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.component.tracing import CURRENT, Span
from pinnace.kubelet.pod_status import same_but_for_times

log = logging.getLogger(__name__)

WRITERS = 4


class StatusWriter:
    """`written` of a pod is what the API holds after our last write, so that later diffs need no read."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._queue: WorkQueue[str] = WorkQueue(clock, base_delay=0.05, max_delay=30.0)
        self._wanted: dict[str, tuple[Object, dict[str, Any], Span | None]] = {}
        self._written: dict[str, dict[str, Any]] = {}
        self._idle: dict[str, asyncio.Event] = {}

    def set(self, pod: Object, status: dict[str, Any]) -> None:
        """Have `status` written, unless it is there already."""
        uid = meta.uid(pod)
        if uid not in self._wanted:
            known = self._written.get(uid) or pod.get("status")
            if same_but_for_times(known, status):
                return
        self._wanted[uid] = (pod, status, CURRENT.get())
        self._idle.setdefault(uid, asyncio.Event()).clear()
        self._queue.add(uid)

    async def flush(self, uid: str) -> None:
        """Return when nothing waits to be written for this pod."""
        while uid in self._wanted:
            await self._idle[uid].wait()

    def forget(self, uid: str) -> None:
        self._written.pop(uid, None)
        self._idle.pop(uid, None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._write_for_ever())

    async def _write_for_ever(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._write(uid)
                self._queue.forget(uid)
            except (ConnectionError, TimeoutError, StatusError) as error:
                delay = self._queue.add_rate_limited(uid)
                log.warning("status of pod %s not written (%s); again in %.1f s", uid, error, delay)
            except Exception:
                log.exception("status of pod %s not written", uid)
                self._queue.add_rate_limited(uid)
            finally:
                self._queue.done(uid)

    async def _write(self, uid: str) -> None:
        wanted = self._wanted.get(uid)
        if wanted is None:
            return
        pod, status, span = wanted
        CURRENT.set(span)  # until the next one of this task
        base = self._written.get(uid) or pod.get("status") or {}
        body = {"metadata": {"uid": uid}, "status": patch_of(base, status)}
        try:
            answer = await self._client.patch(
                PODS, meta.name(pod), body, meta.namespace(pod),
                content_type=STRATEGIC_MERGE_PATCH, subresource="status",
            )  # fmt: skip
            self._written[uid] = answer.get("status") or {}
        except NotFound:
            pass
        except Conflict as error:
            log.debug("status of pod %s dropped: %s", uid, error)
        if self._wanted.get(uid) is wanted:
            del self._wanted[uid]
            self._idle.setdefault(uid, asyncio.Event()).set()
        else:
            self._queue.add(uid)


def patch_of(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A strategic merge patch: what changed, nulls for what vanished; addresses are replaced, conditions merged by type."""
    patch: dict[str, Any] = {
        field: value for field, value in new.items() if field != "conditions" and old.get(field) != value
    }
    patch.update({field: None for field in old if field not in new and field != "conditions"})
    if isinstance(patch.get("podIPs"), list) and old.get("podIPs"):
        patch["podIPs"] = [{"$patch": "replace"}, *patch["podIPs"]]
    known = {one["type"]: one for one in old.get("conditions") or ()}
    changed = [
        {**dict.fromkeys(known.get(one["type"], {})), **one}  # nulls for what a condition no longer says
        for one in new.get("conditions") or ()
        if not _same_condition(known.get(one["type"]), one)
    ]
    gone = known.keys() - {one["type"] for one in new.get("conditions") or ()}
    changed += [{"$patch": "delete", "type": kind} for kind in sorted(gone)]
    if changed:
        patch["conditions"] = changed
    return patch


def _same_condition(old: dict[str, Any] | None, new: dict[str, Any]) -> bool:
    if old is None:
        return False
    return {k: v for k, v in old.items() if v is not None} == {k: v for k, v in new.items() if v is not None}
