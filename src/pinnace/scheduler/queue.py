"""The scheduling queue: pods that may be tried now, pods in back-off, and pods that wait for the world to change.

A pod that fitted nowhere waits until an event helps it, as one of the plugins that refused it judges (`happenings`), or for
five minutes; its back-off, 1 s doubling to 10 s, must also be over, unless there is nothing else to try. A pod whose binding
failed only waits for its back-off. Pods with scheduling gates are only counted here.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pinnace.component.clock import Clock
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.queued_pod import Group, QueuedPod
from pinnace.scheduler.waking import OWN_UPDATE, Hint, helped

LONGEST_WAIT = 300.0
FLUSH_EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Backoff:
    first: float = 1.0
    longest: float = 10.0

    def after(self, failures: int) -> float:
        return min(self.first * 2 ** min(failures - 1, 30), self.longest) if failures else 0.0


class SchedulingQueue:
    """`sort` orders pods; `hints` says for each profile and plugin when its refusals are worth another try."""

    def __init__(
        self, clock: Clock, sort: Callable[[PodInfo, float], tuple[float, ...]],
        hints: Mapping[str, Mapping[str, Hint]], backoff: Backoff = Backoff(),
    ) -> None:  # fmt: skip
        self._clock, self._sort = clock, sort
        self._hints, self._pause = hints, backoff
        self._order = itertools.count()
        self._active: list[tuple[tuple[float, ...], int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._waiting: dict[str, QueuedPod] = {}
        self._groups: dict[Group, dict[str, QueuedPod]] = {}  # the waiting ones again
        self._in_active: dict[str, QueuedPod] = {}
        self._in_backoff: dict[str, QueuedPod] = {}
        self._in_flight: dict[str, QueuedPod] = {}
        self._deciding: dict[str, QueuedPod] = {}  # those in flight that have no node yet
        self._gated: set[str] = set()
        self.incoming: dict[tuple[str, str], int] = {}  # (queue, event) -> how many pods that brought there
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
        return {
            "active": self.active, "backoff": self.backing_off, "unschedulable": self.unschedulable,
            "gated": len(self._gated),
        }  # fmt: skip

    def places(self) -> Iterator[tuple[str, QueuedPod]]:
        """Every pod that waits, with the queue in which it does; `binding` for those that have a node already."""
        for place, entries in (
            ("active", self._in_active), ("backoff", self._in_backoff), ("unschedulable", self._waiting),
            ("binding", self._in_flight),
        ):  # fmt: skip
            for entry in entries.values():
                yield place, entry

    def refused_by(self) -> dict[tuple[str, str], int]:
        """(plugin, profile) -> how many pods wait that the plugin refused."""
        found: dict[tuple[str, str], int] = {}
        for (profile, plugins, _, _), members in self._groups.items():
            for plugin in plugins:
                found[plugin, profile] = found.get((plugin, profile), 0) + len(members)
        return found

    # --- pods come, change and go

    def add(self, pod: PodInfo) -> None:
        """A pod to schedule: new, or changed so that it may fit now."""
        self._gated.discard(pod.uid)
        if pod.uid in self._in_flight:
            self._in_flight[pod.uid].pod = pod
            if pod.uid in self._deciding:
                self._deciding[pod.uid].missed.append(OWN_UPDATE)
            return
        entry = self._take(pod.uid)
        if entry is None:
            self._activate(QueuedPod(pod, self._clock.monotonic()), "PodAdd")
        else:
            entry.pod = pod
            self._requeue(entry, "PodUpdate")

    def gate(self, pod: PodInfo) -> None:
        """The pod has scheduling gates: it is not tried, whatever happens."""
        self.remove(pod.uid)
        self._gated.add(pod.uid)

    def refresh(self, pod: PodInfo) -> None:
        """The pod changed in a way that cannot make it fit: remember the new object only."""
        entry = self._waiting.get(pod.uid)
        if entry is not None:
            self._leave(pod.uid)
            entry.pod = pod
            self._wait(entry)
            return
        for place in (self._in_active, self._in_backoff, self._in_flight):
            if pod.uid in place:
                place[pod.uid].pod = pod

    def knows(self, uid: str) -> bool:
        return any(uid in p for p in (self._waiting, self._in_active, self._in_backoff, self._in_flight))

    def remove(self, uid: str) -> None:
        self._take(uid)
        self._in_flight.pop(uid, None)
        self._deciding.pop(uid, None)
        self._gated.discard(uid)

    def _take(self, uid: str) -> QueuedPod | None:
        if uid in self._waiting:
            return self._leave(uid)
        return self._in_active.pop(uid, None) or self._in_backoff.pop(uid, None)

    def _wait(self, entry: QueuedPod) -> None:
        self._waiting[entry.pod.uid] = entry
        self._groups.setdefault(entry.group, {})[entry.pod.uid] = entry

    def _leave(self, uid: str) -> QueuedPod:
        entry = self._waiting.pop(uid)
        members = self._groups[entry.group]
        del members[uid]
        if not members:
            del self._groups[entry.group]
        return entry

    def _activate(self, entry: QueuedPod, why: str) -> None:
        self._count("active", why)
        self._in_active[entry.pod.uid] = entry
        heapq.heappush(
            self._active, (self._sort(entry.pod, entry.queued_at), next(self._order), entry.pod.uid)
        )
        self._wake.set()

    def _count(self, place: str, why: str) -> None:
        self.incoming[place, why] = self.incoming.get((place, why), 0) + 1

    def _requeue(self, entry: QueuedPod, why: str) -> None:
        entry.is_held = entry.is_called = False
        if entry.ready_at <= self._clock.monotonic():
            self._activate(entry, why)
            return
        self._count("backoff", why)
        self._in_backoff[entry.pod.uid] = entry
        heapq.heappush(self._backoff, (entry.ready_at, next(self._order), entry.pod.uid))
        self._backoff_changed.set()
        self._wake.set()

    # --- one pod is tried

    async def pop(self) -> QueuedPod:
        """The next pod to try; it counts as in flight until `done`, `refused` or `failed`."""
        while (entry := self.pop_nowait()) is None:
            self._wake.clear()
            await self._wake.wait()
        return entry

    def pop_nowait(self) -> QueuedPod | None:
        """From the active pods; when there are none, a refused one whose back-off is not over yet."""
        entry = self._next_active() or self._next_backing_off()
        if entry is not None:
            entry.attempts += 1
            entry.tried_at = self._clock.monotonic()
            self._in_flight[entry.pod.uid] = self._deciding[entry.pod.uid] = entry
        return entry

    def _next_active(self) -> QueuedPod | None:
        while self._active:
            entry = self._in_active.pop(heapq.heappop(self._active)[2], None)
            if entry is not None:
                return entry
        return None

    def _next_backing_off(self) -> QueuedPod | None:
        if not self._in_backoff:
            return None
        passed: list[tuple[float, int, str]] = []
        found = None
        while self._backoff and found is None:
            item = heapq.heappop(self._backoff)
            entry = self._in_backoff.get(item[2])
            if entry is None or entry.ready_at != item[0]:
                continue
            if entry.errors:  # an error is no reason to hurry
                passed.append(item)
            else:
                found = self._in_backoff.pop(item[2])
        for item in passed:
            heapq.heappush(self._backoff, item)
        return found

    def assumed(self, entry: QueuedPod) -> None:
        """It has a node and is being bound: what happens now need not be remembered for it."""
        self._deciding.pop(entry.pod.uid, None)
        entry.missed.clear()

    def done(self, entry: QueuedPod) -> None:
        self._in_flight.pop(entry.pod.uid, None)
        self._deciding.pop(entry.pod.uid, None)

    def refused(self, entry: QueuedPod, plugins: Iterable[str], *, hold: bool = False) -> None:
        """It fitted nowhere: wait for an event that one of these plugins asked for; `hold`: and for `release`."""
        self._deciding.pop(entry.pod.uid, None)
        if self._in_flight.pop(entry.pod.uid, None) is None:
            return
        entry.refused_by, entry.is_held, entry.is_called = frozenset(plugins), hold, False
        entry.refusals, entry.errors = entry.refusals + 1, 0
        entry.ready_at = self._clock.monotonic() + self._pause.after(entry.refusals)
        missed, entry.missed = entry.missed, []
        self._wait(entry)
        self._count("unschedulable", "ScheduleAttemptFailure")
        mine = {entry.pod.uid: entry}
        if any(self._helped(entry.group, mine, happening) for happening in missed):
            self._call(entry, "PodUpdate")

    def failed(self, entry: QueuedPod) -> None:
        """An error that has nothing to do with fitting: try again after the back-off."""
        self._deciding.pop(entry.pod.uid, None)
        if self._in_flight.pop(entry.pod.uid, None) is not None:
            entry.errors += 1
            entry.ready_at = self._clock.monotonic() + self._pause.after(entry.errors)
            entry.missed = []
            self._requeue(entry, "ScheduleAttemptFailure")

    # --- the world changes

    def happened(self, what: Happening | Iterable[str]) -> None:
        """Pods that this may help get another try. Events that name no node or pod are given as their kinds alone."""
        happening = what if isinstance(what, Happening) else Happening(tuple(what))
        for entry in self._deciding.values():
            entry.missed.append(happening)
        if not self._groups or not happening.kinds:
            return
        woken = [entry for group in self._groups.items() for entry in self._helped(*group, happening)]
        for entry in woken:
            self._call(entry, happening.kinds[0].replace("/", ""))

    def _call(self, entry: QueuedPod, why: str) -> None:
        if entry.is_held:
            entry.is_called = True
        else:
            self._requeue(self._leave(entry.pod.uid), why)

    def _helped(
        self, group: Group, members: Mapping[str, QueuedPod], happening: Happening
    ) -> list[QueuedPod]:
        profile, plugins, _, _ = group
        return helped(self._hints[profile], plugins, members, happening)

    def wake(self, uid: str, why: str) -> None:
        """Another try for one pod, e.g. because it is no longer nominated."""
        if uid in self._waiting:
            self._call(self._waiting[uid], why)

    def release(self, uid: str, *, retry: bool) -> None:
        """The evictions for a held pod are under way: try it again if something happened meanwhile, or if told so."""
        entry = self._waiting.get(uid)
        if entry is None or not entry.is_held:
            return
        entry.is_held = False
        entry.errors += retry  # an eviction that failed is no reason to hurry
        if entry.is_called or retry:
            self._requeue(self._leave(uid), "PreemptionDone")

    # --- time passes

    def flush(self) -> float:
        """Move what has waited long enough; returns the seconds until the next flush may find something."""
        now = self._clock.monotonic()
        while self._backoff and self._backoff[0][0] <= now:
            _, _, uid = heapq.heappop(self._backoff)
            entry = self._in_backoff.get(uid)
            if entry is not None and entry.ready_at <= now:
                del self._in_backoff[uid]
                self._activate(entry, "BackoffComplete")
        for entry in [e for e in self._waiting.values() if now - e.tried_at >= LONGEST_WAIT]:
            if not entry.is_held:
                self._requeue(self._leave(entry.pod.uid), "UnschedulableTimeout")
        return max(0.0, self._backoff[0][0] - now) if self._backoff else FLUSH_EVERY

    async def run(self) -> None:
        """Flush in time until cancelled."""
        while True:
            pause = self.flush()
            self._backoff_changed.clear()
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._backoff_changed.wait(), min(pause, FLUSH_EVERY))
