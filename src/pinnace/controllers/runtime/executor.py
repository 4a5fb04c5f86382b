"""Carries out the actions of one pass through the client: batches, preconditions, events, expectations."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import (
    AlreadyExists,
    Conflict,
    InternalError,
    NotFound,
    StatusError,
)
from pinnace.apimachinery.gvk import GVR
from pinnace.client.events import EventRecorder
from pinnace.client.interface import MERGE_PATCH, STRATEGIC_MERGE_PATCH, Client
from pinnace.component.clock import Clock
from pinnace.controllers.runtime.actions import (
    Action,
    Adopt,
    Count,
    Create,
    Delete,
    Emit,
    Fetch,
    Patch,
    Release,
    RequeueAfter,
    SetStatus,
    Update,
    gvr_of,
)
from pinnace.controllers.runtime.expectations import Expectations
from pinnace.controllers.runtime.measures import Measures
from pinnace.controllers.runtime.world import Memory, steady_time

log = logging.getLogger(__name__)

CONCURRENT_WRITES = 64

Write = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Outcome:
    """How a pass went. `failure` is what `world.failure` will be; a conflict is no failure, only a reason to look again."""

    failure: StatusError | None = None
    conflict: bool = False
    bug: Exception | None = None  # what was raised, when it was no answer of the API; there is a failure then
    is_told: bool = False  # the failure has an event of its own
    halted: bool = False  # nothing more can be done, and trying again would not help
    requeue_after: float | None = None
    status_revision: str = ""  # of the last status that the pass wrote
    revisions: dict[str, str] = field(default_factory=dict)  # uid -> resourceVersion after our own write

    @property
    def stopped(self) -> bool:
        return self.failure is not None or self.conflict or self.halted


def unanswered(error: Exception) -> InternalError:
    return InternalError(str(error) or type(error).__name__)


def _neighbours(action: Action) -> tuple[type, str]:
    """What runs together. Creates and patches of several kinds do not: the later ones may need the earlier ones."""
    return type(action), action.obj["kind"] if isinstance(action, Create | Patch) else ""


class Executor:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        recorder: EventRecorder,
        expectations: Expectations,
        memory: Memory | None = None,
        measures: Measures | None = None,
    ) -> None:
        """`memory` is where worlds recall what was fetched."""
        self._client, self._clock = client, clock
        self._recorder, self._expectations = recorder, expectations
        self._memory: Memory = memory if memory is not None else {}
        self._measures = measures or Measures()

    async def carry_out(self, key: Hashable, actions: Iterable[Action]) -> Outcome:
        outcome = Outcome()
        for (kind, _), group in itertools.groupby(actions, _neighbours):
            if outcome.stopped and kind not in (SetStatus, RequeueAfter):
                continue
            if kind is Create:
                creates = [partial(self._create, key, a, outcome) for a in group if isinstance(a, Create)]
                await self._in_growing_batches(creates, outcome)
            elif kind is Delete:
                deletes = [partial(self._delete, key, a, outcome) for a in group if isinstance(a, Delete)]
                await self._together(deletes, outcome)
            elif kind is Patch:
                await self._patch_all(key, [a for a in group if isinstance(a, Patch)], outcome)
            else:
                for action in group:
                    await self._one(key, action, outcome)
        return outcome

    async def _one(self, key: Hashable, action: Action, outcome: Outcome) -> None:
        match action:
            case Emit(about, kind, reason, message):
                self._recorder.event(about, kind, reason, message)
            case RequeueAfter(seconds):
                earlier = outcome.requeue_after
                outcome.requeue_after = seconds if earlier is None else min(seconds, earlier)
            case Count(measure, labels, by):
                self._measures.count(measure, labels, by)
            case Update():
                await self._guard(partial(self._update, key, action, outcome), outcome)
            case SetStatus(obj, status):
                await self._guard(partial(self._set_status, key, obj, status, outcome), outcome)
            case Adopt():
                await self._guard(partial(self._adopt, key, action), outcome)
            case Release():
                await self._guard(partial(self._release, key, action), outcome)
            case Fetch():
                await self._guard(partial(self._fetch, action, outcome), outcome)
            case _:
                raise TypeError(f"not an action: {action!r}")

    async def _guard(self, write: Write, outcome: Outcome) -> None:
        """Sort what a write raises: gone is fine, a conflict means look again, anything else is the pass's failure."""
        try:
            await write()
        except NotFound:
            pass
        except Conflict:
            outcome.conflict = True
        except StatusError as error:
            if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
                outcome.halted = True
                log.debug("write skipped, the namespace is terminating: %s", error)
            else:
                outcome.failure = outcome.failure or error
        except (OSError, TimeoutError) as error:
            outcome.failure = outcome.failure or unanswered(error)
        except (
            Exception
        ) as error:  # not raised: other writes of the pass are under way, and their answers count
            outcome.failure = outcome.failure or InternalError("the controller failed; see its log")
            outcome.bug = outcome.bug or error

    async def _in_growing_batches(self, writes: Sequence[Write], outcome: Outcome) -> None:
        """1, 2, 4, ... at a time, so that something that cannot succeed (a quota, say) is tried once and not 500 times."""
        size, position = 1, 0
        while position < len(writes) and not outcome.stopped:
            await self._together(writes[position : position + size], outcome)
            position, size = position + size, min(size * 2, 256)

    async def _patch_all(self, key: Hashable, patches: Sequence[Patch], outcome: Outcome) -> None:
        """Patches of different objects run together; several of one object in their order."""
        while patches and not outcome.stopped:
            firsts = {meta.uid(patch.obj): patch for patch in reversed(patches)}
            now = [patch for patch in patches if firsts[meta.uid(patch.obj)] is patch]
            await self._together([partial(self._patch, key, patch, outcome) for patch in now], outcome)
            patches = [patch for patch in patches if firsts[meta.uid(patch.obj)] is not patch]

    async def _together(self, writes: Sequence[Write], outcome: Outcome) -> None:
        if len(writes) == 1:
            await self._guard(writes[0], outcome)
            return
        limit = asyncio.Semaphore(CONCURRENT_WRITES)

        async def limited(write: Write) -> None:
            async with limit:
                await self._guard(write, outcome)

        async with asyncio.TaskGroup() as tasks:
            for write in writes:
                tasks.create_task(limited(write))

    async def find_out(self, key: Hashable) -> None:
        """After writes that had no answer: read what is there, and expect the informers to know all of it before the next
        decision. Raises what the read raises."""
        for gvr, space in self._expectations.uncertain_about(key):
            found = (await self._client.list(gvr, space or None)).get("items") or []
            self._expectations.take_stock(key, gvr, space, found, self._clock.monotonic())

    def _no_answer(self, key: Hashable, gvr: GVR, space: str, error: BaseException) -> None:
        """Remember a write that may have been done or not."""
        if not isinstance(error, StatusError) or error.code >= 500:
            self._expectations.uncertain(key, gvr, space)

    async def _create(self, key: Hashable, action: Create, outcome: Outcome) -> None:
        gvr, space = gvr_of(action.obj), meta.namespace(action.obj) if "metadata" in action.obj else ""
        noun = gvr.resource.removesuffix("s")
        try:
            result = await self._client.create(gvr, action.obj, space or None)
        except AlreadyExists:
            if action.may_exist:
                return
            raise
        except StatusError as error:
            self._no_answer(key, gvr, space, error)
            if not any(c.reason == "NamespaceTerminating" for c in error.causes):
                self._tell_failure(action, error, ("FailedCreate", "Error creating: "), outcome)
            raise
        except (OSError, TimeoutError, asyncio.CancelledError) as error:
            self._no_answer(key, gvr, space, error)
            raise
        self._expectations.wrote(key, gvr, result, self._clock.monotonic())
        self._tell(action, ("SuccessfulCreate", f"Created {noun}: {meta.name(result)}"))

    async def _delete(self, key: Hashable, action: Delete, outcome: Outcome) -> None:
        obj, gvr = action.obj, gvr_of(action.obj)
        noun = gvr.resource.removesuffix("s")
        try:
            await self._client.delete(
                gvr,
                meta.name(obj),
                meta.namespace(obj) or None,
                uid=meta.uid(obj),
                propagation_policy=action.propagation_policy,
                grace_period_seconds=action.grace_period_seconds,
                resource_version=meta.resource_version(obj) if action.guarded else "",
            )
        except (NotFound, Conflict):
            return  # it is gone, or another object has its name: either way the informer will tell
        except StatusError as error:
            self._no_answer(key, gvr, meta.namespace(obj), error)
            self._tell_failure(action, error, ("FailedDelete", "Error deleting: "), outcome)
            raise
        except (OSError, TimeoutError, asyncio.CancelledError) as error:
            self._no_answer(key, gvr, meta.namespace(obj), error)
            raise
        self._expectations.deleted(key, gvr, obj, self._clock.monotonic())
        self._tell(action, ("SuccessfulDelete", f"Deleted {noun}: {meta.name(obj)}"))

    def _tell(self, action: Create | Update | Delete, usual: tuple[str, str]) -> None:
        if action.about is not None:
            self._recorder.event(
                action.about, "Normal", *(usual if action.wording is None else action.wording.done)
            )

    def _tell_failure(
        self, action: Create | Update | Delete, error: StatusError, usual: tuple[str, str], outcome: Outcome
    ) -> None:
        if action.about is None:
            return
        outcome.is_told = True
        for reason, start in (usual,) if action.wording is None else action.wording.failed:
            self._recorder.event(action.about, "Warning", reason, f"{start}{error}")

    def _current(self, obj: Object, outcome: Outcome) -> str:
        """The resourceVersion to guard with: of the copy we decided on, or of our own later write in this pass."""
        return outcome.revisions.get(meta.uid(obj)) or meta.resource_version(obj)

    def _saw(self, key: Hashable, obj: Object, result: Object, outcome: Outcome) -> None:
        outcome.revisions[meta.uid(obj)] = meta.resource_version(result)
        self._expectations.wrote(key, gvr_of(obj), result, self._clock.monotonic())

    async def _update(self, key: Hashable, action: Update, outcome: Outcome) -> None:
        obj = action.obj
        try:
            result = await self._client.update(gvr_of(obj), obj)
        except (NotFound, Conflict):
            raise  # the next pass looks again
        except StatusError as error:
            self._tell_failure(action, error, ("FailedUpdate", "Error updating: "), outcome)
            raise
        self._saw(key, obj, result, outcome)
        self._tell(action, ("SuccessfulUpdate", f"Updated {obj['kind'].lower()}: {meta.name(obj)}"))

    async def _patch(self, key: Hashable, action: Patch, outcome: Outcome) -> None:
        obj, body = action.obj, action.body
        metadata: dict[str, Any] = {**body.get("metadata", {}), "uid": meta.uid(obj)}
        if action.guarded:
            metadata["resourceVersion"] = self._current(obj, outcome)
        body = {**body, "metadata": metadata}
        result = await self._client.patch(
            gvr_of(obj),
            meta.name(obj),
            body,
            meta.namespace(obj) or None,
            subresource=action.subresource,
            content_type=STRATEGIC_MERGE_PATCH if action.strategic else MERGE_PATCH,
        )
        self._saw(key, obj, result, outcome)

    async def _set_status(self, key: Hashable, obj: Object, status: Object, outcome: Outcome) -> None:
        metadata = {**obj["metadata"], "resourceVersion": self._current(obj, outcome)}
        body = {**obj, "metadata": metadata, "status": status}
        result = await self._client.update(gvr_of(obj), body, subresource="status")
        outcome.status_revision = meta.resource_version(result)
        self._saw(key, obj, result, outcome)

    async def _adopt(self, key: Hashable, action: Adopt) -> None:
        obj, owner = action.obj, action.owner
        fresh = await self._client.get(gvr_of(owner), meta.name(owner), meta.namespace(owner) or None)
        if meta.uid(fresh) != meta.uid(owner) or meta.is_terminating(fresh):
            return
        change: Object = {
            "ownerReferences": [*(obj["metadata"].get("ownerReferences") or ()), meta.owner_reference(owner)]
        }
        finalizers = obj["metadata"].get("finalizers") or []
        if action.finalizer and action.finalizer not in finalizers:
            change["finalizers"] = [*finalizers, action.finalizer]
        await self._set_metadata(key, obj, change)

    async def _fetch(self, action: Fetch, outcome: Outcome) -> None:
        try:
            found = action.keep(await self._client.raw("GET", action.path))
        except NotFound:
            found = None
        self._memory[action.fact] = (found, steady_time(self._clock))
        outcome.requeue_after = 0.0

    async def _release(self, key: Hashable, action: Release) -> None:
        metadata, owner = action.obj["metadata"], meta.uid(action.owner)
        change: Object = {
            "ownerReferences": [r for r in metadata.get("ownerReferences") or () if r.get("uid") != owner]
        }
        finalizers = metadata.get("finalizers") or []
        if action.finalizer in finalizers:
            change["finalizers"] = [one for one in finalizers if one != action.finalizer]
        await self._set_metadata(key, action.obj, change)

    async def _set_metadata(self, key: Hashable, obj: Object, change: Object) -> None:
        own = {"uid": meta.uid(obj), "resourceVersion": meta.resource_version(obj)}
        gvr, body = gvr_of(obj), {"metadata": {**own, **change}}
        result = await self._client.patch(gvr, meta.name(obj), body, meta.namespace(obj) or None)
        self._expectations.wrote(key, gvr, result, self._clock.monotonic())
