"""The loop around a pure controller: informers wake keys, workers take a pass over each, failures come back with back-off.

It owns what every controller would otherwise repeat: the queue, expectations, the executor, events, and counting.
"""

import asyncio
import logging

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import InternalError, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informer, Informers, Key
from pinnace.client.interface import Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.controllers.runtime import indexes
from pinnace.controllers.runtime.controller import Controller, KeysOf
from pinnace.controllers.runtime.executor import Executor, Outcome, unanswered
from pinnace.controllers.runtime.expectations import Expectations
from pinnace.controllers.runtime.metrics import LoopMetrics
from pinnace.controllers.runtime.workers import RETRIES_PER_SECOND, Failures
from pinnace.controllers.runtime.world import Memory, World

log = logging.getLogger(__name__)

UNSEEN_RECHECK = (
    0.5  # seconds until a key that waits for our own writes is looked at again, if no event does it before
)


class ControllerLoop:
    def __init__(self, controller: Controller, client: Client, clock: Clock, informers: Informers) -> None:
        self.controller, self._clock = controller, clock
        self._informers: dict[GVR, Informer] = {gvr: informers.of(gvr) for gvr in controller.resources}
        for gvr, informer in self._informers.items():
            indexes.add_to(informer.lister, gvr)
        self._listers = {gvr: informer.lister for gvr, informer in self._informers.items()}
        self._queue: WorkQueue[Key] = WorkQueue(clock, retries_per_second=RETRIES_PER_SECOND)
        self._recorder = EventRecorder(client, clock, controller.source)
        self._expectations = Expectations(self._informers.get)
        self._memory: Memory = {}
        self._executor = Executor(client, clock, self._recorder, self._expectations, self._memory)
        self._failures: dict[Key, StatusError] = {}
        self._last_pass: dict[Key, float] = {}
        self.metrics = LoopMetrics(controller.name, self._queue)
        self._failed: Failures[Key] = Failures(self.metrics, self._recorder)

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in self._informers.values():
            await informer.wait_synced()
        self._informers[self.controller.primary].add_handler(self._primary_changed)
        for gvr, keys_of in self.controller.watches.items():
            self._follow(gvr, keys_of)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                for _ in range(self.controller.workers):
                    tasks.create_task(self._work())
        finally:
            self._queue.close()

    def world(self, key: Key | None = None) -> World:
        failure = self._failures.get(key) if key is not None else None
        return World(self._listers, self._clock.now(), failure, self._memory)

    def _primary_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new if new is not None else old
        if changed is None:
            return
        if new is not None and self.controller.concerns:
            try:
                if not self.controller.concerns(old, new):
                    return
            except Exception as error:  # better one pass too many than a change that nobody looks at
                self._handler_failed(new, error)
        self._add(meta.key(changed))

    def _follow(self, gvr: GVR, keys_of: KeysOf) -> None:
        def changed(old: Object | None, new: Object | None) -> None:
            try:
                for key in keys_of(old, new, self.world()):
                    self._add(key, coalesce=True)
            except Exception as error:
                self._handler_failed(new or old or {}, error)

        self._informers[gvr].add_handler(changed)

    def _handler_failed(self, obj: Object, error: Exception) -> None:
        log.exception("%s: a handler failed on %s", self.controller.name, meta.key(obj))
        self.metrics.failed(error)

    def _add(self, key: Key, *, coalesce: bool = False) -> None:
        window = self.controller.coalesce_seconds
        if coalesce and window and key in self._last_pass:
            wait = window - (self._clock.monotonic() - self._last_pass[key])
            self._queue.add_after(key, wait)
        else:
            self._queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._pass(key)
            except StatusError as error:
                self._come_back(key, error)
            except (OSError, TimeoutError) as error:
                self._come_back(key, unanswered(error))
            except Exception as error:
                self._come_back(key, InternalError("the controller failed; see its log"), error)
            finally:
                self._queue.done(key)

    async def _pass(self, key: Key) -> None:
        await self._executor.find_out(key)
        begun = self._clock.monotonic()
        if not self._expectations.fulfilled(key, begun):
            self._queue.add_after(key, UNSEEN_RECHECK)
            return
        self._last_pass[key] = begun
        obj = self._listers[self.controller.primary].get(key[1], key[0])
        if obj is None:
            self._forget(key)
            if self.controller.absent is None:
                return
            actions = self.controller.absent(key, self.world(key))
        else:
            actions = self.controller.reconcile(obj, self.world(key))
        outcome = await self._executor.carry_out(key, actions)
        self._conclude(key, outcome)

    def _conclude(self, key: Key, outcome: Outcome) -> None:
        if outcome.failure is not None:
            self._come_back(key, outcome.failure, outcome.bug, is_told=outcome.is_told)
            return
        self._failures.pop(key, None)
        if outcome.conflict:
            self._queue.add_rate_limited(key, is_expected=True)
            return
        self._queue.forget(key)
        if outcome.requeue_after is not None:
            self._queue.add_after(key, outcome.requeue_after)

    def _come_back(
        self, key: Key, failure: StatusError, bug: Exception | None = None, *, is_told: bool = False
    ) -> None:
        self._failures[key] = failure
        self._queue.add_rate_limited(key, at_least=failure.retry_after_seconds)
        about = self._listers[self.controller.primary].get(key[1], key[0])
        self._failed.tell(key, bug or failure, about, in_a_row=self._queue.failures(key), is_told=is_told)

    def _forget(self, key: Key) -> None:
        self._failures.pop(key, None)
        self._last_pass.pop(key, None)
        self._expectations.forget(key)
        self._queue.forget(key)
