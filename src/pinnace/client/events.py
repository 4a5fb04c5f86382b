"""Recording events: what happened to an object, for people who run `describe`.

Events are written in the background and never disturb the caller. An event that repeats within ten minutes raises the
count of the first one, as upstream's correlator does; one object may cause 25 new events, then one every five minutes.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.resources import EVENTS
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.client.interface import MERGE_PATCH, Client, Object
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

REMEMBERED = 4096
REPEAT_WINDOW = 600.0
BURST, REFILL_SECONDS = 25.0, 300.0
AT_ONCE = 32  # events that are written together share a commit

_Waiting = tuple[Object, str, str, str, str]  # the object, kind, reason, message, when


@dataclass(slots=True)
class _Series:
    name: str
    namespace: str
    count: int
    last: float


class EventRecorder:
    """`component` is the event's source, e.g. `kubelet` or `deployment-controller`; `host` the node, for the kubelet."""

    def __init__(self, client: Client, clock: Clock, component: str, host: str = "") -> None:
        self._client, self._clock = client, clock
        self._component, self._host = component, host
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(maxsize=1000)
        self._seen: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._budget: OrderedDict[str, tuple[float, float]] = OrderedDict()  # uid -> (tokens, when)
        self._last_micros = 0
        self._dropped = 0

    def event(self, about: Object, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        """kind: Normal or Warning. `about` is the object, or an ObjectReference. Dropped when a thousand wait already."""
        reference = meta.object_reference(about) if "metadata" in about else dict(about)
        if field_path:
            reference["fieldPath"] = field_path
        try:
            self._queue.put_nowait((reference, kind, reason, message, format_time(self._clock.now())))
        except asyncio.QueueFull:
            self._dropped += 1
            log.debug("event dropped: %s %s", reason, message)

    async def run(self) -> None:
        """Write events until cancelled: those that wait at a time go together, those that repeat one after the other."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < AT_ONCE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            if self._dropped:
                log.warning("%d events dropped: more came than could be written", self._dropped)
                self._dropped = 0
            groups: dict[tuple[str, ...], list[_Waiting]] = {}
            for waiting in batch:
                groups.setdefault(_series_key(*waiting[:4]), []).append(waiting)
            if len(groups) == 1:
                await self._write_in_order(batch)
            else:
                await asyncio.gather(*map(self._write_in_order, groups.values()))

    async def _write_in_order(self, group: "list[_Waiting]") -> None:
        for reference, kind, reason, message, when in group:
            try:
                await self._write(reference, kind, reason, message, when)
            except (StatusError, OSError, TimeoutError) as error:
                is_leaving = isinstance(error, StatusError) and any(
                    cause.reason == "NamespaceTerminating" for cause in error.causes
                )
                level = logging.DEBUG if is_leaving else logging.WARNING
                log.log(level, "event not recorded (%s): %s %s", error, reason, message)
            except Exception:
                log.exception("event not recorded: %s %s", reason, message)
            finally:
                self._queue.task_done()

    async def flush(self) -> None:
        """Return when every event recorded so far is written; `run` must be running."""
        await self._queue.join()

    async def _write(self, reference: Object, kind: str, reason: str, message: str, when: str) -> None:
        key = _series_key(reference, kind, reason, message)
        now = self._clock.monotonic()
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
        source = {"component": self._component, **({"host": self._host} if self._host else {})}
        await self._client.create(
            EVENTS,
            {
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": reference, "type": kind, "reason": reason, "message": message[:1024],
                "source": source, "firstTimestamp": when, "lastTimestamp": when, "count": 1,
                "reportingComponent": self._component, "reportingInstance": self._host,
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


def _series_key(reference: Object, kind: str, reason: str, message: str) -> tuple[str, ...]:
    """What makes two events the same."""
    about = tuple(reference.get(field, "") for field in ("kind", "namespace", "name", "uid", "fieldPath"))
    return (*about, kind, reason, message)
