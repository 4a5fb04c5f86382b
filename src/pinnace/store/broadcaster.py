"""Fan-out of committed events to subscribers by key prefix, with a gapless hand-over from history to live.

Runs on the event loop only. A backend calls `publish` once per commit; `attach` first replays history in pages until
the subscriber has caught up with what was published, and joins it to the live stream in that same step.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from pinnace.store.backend import Event, FutureRevision, StoreError, StoreUnavailable, Subscriber

log = logging.getLogger(__name__)

HISTORY_PAGE = 1000

# (prefix, after, up_to, limit) -> events of the prefix with after < revision <= up_to; raises Compacted
History = Callable[[str, int, int, int], Awaitable[list[Event]]]


@dataclass(eq=False, slots=True)
class LocalSubscription:
    """A subscriber on the live stream of its broadcaster."""

    broadcaster: "Broadcaster"
    prefix: str
    subscriber: Subscriber

    @property
    def revision(self) -> int:
        return self.broadcaster.revision

    @property
    def is_never_late(self) -> bool:
        return not self.broadcaster.is_remote

    async def wait_until(self, revision: int) -> None:
        await self.broadcaster.wait_until(revision)

    def close(self) -> None:
        self.broadcaster.detach(self)


class Broadcaster:
    """`revision` is the newest one published: all that readers may see."""

    def __init__(self, revision: int = 0, *, is_remote: bool = False) -> None:
        self.revision, self.is_remote = revision, is_remote
        self._live: dict[str, list[LocalSubscription]] = {}
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = 0

    async def attach(
        self, prefix: str, after: int, subscriber: Subscriber, history: History
    ) -> LocalSubscription:
        if after > self.revision:
            raise FutureRevision(after, self.revision)
        first, position = True, after
        while first or position < self.revision:
            first = False
            target = self.revision
            events = await history(prefix, position, target, HISTORY_PAGE)
            position = events[-1].kv.mod_revision if len(events) == HISTORY_PAGE else target
            if events:
                subscriber.deliver(events)
        subscription = LocalSubscription(self, prefix, subscriber)
        self._live.setdefault(prefix, []).append(subscription)
        return subscription

    def detach(self, subscription: LocalSubscription) -> None:
        group = self._live.get(subscription.prefix, [])
        if subscription in group:
            group.remove(subscription)
        if not group:
            self._live.pop(subscription.prefix, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Deliver one commit: events in order of revision, the first one above `revision`."""
        batches: dict[LocalSubscription, list[Event]] = {}
        for event in events:
            for prefix in _ancestors(event.kv.key):
                for subscription in self._live.get(prefix, ()):
                    batches.setdefault(subscription, []).append(event)
        self.revision = events[-1].kv.mod_revision
        for subscription, batch in batches.items():
            self._deliver(subscription, batch)
        self.advance(self.revision)

    def advance(self, revision: int) -> None:
        """Everything up to `revision` has been published."""
        self.revision = revision
        while self._waiting and self._waiting[0][0] <= self.revision:
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.done():
                waiter.set_result(None)

    def _deliver(self, subscription: LocalSubscription, batch: list[Event]) -> None:
        try:
            subscription.subscriber.deliver(batch)
        except Exception:
            log.exception("a subscriber of %s failed; its subscription is closed", subscription.prefix)
            self.detach(subscription)
            subscription.subscriber.fail(StoreUnavailable("the subscriber failed"))

    async def wait_until(self, revision: int) -> None:
        if revision <= self.revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets += 1
        heapq.heappush(self._waiting, (revision, self._tickets, waiter))
        await waiter

    def end(self, error: StoreError) -> None:
        """Fail every subscription, and forget them."""
        live, self._live = self._live, {}
        for group in live.values():
            for subscription in group:
                subscription.subscriber.fail(error)


def _ancestors(key: str) -> Iterator[str]:
    """Every prefix of `key` that ends in "/": `/a/b` -> `/`, `/a/`."""
    cut = key.find("/")
    while cut >= 0:
        yield key[: cut + 1]
        cut = key.find("/", cut + 1)
