"""Workers that take keys off a queue, and what becomes of a key that fails: the same for every controller.

A failure is logged, counted and told as an event about the object, and the key comes back after its back-off; other keys go on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.client.events import EventRecorder
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.controllers.runtime.metrics import LoopMetrics
from pinnace.controllers.runtime.tracing import PassTrace, about_object

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

RETRIES_PER_SECOND = 10.0  # of all keys of a controller, as upstream's default
EVENT_REASON = "ReconcileError"
QUIET_FAILURES = 2  # answers of the API that fail so often in a row are only logged: a hiccup is no news


class Failures(Generic[K]):
    """What is told about keys that fail. The event comes with the failures number 1, 2, 4, 8, ... in a row."""

    def __init__(self, metrics: LoopMetrics, recorder: EventRecorder | None) -> None:
        self._metrics, self._recorder = metrics, recorder

    def tell(
        self, key: K, error: BaseException, about: Object | None, *, in_a_row: int, is_told: bool = False
    ) -> None:
        """`in_a_row` counts this one; `is_told` when an event of its own says it already."""
        name = self._metrics.name
        what = f"{about['kind']} {text(meta.key(about)).lstrip('/')}" if about is not None else text(key)
        is_bug = not isinstance(error, StatusError | OSError | TimeoutError)
        self._metrics.failed(error)
        if is_bug:
            log.error("%s: a pass over %s failed", name, what, exc_info=error)
        else:
            level = logging.WARNING if in_a_row > QUIET_FAILURES else logging.DEBUG
            log.log(level, "%s: %s: %s", name, what, error or type(error).__name__)
        first = 1 if is_bug else QUIET_FAILURES + 1
        is_due = in_a_row >= first and (in_a_row == first or in_a_row & (in_a_row - 1) == 0)
        if self._recorder is not None and about is not None and is_due and not is_told:
            said = f"{type(error).__name__}: {error}" if is_bug else str(error) or type(error).__name__
            self._recorder.event(about, "Warning", EVENT_REASON, f"Error reconciling: {said}")


def text(key: Hashable) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


class Pool(Generic[K]):
    """Up to `limit` tasks that take keys off a queue. There is a task only while there is a key: waiting costs nothing."""

    def __init__(self, queue: WorkQueue[K], limit: int, work: Callable[[K], Awaitable[None]]) -> None:
        """`work` raises nothing but cancellation."""
        self._queue, self._limit, self._work = queue, limit, work
        self._busy = 0

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._queue.on_ready = self._hire
                for _ in range(len(self._queue)):
                    self._hire()
                try:
                    await asyncio.Event().wait()
                finally:
                    self._queue.on_ready = lambda: None  # keys may still come, but no task any more
        finally:
            self._queue.close()

    def _hire(self) -> None:
        if self._busy < self._limit:
            self._busy += 1
            self._tasks.create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while len(self._queue):
                key = self._queue.take()
                try:
                    await self._work(key)
                except asyncio.CancelledError:
                    self._queue.add(key)  # for who may go on with the queue
                    raise
                finally:
                    self._queue.done(key)
        finally:
            self._busy -= 1


class Workers(Generic[K]):
    """For controllers that act themselves. `sync(key)` returns when there is nothing left to do, or has put the key back with
    `queue.add_after`; a conflict means look again, NotFound that it is over, everything else it raises is a failure."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        sync: Callable[[K], Coroutine[Any, Any, None]],
        *,
        count: int = 5,
        max_delay: float = 1000.0,
        recorder: EventRecorder | None = None,
        about: Callable[[K], Object | None] = lambda _: None,
        tracer: Tracer | None = None,
    ) -> None:
        self._sync, self._about = sync, about
        self._trace: PassTrace[K] | None = None
        if tracer is not None:
            self._trace = PassTrace(tracer, name, lambda key: about_object(about(key), text(key)))
        self.queue: WorkQueue[K] = WorkQueue(
            clock, max_delay=max_delay, retries_per_second=RETRIES_PER_SECOND
        )
        self.metrics = LoopMetrics(name, self.queue, recorder)
        self._failures: Failures[K] = Failures(self.metrics, recorder)
        self._pool = Pool(self.queue, count, self._work)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._pool.run()

    async def _work(self, key: K) -> None:
        try:
            work = self._sync(key)
            await (work if self._trace is None else self._trace.of_pass(key, self._object(key), work))
            self.queue.forget(key)
        except NotFound:
            self.queue.forget(key)
        except Conflict:
            self.queue.add_rate_limited(key, is_expected=True)
        except Exception as error:
            asked = error.retry_after_seconds if isinstance(error, StatusError) else 0
            self.queue.add_rate_limited(key, at_least=asked)
            self._tell(key, error)

    def saw(self, key: K, obj: Object | None) -> None:
        """This object is why the key is in the queue."""
        if self._trace is not None:
            self._trace.saw(key, obj)

    def _object(self, key: K) -> Object | None:
        try:
            return self._about(key)
        except Exception:
            log.exception("%s: the object of %s cannot be told", self.metrics.name, text(key))
            return None

    def _tell(self, key: K, error: Exception) -> None:
        self._failures.tell(key, error, self._object(key), in_a_row=self.queue.failures(key))
