"""The scheduling queue: pods that may be tried now, pods in back-off, and pods that wait for the world to change.

A pod that fitted nowhere waits until an event that one of the plugins that refused it named in `requeue_on` (or for five
minutes); its back-off, 1 s doubling to 10 s, must also be over. A pod whose binding failed only waits for its back-off.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from pinnace.component.clock import Clock
from pinnace.scheduler.pod_info import PodInfo

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 10.0
LONGEST_WAIT = 300.0
FLUSH_EVERY = 30.0


@dataclass(slots=True)
class QueuedPod:
    pod: PodInfo
    queued_at: float  # when the queue first saw the pod: its place among pods of the same priority
    attempts: int = 0
    tried_at: float = 0.0
    refused_by: frozenset[str] = field(default_factory=frozenset)
    is_held: bool = False  # not to be tried while its victims are being evicted
    is_called: bool = False  # something happened while it was held

    @property
    def ready_at(self) -> float:
        if not self.attempts:
            return 0.0
        return self.tried_at + min(FIRST_BACKOFF * 2 ** min(self.attempts - 1, 10), LONGEST_BACKOFF)


class SchedulingQueue:
    """`sort` orders pods; `requeue_on` maps a plugin to the events after which its refusals are worth another try."""

    def __init__(
        self,
        clock: Clock,
        sort: Callable[[PodInfo, float], tuple[float, ...]],
        requeue_on: dict[str, Collection[str]],
    ) -> None:
        self._clock, self._sort = clock, sort
        self._requeue_on = requeue_on
        self._order = itertools.count()
        self._active: list[tuple[tuple[float, ...], int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._waiting: dict[str, QueuedPod] = {}
        self._in_active: dict[str, QueuedPod] = {}
        self._in_backoff: dict[str, QueuedPod] = {}
        self._in_flight: dict[str, QueuedPod] = {}
        self._wake = asyncio.Event()
        self._backoff_changed = asyncio.Event()

    @property
    def active(self) -> int:
        return len(self._in_active)

    @property
    def backing_off(self) -> int:
        return len(self._in_backoff)

    @property
    def in_flight(self) -> int:
        """Pods that are being decided or bound."""
        return len(self._in_flight)

    @property
    def unschedulable(self) -> int:
        return len(self._waiting)

    def sizes(self) -> dict[str, int]:
        return {"active": self.active, "backoff": self.backing_off, "unschedulable": self.unschedulable}

    def add(self, pod: PodInfo) -> None:
        """A pod to schedule: new, or changed so that it may fit now."""
        entry = self._take(pod.uid)
        if pod.uid in self._in_flight:
            self._in_flight[pod.uid].pod = pod
            return
        if entry is None:
            self._activate(QueuedPod(pod, self._clock.monotonic()))
        else:
            entry.pod = pod
            self._requeue(entry)

    def refresh(self, pod: PodInfo) -> None:
        """The pod changed in a way that cannot make it fit: remember the new object only."""
        for place in (self._waiting, self._in_active, self._in_backoff, self._in_flight):
            if pod.uid in place:
                place[pod.uid].pod = pod

    def knows(self, uid: str) -> bool:
        return any(uid in p for p in (self._waiting, self._in_active, self._in_backoff, self._in_flight))

    def remove(self, uid: str) -> None:
        self._take(uid)
        self._in_flight.pop(uid, None)

    def _take(self, uid: str) -> QueuedPod | None:
        for place in (self._waiting, self._in_active, self._in_backoff):
            if uid in place:
                return place.pop(uid)
        return None

    def _activate(self, entry: QueuedPod) -> None:
        self._in_active[entry.pod.uid] = entry
        heapq.heappush(
            self._active, (self._sort(entry.pod, entry.queued_at), next(self._order), entry.pod.uid)
        )
        self._wake.set()

    def _requeue(self, entry: QueuedPod) -> None:
        if entry.ready_at <= self._clock.monotonic():
            self._activate(entry)
        else:
            self._in_backoff[entry.pod.uid] = entry
            heapq.heappush(self._backoff, (entry.ready_at, next(self._order), entry.pod.uid))
            self._backoff_changed.set()

    async def pop(self) -> QueuedPod:
        """The next pod to try; it counts as in flight until `done`, `refused` or `failed`."""
        while (entry := self.pop_nowait()) is None:
            self._wake.clear()
            await self._wake.wait()
        return entry

    def pop_nowait(self) -> QueuedPod | None:
        while self._active:
            _, _, uid = heapq.heappop(self._active)
            entry = self._in_active.pop(uid, None)
            if entry is not None:
                entry.attempts += 1
                entry.tried_at = self._clock.monotonic()
                self._in_flight[uid] = entry
                return entry
        return None

    def done(self, entry: QueuedPod) -> None:
        self._in_flight.pop(entry.pod.uid, None)

    def refused(self, entry: QueuedPod, plugins: Iterable[str], *, hold: bool = False) -> None:
        """It fitted nowhere: wait for an event that one of these plugins asked for; `hold`: and for `release`."""
        entry.is_held = hold
        if self._in_flight.pop(entry.pod.uid, None) is not None:
            entry.refused_by = frozenset(plugins)
            self._waiting[entry.pod.uid] = entry

    def failed(self, entry: QueuedPod) -> None:
        """An error that has nothing to do with fitting: try again after the back-off."""
        if self._in_flight.pop(entry.pod.uid, None) is not None:
            self._requeue(entry)

    def happened(self, events: Iterable[str]) -> None:
        """Events such as `Node/Add`: pods that were refused by a plugin that names one of them get another try."""
        if not self._waiting:
            return
        occurred = set(events)
        woken = [
            entry
            for entry in self._waiting.values()
            if not entry.refused_by
            or any(occurred & set(self._requeue_on.get(p, ())) for p in entry.refused_by)
        ]
        for entry in woken:
            if entry.is_held:
                entry.is_called = True
                continue
            del self._waiting[entry.pod.uid]
            self._requeue(entry)

    def release(self, uid: str, *, retry: bool) -> None:
        """The evictions for a held pod are under way: try it again if something happened meanwhile, or if told so."""
        entry = self._waiting.get(uid) or self._in_flight.get(uid)
        if entry is None or not entry.is_held:
            return
        entry.is_held = False
        if (entry.is_called or retry) and self._waiting.pop(uid, None) is not None:
            self._requeue(entry)
        entry.is_called = False

    def flush(self) -> float:
        """Move what has waited long enough; returns the seconds until the next flush may find something."""
        now = self._clock.monotonic()
        while self._backoff and self._backoff[0][0] <= now:
            _, _, uid = heapq.heappop(self._backoff)
            entry = self._in_backoff.get(uid)
            if entry is not None and entry.ready_at <= now:
                del self._in_backoff[uid]
                self._activate(entry)
        for entry in [
            e for e in self._waiting.values() if now - e.tried_at >= LONGEST_WAIT and not e.is_held
        ]:
            del self._waiting[entry.pod.uid]
            self._requeue(entry)
        return max(0.0, self._backoff[0][0] - now) if self._backoff else FLUSH_EVERY

    async def run(self) -> None:
        """Flush in time until cancelled."""
        while True:
            pause = self.flush()
            self._backoff_changed.clear()
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._backoff_changed.wait(), min(pause, FLUSH_EVERY))
