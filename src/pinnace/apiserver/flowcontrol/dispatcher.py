"""Lets requests run within the seats of their priority level, or makes them wait, or sends them away.

The configuration is read from the watch caches of FlowSchemas and PriorityLevelConfigurations and made anew when one
of them changes. A request that finds a free seat costs two dict look-ups and a few additions.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.flowcontrol.flows import FlowCounts
from pinnace.apiserver.flowcontrol.levels import CATCH_ALL, EXEMPT, Level, configure
from pinnace.apiserver.flowcontrol.matching import Schema, in_order
from pinnace.apiserver.flowcontrol.queues import Queues, Waiting
from pinnace.apiserver.request_info import RequestInfo
from pinnace.component.clock import Clock

Object = dict[str, Any]
_MANDATORY_SCHEMAS: tuple[Object, ...] = (
    {
        "metadata": {"name": EXEMPT},
        "spec": {
            "matchingPrecedence": 1,
            "priorityLevelConfiguration": {"name": EXEMPT},
            "rules": [
                {
                    "subjects": [{"kind": "Group", "group": {"name": "system:masters"}}],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                    "resourceRules": [
                        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
                    ],
                }
            ],
        },
    },
    {
        "metadata": {"name": CATCH_ALL},
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": CATCH_ALL},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [
                        {"kind": "Group", "group": {"name": "system:authenticated"}},
                        {"kind": "Group", "group": {"name": "system:unauthenticated"}},
                    ],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                    "resourceRules": [
                        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
                    ],
                }
            ],
        },
    },
)  # fmt: skip
_CACHED_CLASSES = 4096
_SMOOTHING = 0.1  # weight of the newest request in the mean duration
RETRY_AFTER_SECONDS = 1


class Source(Protocol):
    """Where the configuration comes from: its version, cheap to ask for, and the objects."""

    async def load(self) -> None: ...

    def version(self) -> object: ...

    def schemas(self) -> list[Object]: ...

    def levels(self) -> list[Object]: ...


class Class(NamedTuple):
    schema: Schema
    level: Level
    flow: str
    counts: FlowCounts


class Seat:
    """Taken seats of one running request."""

    __slots__ = ("begun", "counts", "level", "seats", "waited")

    def __init__(
        self, level: Level, seats: int, begun: float, waited: Waiting | None, counts: FlowCounts
    ) -> None:
        self.level, self.seats, self.begun, self.waited, self.counts = level, seats, begun, waited, counts

    @property
    def waited_seconds(self) -> float:
        return self.begun - self.waited.since if self.waited is not None else 0.0


class Dispatcher:
    """`total` seats; a request waits at most `patience` seconds."""

    def __init__(
        self,
        source: Source,
        clock: Clock,
        *,
        total: int = 600,
        patience: float = 15.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_change = on_change  # called when the configuration was read anew
        self.source, self._clock, self._total, self._patience = source, clock, total, patience
        self._version: object = None
        self._schemas: list[Schema] = []
        self.levels: dict[str, Level] = {}
        self._classes: dict[tuple[Any, ...], Class] = {}
        self.flows: dict[tuple[str, str], FlowCounts] = {}  # by level and schema
        self._reserved = 0  # sum over the levels of max(in use, guaranteed)
        self._waiting: dict[str, Level] = {}  # levels in which somebody waits

    # -- which class ----------------------------------------------------------------------------------------
    def classify(self, user: User, info: RequestInfo) -> Class:
        if (version := self.source.version()) != self._version:
            self._configure(version)
        key = (
            user.name, user.groups, info.verb, info.group, info.resource, info.subresource, info.namespace,
            "" if info.is_resource else info.path,
        )  # fmt: skip
        found = self._classes.get(key)
        if found is None:
            if len(self._classes) >= _CACHED_CLASSES:
                self._classes.clear()
            found = self._classes[key] = self._find(user, info)
        return found

    def _find(self, user: User, info: RequestInfo) -> Class:
        for schema in self._schemas:
            level = self.levels.get(schema.level)
            if level is not None and schema.matches(user, info):
                return self._class(schema, level, schema.flow(user, info))
        last = self._schemas[-1]  # a user in neither group: as upstream, the catch-all takes all that is left
        return self._class(last, self.levels[CATCH_ALL], user.name)

    def _class(self, schema: Schema, level: Level, flow: str) -> Class:
        key = level.name, schema.name
        counts = self.flows.get(key)
        if counts is None:
            counts = self.flows[key] = FlowCounts(*key)
        return Class(schema, level, f"{schema.name}/{flow}", counts)

    def _configure(self, version: object) -> None:
        self._version = version
        old = self.levels
        queues = {name: level.queues for name, level in old.items()}
        self.levels = configure(old, self.source.levels(), self._total)
        for name, before in queues.items():
            level = self.levels.get(name)
            if level is not None and before is not None and before is not level.queues:
                _move(before, level)
        stored = list(self.source.schemas())
        names = {obj["metadata"]["name"] for obj in stored}
        self._schemas = in_order(
            [*stored, *(o for o in _MANDATORY_SCHEMAS if o["metadata"]["name"] not in names)]
        )
        self._classes.clear()
        self._reserved = sum(
            max(level.in_use, level.guaranteed) for level in self.levels.values() if not level.exempt
        )
        for name in set(old) - set(self.levels):  # a level that went: those who run or wait in it go on
            if old[name].in_use or old[name].waiting:
                self._reserved += old[name].in_use
                old[name].guaranteed = 0
        self._admit()
        self._on_change()

    # -- running --------------------------------------------------------------------------------------------
    async def enter(self, found: Class, seats: int) -> Seat:
        """Wait for seats. Raises TooManyRequests when there is no room to wait, or it took too long."""
        level = found.level
        counts = found.counts
        if level.exempt or (not level.waiting and self._has_room(level, seats)):
            return self._sit(level, seats, None, counts)
        if level.queues is None:
            raise self._reject(found, "concurrency-limit")
        future: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        waiting = Waiting(future, seats, found.flow, self._clock.monotonic(), counts)
        if not level.queues.add(waiting):
            raise self._reject(found, "queue-full")
        counts.waiting += 1
        self._waiting[level.name] = level
        timer = asyncio.create_task(self._give_up(future), name="patience of a queued request")
        try:
            seat = await future
            counts.waited.observe(seat.waited_seconds)
            return seat
        except TimeoutError:
            self._forget(waiting)
            level.timed_out += 1
            counts.waited_in_vain.observe(self._clock.monotonic() - waiting.since)
            raise self._reject(found, "time-out") from None
        except asyncio.CancelledError:
            level.cancelled += 1
            counts.rejected["cancelled"] = counts.rejected.get("cancelled", 0) + 1
            if future.done() and not future.cancelled() and future.exception() is None:
                self.leave(future.result())  # it got its seat in the same moment
            else:
                self._forget(waiting)
            raise
        finally:
            counts.waiting -= 1
            timer.cancel()

    def _forget(self, waiting: Waiting) -> None:
        waiting.leave()
        self._admit()  # it may have stood in the way of others

    async def _give_up(self, future: "asyncio.Future[Seat]") -> None:
        await self._clock.sleep(self._patience)
        if not future.done():
            future.set_exception(TimeoutError())

    def leave(self, seat: Seat) -> None:
        level = seat.level
        seconds = self._clock.monotonic() - seat.begun
        if seat.waited is not None:
            seat.waited.settle(seconds - level.expected_seconds)
        level.expected_seconds += _SMOOTHING * (seconds - level.expected_seconds)
        level.executing -= 1
        seat.counts.executing -= 1
        seat.counts.seats -= seat.seats
        self._use(level, -seat.seats)
        if self._waiting:
            self._admit()

    def _has_room(self, level: Level, seats: int) -> bool:
        """Its own free guarantee, or seats that nobody uses or is guaranteed; never more than its maximum."""
        if level.in_use == 0:
            return True  # whatever its width, a request alone may run
        if level.in_use + seats > level.maximum:
            return False
        others = self._reserved - max(level.in_use, level.guaranteed)
        return level.in_use + seats <= max(level.guaranteed, self._total - others)

    def _sit(self, level: Level, seats: int, waited: Waiting | None, counts: FlowCounts) -> Seat:
        level.executing += 1
        level.dispatched += 1
        counts.executing += 1
        counts.dispatched += 1
        counts.seats += seats
        self._use(level, seats)
        return Seat(level, seats, self._clock.monotonic(), waited, counts)

    def _use(self, level: Level, seats: int) -> None:
        before = max(level.in_use, level.guaranteed)
        level.in_use += seats
        if not level.exempt:
            self._reserved += max(level.in_use, level.guaranteed) - before

    def _admit(self) -> None:
        """Let those who wait go as far as there is room."""
        for name, level in list(self._waiting.items()):
            queues = level.queues
            while queues is not None and (head := queues.head()) is not None:
                future = head.ticket
                assert isinstance(future, asyncio.Future)
                if future.done():  # it has given up and is about to leave
                    break
                if not self._has_room(level, head.seats):
                    break
                head.begin(level.expected_seconds)
                future.set_result(self._sit(level, head.seats, head, head.counts))
            if not level.waiting:
                del self._waiting[name]

    def _reject(self, found: Class, reason: str) -> errors.TooManyRequests:
        for rejected in (found.level.rejected, found.counts.rejected):
            rejected[reason] = rejected.get(reason, 0) + 1
        return errors.TooManyRequests(
            "Too many requests, please try again later.", retry_after_seconds=RETRY_AFTER_SECONDS
        )


def _move(queues: Queues, level: Level) -> None:
    """Who waits in queues of an older shape goes on in the new ones; where there are none, or no room, it has waited in vain."""
    for waiting in queues.everybody():
        waiting.leave()
        if level.queues is None or not level.queues.add(waiting):
            future = waiting.ticket
            assert isinstance(future, asyncio.Future)
            if not future.done():
                future.set_exception(TimeoutError())
