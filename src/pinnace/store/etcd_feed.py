"""The event stream of the etcd store: one watch of everything below the prefix, kept alive, fanned out by a Broadcaster.

After a broken connection it goes on from the last revision it has seen, so subscribers miss and repeat nothing; they are
failed only when etcd has compacted what they still need, or has lost data. The newest events are kept, so that watch
caches can be filled without a watch each. A watch says nothing of revisions that changed other keys: whoever waits for
one makes the feed ask etcd how far it is (`nudge`).
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from pinnace.component.clock import Clock
from pinnace.store.backend import Compacted, Event, KeyValue, StoreError, StoreUnavailable
from pinnace.store.broadcaster import Broadcaster
from pinnace.store.etcd_client import EtcdClient, Revisions
from pinnace.store.etcd_messages import DELETE, message_classes

log = logging.getLogger(__name__)

BACKFILL = (
    2_000  # revisions read when the store is opened, and the least that are kept; watch caches want 1,000
)
RECONNECT_SECONDS = 0.2
SETTLING_SECONDS = 0.25  # etcd sends the past to a new watch within a tenth of a second
QUIET_SECONDS = (
    0.1  # no event for so long, although one is waited for: its revision is perhaps not one of ours
)
HISTORY_SECONDS = 30.0  # a page of history that takes longer is given up
# Older servers may answer a request for progress before they have sent the events (etcd issue 15220): there a write to a
# key of ours shows how far the watch is.
PROGRESS_SINCE = ((3, 4, 25), (3, 5, 8))


def reports_progress(version: str) -> bool:
    """Whether an answer to a request for progress can be trusted."""
    try:
        found = tuple(int(part) for part in version.split("-", maxsplit=1)[0].split("."))
    except ValueError:
        return False
    return any(found >= since for since in PROGRESS_SINCE if since[:2] == found[:2]) or found >= (3, 6)


Take = Callable[[list[Event], int], bool]


class Feed:
    """`floor`: events above it, up to `broadcaster.revision`, are in `_log`."""

    def __init__(
        self, client: EtcdClient, clock: Clock, revisions: Revisions, prefix: bytes, span: str
    ) -> None:
        self._client, self._clock, self._revisions = client, clock, revisions
        self._strip = len(prefix)
        self._start = prefix + span.encode()
        self._end = self._start[:-1] + bytes([self._start[-1] + 1])
        self._fence = self._start + b"pinnace-fence"
        self.broadcaster = Broadcaster(is_remote=True)
        self.floor = self._compacted = 0
        self._log: list[Event] = []
        self._is_broken = False
        self._wanted = 0
        self._nudging: asyncio.Task[None] | None = None
        self._stream: Any = None
        self._settled_at = 0.0
        self._trusts_progress = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._follow()
            except Compacted as error:
                log.log(
                    logging.WARNING if self._log else logging.INFO,
                    "the event stream of etcd broke off: %s",
                    error,
                )
                self._compacted = error.compacted
                self._restart(error.compacted, error)
            except StoreError as error:
                log.log(
                    logging.DEBUG if self._is_broken else logging.WARNING,
                    "the event stream of etcd is interrupted: %s",
                    error,
                )
                self._is_broken = True
                await self._clock.sleep(RECONNECT_SECONDS)
            except Exception:
                log.exception("the event stream of etcd failed; it goes on")
                await self._clock.sleep(RECONNECT_SECONDS)

    async def _follow(self) -> None:
        """Publish from where the broadcaster is, until the connection breaks or the task is cancelled."""
        now = await self._revisions.newest()
        status = await self._client.call("Maintenance/Status")
        self._trusts_progress = reports_progress(status.version)
        if self.broadcaster.revision > now:
            self._compacted = 0
            self._restart(now, StoreUnavailable("etcd lost revisions: its data are older than before"))
        if not self.broadcaster.revision:
            self._restart(max(1, now - BACKFILL), StoreUnavailable("the store begins"))
        if self._is_broken:
            log.warning("etcd answers again, at revision %d", now)
            self._is_broken = False
        after = self.broadcaster.revision
        await self.read(after, self._publish, is_current=after == now, is_main=True)

    def _restart(self, revision: int, error: StoreError) -> None:
        self._log, self.floor = [], revision
        self.broadcaster.end(error)
        self.broadcaster.advance(revision)

    async def read(self, after: int, take: Take, *, is_current: bool = False, is_main: bool = False) -> None:
        """Give `take` the events after a revision, with how far they reach, until it returns False.

        Raises Compacted or StoreUnavailable. Unless the revision is the current one the watch begins at it and not after
        it, so that etcd refuses what `compact` has forgotten; such a watch begins a tenth of a second late.
        """
        classes = message_classes()
        create = classes["WatchCreateRequest"](
            key=self._start, range_end=self._end, progress_notify=True, prev_kv=True,
            start_revision=max(1, after + is_current),
        )  # fmt: skip
        call = await self._client.watch()
        try:
            await call.write(classes["WatchRequest"](create_request=create))
            if is_main:
                self._stream = call
                self._settled_at = self._clock.monotonic() + (0 if is_current else SETTLING_SECONDS)
            while True:
                answer = await self._client.read(call)
                if answer.canceled:
                    raise self._refusal(answer, after)
                if not take(self._events(answer, after), 0 if answer.created else answer.header.revision):
                    return
        except EOFError:
            raise StoreUnavailable("etcd ended the watch") from None
        except asyncio.InvalidStateError as error:
            raise StoreUnavailable("the watch of etcd is broken") from error
        except self._client.rpc_error as error:
            raise self._client.translated(error, "Watch/Watch") from error
        finally:
            self._stream = None if is_main else self._stream
            call.cancel()

    def _refusal(self, answer: Any, after: int) -> StoreError:
        if answer.compact_revision:
            return Compacted(after, answer.compact_revision)
        return StoreUnavailable(f"etcd refused the watch: {answer.cancel_reason}")

    def _events(self, answer: Any, after: int) -> list[Event]:
        return [self._event(event, event.kv) for event in answer.events if event.kv.mod_revision > after]

    def _event(self, event: Any, kv: Any) -> Event:
        is_delete = event.type == DELETE
        created = event.prev_kv.create_revision if is_delete else kv.create_revision
        key = kv.key[self._strip :].decode()
        return Event(KeyValue(key, kv.value, created, kv.mod_revision), is_delete)

    def _publish(self, events: list[Event], progress: int) -> bool:
        """An answer without events tells progress; one with events may be followed by more of the same revision."""
        if events:
            self._log += events
            self.broadcaster.publish(events)
            if len(self._log) > 2 * BACKFILL:
                self._forget(self._log[-BACKFILL].kv.mod_revision)
        elif progress > self.broadcaster.revision:
            self.broadcaster.advance(progress)
        return True

    def compacted(self, revision: int) -> None:
        """etcd has forgotten what was before this revision."""
        self._compacted = max(self._compacted, revision)
        self._forget(revision)

    def _forget(self, revision: int) -> None:
        """Keep no event up to this revision."""
        if revision > self.floor:
            del self._log[: bisect_right(self._log, revision, key=_revision_of)]
            self.floor = revision

    # how far the feed is

    def nudge(self, revision: int) -> None:
        """Somebody waits for this revision: see to it that the feed tells when it has got there."""
        self._wanted = max(self._wanted, revision)
        if revision > self.broadcaster.revision and (self._nudging is None or self._nudging.done()):
            self._nudging = asyncio.create_task(self._ask_progress(), name="etcd progress")

    async def _ask_progress(self) -> None:
        """Ask once the feed is quiet: while events come, the one that is waited for is among those to come."""
        while self._wanted > self.broadcaster.revision:
            seen = self.broadcaster.revision
            await self._clock.sleep(QUIET_SECONDS)
            is_quiet = self.broadcaster.revision == seen and self._clock.monotonic() >= self._settled_at
            if self._wanted <= seen or not is_quiet or self._stream is None:
                continue
            try:
                if self._trusts_progress:
                    await self._stream.write(_progress_request())
                else:
                    await self.fence()
            except (asyncio.InvalidStateError, self._client.rpc_error, StoreError) as error:
                log.debug("asking etcd for progress: %s", error)

    async def fence(self) -> int:
        """Write a key that nobody reads: its event says that the watch has got there."""
        return (await self._client.call("KV/Put", key=self._fence)).header.revision

    # history

    async def history(self, prefix: str, after: int, up_to: int, limit: int) -> list[Event]:
        """As `broadcaster.History`; from etcd, without regard to the limit, what is no longer kept here."""
        if after < self._compacted:
            raise Compacted(after, self._compacted)
        if after < self.floor:
            return await self._old_history(prefix, after, up_to)
        found: list[Event] = []
        for event in self._log[bisect_right(self._log, after, key=_revision_of) :]:
            if event.kv.mod_revision > up_to or len(found) == limit:
                break
            if event.kv.key.startswith(prefix):
                found.append(event)
        return found

    async def _old_history(self, prefix: str, after: int, up_to: int) -> list[Event]:
        """Up to the first event that is kept, which marks the end: a watch of the past does not say where it ends."""
        if not self._log:
            await self.broadcaster.wait_until(await self.fence())
        last = min(up_to, _revision_of(self._log[0]) if self._log else up_to)
        found: list[Event] = []

        def take(events: list[Event], _progress: int) -> bool:
            found.extend(
                event for event in events if _revision_of(event) <= up_to and event.kv.key.startswith(prefix)
            )
            return not events or _revision_of(events[-1]) < last

        try:
            await self._clock.wait_for(self.read(after, take), HISTORY_SECONDS)
        except TimeoutError:
            raise StoreUnavailable("etcd does not send its history") from None
        return found

    async def close(self, error: StoreError) -> None:
        if self._nudging is not None:
            self._nudging.cancel()
        self.broadcaster.end(error)


def _revision_of(event: Event) -> int:
    return event.kv.mod_revision


def _progress_request() -> Any:
    classes = message_classes()
    return classes["WatchRequest"](progress_request=classes["WatchProgressRequest"]())
