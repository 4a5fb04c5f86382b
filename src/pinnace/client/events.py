"""Recording events: what happened to an object, for people who run `describe`.

Events are written in the background and never disturb the caller, who may also say that it is too busy for them. An event that repeats within ten minutes raises the
count of the first one, as upstream's correlator does; one object may cause 25 new events, then one every five minutes.
Events that are lost are counted, and told to the log in one line for many.
"""

import asyncio
import logging
import secrets
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.resources import EVENTS
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.client.interface import MERGE_PATCH, Client, Object
from pinnace.component.clock import Clock
from pinnace.component.metrics import Family

log = logging.getLogger(__name__)

LONGEST_NAME = 253
REMEMBERED = 4096
AT_A_TIME = 16  # written together, so that they share a commit
LONGEST_HOLD, HOLD_STEP = 10.0, 0.05  # seconds; an event waits no longer for a quiet moment
REPEAT_WINDOW = 600.0
TELL_SECONDS = 10.0  # between two lines about lost events
BURST, REFILL_SECONDS = 25.0, 300.0


@dataclass(slots=True)
class _Series:
    name: str
    namespace: str
    count: int
    last: float


@dataclass(frozen=True, slots=True)
class _Told:
    reference: Object
    kind: str
    reason: str
    message: str
    when: str
    since: float  # of the clock's monotonic time
    action: str = ""
    related: Object | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for repetitions of one event."""
        about = (self.reference.get(part, "") for part in ("kind", "namespace", "name", "uid", "fieldPath"))
        return (*about, self.kind, self.reason, self.message)


class EventRecorder:
    """`component` is the event's source, e.g. `kubelet` or `deployment-controller`; `host` the node, for the kubelet."""

    def __init__(
        self, client: Client, clock: Clock, component: str, host: str = "", *, capacity: int = 1000,
        is_busy: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        """`capacity`: how many may wait, later ones are dropped. While `is_busy`, up to half of them wait, for ten seconds
        at most: what they tell about is more urgent."""
        self._client, self._clock = client, clock
        self.component, self._host = component, host
        self._is_busy = is_busy
        self._queue: asyncio.Queue[_Told] = asyncio.Queue(maxsize=capacity)
        self._seen: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._budget: OrderedDict[str, tuple[float, float]] = OrderedDict()  # uid -> (tokens, when)
        self._last_micros = 0
        self.lost: Counter[str] = Counter()  # why -> how many
        self._untold: Counter[str] = Counter()
        self._telling: asyncio.Task[None] | None = None

    def event(
        self, about: Object, kind: str, reason: str, message: str, *, field_path: str = "", action: str = "",
        related: Object | None = None,
    ) -> None:  # fmt: skip
        """kind: Normal or Warning. `about` is the object, or an ObjectReference; `action` what was done or tried, if that
        is to be told, and `related` the object for which. Dropped when too many wait already."""
        reference = meta.object_reference(about) if "metadata" in about else dict(about)
        if field_path:
            reference["fieldPath"] = field_path
        try:
            self._queue.put_nowait(
                _Told(
                    reference, kind, reason, message, format_time(self._clock.now()), self._clock.monotonic(), action, related
                )
            )  # fmt: skip
        except asyncio.QueueFull:
            self._lose("QueueFull", f"{reason} {message}")

    def _lose(self, why: str, example: str) -> None:
        self.lost[why] += 1
        self._untold[why] += 1
        self._example = example
        if self._telling is None:
            self._telling = asyncio.ensure_future(self._tell_losses())

    async def _tell_losses(self) -> None:
        """One line at once, then one every few seconds as long as there is more to tell."""
        while self._untold:
            counts = ", ".join(f"{count} ({why})" for why, count in self._untold.items())
            log.warning("%s: events lost: %s; the last one: %s", self.component, counts, self._example)
            self._untold.clear()
            await self._clock.sleep(TELL_SECONDS)
        self._telling = None

    async def run(self) -> None:
        """Write events until cancelled."""
        try:
            await self._write_all()
        finally:
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None

    async def _write_all(self) -> None:
        while True:
            first = await self._queue.get()
            if self._is_busy is not None:
                await self._hold(first.since, self._is_busy)
            by_key: dict[tuple[str, ...], list[_Told]] = {first.key: [first]}
            for _ in range(min(AT_A_TIME - 1, self._queue.qsize())):
                told = self._queue.get_nowait()
                by_key.setdefault(told.key, []).append(told)
            await asyncio.gather(*map(self._record, by_key.values()))

    async def _hold(self, since: float, is_busy: Callable[[], bool]) -> None:
        while (
            is_busy()
            and self._queue.qsize() < self._queue.maxsize // 2
            and self._clock.monotonic() - since < LONGEST_HOLD
        ):
            await self._clock.sleep(HOLD_STEP)

    async def _record(self, same: list["_Told"]) -> None:
        """Events of one series, one after the other."""
        for told in same:
            try:
                await self._write(told)
            except (StatusError, OSError, TimeoutError) as error:
                log.debug("event not recorded (%s): %s %s", error, told.reason, told.message)
                if not _is_of_a_leaving_namespace(error):
                    why = (error.reason if isinstance(error, StatusError) else "") or type(error).__name__
                    self._lose(why, f"{told.reason} {told.message} ({error})")
            except Exception as error:
                self._lose(type(error).__name__, f"{told.reason} {told.message}")
                log.exception("event not recorded: %s %s", told.reason, told.message)
            finally:
                self._queue.task_done()

    async def flush(self) -> None:
        """Return when every event recorded so far is written; `run` must be running."""
        await self._queue.join()

    async def _write(self, told: "_Told") -> None:
        reference, key, when, now = told.reference, told.key, told.when, self._clock.monotonic()
        series = self._seen.get(key)
        if series is not None and now - series.last < REPEAT_WINDOW:
            series.count, series.last = series.count + 1, now
            if not self._spend(reference.get("uid") or reference.get("name", ""), now):
                return
            body = {"count": series.count, "lastTimestamp": when}
            try:
                await self._client.patch(
                    EVENTS, series.name, body, series.namespace, content_type=MERGE_PATCH
                )
            except NotFound:
                del self._seen[key]
            else:
                return
        if not self._spend(reference.get("uid") or reference.get("name", ""), now):
            return
        namespace = reference.get("namespace") or "default"
        name = f"{reference.get('name', '')}.{self._stamp():x}"
        if len(name) > LONGEST_NAME:  # as upstream: of the two parts neither can be cut and stay what it says
            name = str(uuid.uuid4())
        source = {"component": self.component, **({"host": self._host} if self._host else {})}
        await self._client.create(
            EVENTS,
            {
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": reference, "type": told.kind, "reason": told.reason, "message": told.message[:1024],
                "source": source, "firstTimestamp": when, "lastTimestamp": when, "count": 1,
                "reportingComponent": self.component, "reportingInstance": self._host,
                **({"action": told.action} if told.action else {}),
                **({"related": meta.object_reference(told.related)} if told.related else {}),
            },
            namespace,
        )  # fmt: skip
        self._seen[key] = _Series(name, namespace, 1, now)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _stamp(self) -> int:
        """Nanoseconds since 1970, ever growing: lists are in the order of names, and events of one second have no other.

        The last three digits are chance, so that two recorders do not meet.
        """
        self._last_micros = max(round(self._clock.now().timestamp() * 1_000_000), self._last_micros + 1)
        return self._last_micros * 1000 + secrets.randbelow(1000)

    def _spend(self, uid: str, now: float) -> bool:
        tokens, then = self._budget.pop(uid, (BURST, now))
        tokens = min(BURST, tokens + (now - then) / REFILL_SECONDS)
        allowed = tokens >= 1
        self._budget[uid] = (tokens - 1 if allowed else tokens, now)
        while len(self._budget) > REMEMBERED:
            self._budget.popitem(last=False)
        return allowed


def _is_of_a_leaving_namespace(error: Exception) -> bool:
    return isinstance(error, StatusError) and any(
        cause.reason == "NamespaceTerminating" for cause in error.causes
    )


def lost_events(recorders: Iterable[EventRecorder]) -> Family:
    """What several recorders lost, as a metric."""
    lost: Counter[tuple[str, ...]] = Counter()
    for recorder in recorders:
        for why, count in recorder.lost.items():
            lost[recorder.component, why] += count
    text = "Total number of events that were not recorded, by the component that told them and the reason"
    return Family("pinnace_events_lost_total", text, "counter", ("component", "reason"), sorted(lost.items()))
