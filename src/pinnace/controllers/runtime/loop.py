"""The loop around a pure controller: informers wake keys, workers take a pass over each, failures come back with back-off.

It owns what every controller would otherwise repeat: the queue, expectations, the executor, events, and counting.
"""

import asyncio
import logging
import math
from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import InternalError, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Handler, Informer, Informers, Key, following
from pinnace.client.interface import Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.component.tracing import About, Tracer
from pinnace.controllers.runtime import indexes
from pinnace.controllers.runtime.actions import Action, Create, Delete
from pinnace.controllers.runtime.controller import Controller, KeysOf
from pinnace.controllers.runtime.executor import Executor, Outcome, unanswered
from pinnace.controllers.runtime.expectations import Expectations
from pinnace.controllers.runtime.metrics import LoopMetrics
from pinnace.controllers.runtime.tracing import PassTrace
from pinnace.controllers.runtime.workers import RETRIES_PER_SECOND, Failures, Pool
from pinnace.controllers.runtime.world import Memory, World

log = logging.getLogger(__name__)

UNSEEN_RECHECK = (
    0.5  # seconds until a key that waits for our own writes is looked at again, if no event does it before
)
THINKING_SHARE = 10.0  # a set of many pods is looked at so seldom that it takes a tenth of a processor
LONGEST_WINDOW = 1.0
OVER_QUOTA = "exceeded quota: "
QUOTA_PATIENCE = (
    30.0  # a quota is freed or raised without this controller being told: it waits no 1000 s for it
)
LOOK_ROUND, LONGEST_LOOK_ROUND = 1.0, 60.0  # seconds until keys are looked at whose mapping raised, doubling


class ControllerLoop:
    def __init__(
        self,
        controller: Controller,
        client: Client,
        clock: Clock,
        informers: Informers,
        tracer: Tracer | None = None,
    ) -> None:
        self.controller, self._clock = controller, clock
        self._trace: PassTrace[Key] | None = None
        if tracer is not None:
            resource = controller.primary.qualified
            self._trace = PassTrace(tracer, controller.name, lambda key: About(resource, *key))
        self._informers: dict[GVR, Informer] = {gvr: informers.of(gvr) for gvr in controller.resources}
        for gvr, informer in self._informers.items():
            indexes.add_to(informer.lister, gvr)
        self._listers = {gvr: informer.lister for gvr, informer in self._informers.items()}
        self._queue: WorkQueue[Key] = WorkQueue(clock, retries_per_second=RETRIES_PER_SECOND)
        self._recorder = EventRecorder(client, clock, controller.source)
        self._expectations = Expectations(self._informers.get)
        self._memory: Memory = {}
        self.metrics = LoopMetrics(controller.name, self._queue, self._recorder)
        self._executor = Executor(
            client, clock, self._recorder, self._expectations, self._memory, self.metrics.measures
        )
        self._failures: dict[Key, StatusError] = {}
        self._last_pass: dict[Key, float] = {}
        self._thinking: dict[Key, float] = {}  # seconds that `reconcile` took in the last pass
        self._own_status: dict[Key, str] = {}  # the revision that our last status got
        self._woken: set[Key] = set()  # by more than a change of the object itself
        self._queue.on_due = self._woken.add
        self._failed: Failures[Key] = Failures(self.metrics, self._recorder)

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in self._informers.values():
            await informer.wait_synced()
        watches = self.controller.watches.items()
        with following(
            (self._informers[self.controller.primary], self._primary_changed),
            *((self._informers[gvr], self._handler(keys_of)) for gvr, keys_of in watches),
        ):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(Pool(self._queue, self.controller.workers, self._work).run())

    def world(self, key: Key | None = None) -> World:
        failure = self._failures.get(key) if key is not None else None
        return World(self._listers, self._clock, failure, self._memory)

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
        if self._trace is not None:
            self._trace.saw(meta.key(changed), changed)
        if self.controller.ignores_own_status and new is not None:
            self._queue.add(meta.key(changed))  # perhaps only for our own status: the pass will see
        else:
            self._add(meta.key(changed))

    def _handler(self, keys_of: KeysOf) -> Handler:
        in_a_row = 0

        def changed(old: Object | None, new: Object | None) -> None:
            nonlocal in_a_row
            try:
                for key in keys_of(old, new, self.world()):
                    if self._trace is not None:
                        self._trace.saw(key, new or old)
                    self._add(key, coalesce=True)
                in_a_row = 0
            except Exception as error:
                about = new or old or {}
                self._handler_failed(about, error)
                self._look_round(about, min(LOOK_ROUND * 2**in_a_row, LONGEST_LOOK_ROUND))
                in_a_row = min(in_a_row + 1, 10)

        return changed

    def _handler_failed(self, obj: Object, error: Exception) -> None:
        log.exception("%s: a handler failed on %s", self.controller.name, meta.key(obj))
        self.metrics.failed(error)

    def _look_round(self, about: Object, seconds: float) -> None:
        """Nobody knows whom a change concerns, because the mapping raised: after a while, everyone in its namespace looks."""
        primary, namespace = self._listers[self.controller.primary], meta.namespace(about)
        is_near = namespace and primary.by_index("namespace", namespace)
        for obj in is_near or primary:
            self._queue.add_after(meta.key(obj), seconds)

    def _add(self, key: Key, *, coalesce: bool = False) -> None:
        window = self.controller.coalesce_seconds
        if coalesce and window and key in self._last_pass:
            window = max(window, min(self._thinking.get(key, 0.0) * THINKING_SHARE, LONGEST_WINDOW))
            wait = window - (self._clock.monotonic() - self._last_pass[key])
            if wait > 0:
                self._queue.add_after(key, wait)
                return
        self._woken.add(key)
        self._queue.add(key)

    async def _work(self, key: Key) -> None:
        try:
            await self._pass(key)
        except StatusError as error:
            self._come_back(key, error)
        except (OSError, TimeoutError) as error:
            self._come_back(key, unanswered(error))
        except Exception as error:
            self._come_back(key, InternalError("the controller failed; see its log"), error)

    async def _pass(self, key: Key) -> None:
        await self._executor.find_out(key)
        begun = self._clock.monotonic()
        if not self._expectations.fulfilled(key, begun):
            self._queue.add_after(key, UNSEEN_RECHECK)
            return
        obj = self._listers[self.controller.primary].get(key[1], key[0])
        if self._is_own_echo(key, obj):
            return
        self._woken.discard(key)
        self._queue.drop_delay(key)  # every pass says anew when it wants to come back
        self._last_pass[key] = begun
        if obj is None:
            self._forget(key)
            if self.controller.absent is None:
                return
            actions = self.controller.absent(key, self.world(key))
        else:
            actions = self.controller.reconcile(obj, self.world(key))
        if self.controller.coalesce_seconds:
            actions = self._timed(key, actions)
        work = self._measured(key, obj, actions)
        outcome = await (work if self._trace is None else self._trace.of_pass(key, obj, work))
        if outcome.status_revision:
            self._own_status[key] = outcome.status_revision
        self._conclude(key, outcome)

    async def _measured(self, key: Key, obj: Object | None, actions: Iterator[Action]) -> Outcome:
        """Carry the actions out; where passes are measured, how long it took, with what result, and what became of pods."""
        passes = self.controller.passes
        labels = passes.labels(obj) if passes is not None and obj is not None else None
        if passes is None or labels is None:
            return await self._executor.carry_out(key, actions)
        done, result, begun = "tracking", "error", self._clock.monotonic()

        def noted() -> Iterator[Action]:
            nonlocal done
            for action in actions:
                if isinstance(action, Create | Delete):
                    done = "pods_created" if isinstance(action, Create) else "pods_deleted"
                yield action

        try:
            outcome = await self._executor.carry_out(key, noted())
            result = "error" if outcome.failure is not None or outcome.conflict else "success"
            return outcome
        finally:
            labels = (*labels, result, done)
            self.metrics.measures.count(passes.total, labels)
            self.metrics.measures.observe(passes.duration, labels, self._clock.monotonic() - begun)

    def _timed(self, key: Key, actions: Iterator[Action]) -> Iterator[Action]:
        """The same actions; writes down how long it took to find them."""
        seconds = 0.0
        try:
            while True:
                begun = self._clock.monotonic()
                action = next(actions, None)
                seconds += self._clock.monotonic() - begun
                if action is None:
                    return
                yield action
        finally:
            self._thinking[key] = seconds

    def _is_own_echo(self, key: Key, obj: Object | None) -> bool:
        """Nothing happened but that our own status arrived, and this controller has nothing to do then."""
        return (
            self.controller.ignores_own_status
            and obj is not None
            and key not in self._woken
            and self._own_status.get(key) == meta.resource_version(obj)
        )

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
        patience = (
            QUOTA_PATIENCE if failure.reason == "Forbidden" and OVER_QUOTA in failure.message else math.inf
        )
        self._queue.add_rate_limited(key, at_least=failure.retry_after_seconds, at_most=patience)
        about = self._listers[self.controller.primary].get(key[1], key[0])
        self._failed.tell(key, bug or failure, about, in_a_row=self._queue.failures(key), is_told=is_told)

    def _forget(self, key: Key) -> None:
        self._failures.pop(key, None)
        self._last_pass.pop(key, None)
        self._thinking.pop(key, None)
        self._own_status.pop(key, None)
        if self._trace is not None:
            self._trace.forget(key)
        self._woken.discard(key)
        self._expectations.forget(key)
        self._queue.forget(key)
