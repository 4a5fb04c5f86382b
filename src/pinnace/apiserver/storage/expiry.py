"""Removal of objects that live for a limited time: Events, an hour after they last happened.

Upstream binds them to a lease of etcd; here their own timestamps decide, so that it works on every store and goes on where
it was after a restart. With several API servers on one store each removes; the second one finds nothing.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.apimachinery.times import parse_time
from pinnace.apiserver.storage.item import Item, Object
from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.apiserver.storage.options import Preconditions

log = logging.getLogger(__name__)


class Expiry:
    """Objects of `storage` whose newest timestamp is `lifetime` ago are deleted by `sweep`."""

    def __init__(self, storage: ObjectStorage, lifetime: timedelta) -> None:
        self.storage, self._lifetime = storage, lifetime
        self._happened: dict[str, tuple[int, datetime | None]] = {}  # by key: (revision, newest timestamp)

    async def sweep(self, now: datetime) -> None:
        items = (await self.storage.list()).items
        known, self._happened = self._happened, {}
        for item in items:
            entry = known.get(item.key)
            if entry is None or entry[0] != item.revision:
                entry = (item.revision, last_happened(item.decode(), now + self._lifetime))
            self._happened[item.key] = entry
            if entry[1] is not None and entry[1] + self._lifetime <= now:
                await self._remove(item)

    async def _remove(self, item: Item) -> None:
        unchanged = Preconditions(resource_version=str(item.revision))
        try:
            await self.storage.delete(item.name, item.namespace, preconditions=unchanged)
        except NotFound:
            pass
        except StatusError as error:
            log.info("%s is not expired now: %s", item.key, error)


def last_happened(obj: Object, latest: datetime) -> datetime | None:
    """The newest of an Event's timestamps; None when it has none that can be read. What lies beyond `latest` does not count:
    whoever writes events would keep them for ever."""
    return max((when for when in _timestamps(obj) if when <= latest), default=None)


def _timestamps(obj: Object) -> Iterator[datetime]:
    texts = (
        obj["metadata"].get("creationTimestamp"),
        obj.get("firstTimestamp"),
        obj.get("lastTimestamp"),
        obj.get("deprecatedLastTimestamp"),
        obj.get("eventTime"),
        (obj.get("series") or {}).get("lastObservedTime"),
    )
    for text in texts:
        try:
            if text:
                yield parse_time(text)
        except (ValueError, TypeError, AttributeError):
            continue
