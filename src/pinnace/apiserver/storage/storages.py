"""All resources over one backend, and the work that goes on behind them: bookmarks, compaction, expiry.

`Storages.run()` must run as a task of the API server.
"""

import asyncio
import logging
from datetime import timedelta

from pinnace.api.resources import EVENTS, Resource
from pinnace.apimachinery.errors import StatusError
from pinnace.apiserver.storage.encryption import Encryption
from pinnace.apiserver.storage.expiry import Expiry
from pinnace.apiserver.storage.item import FieldLabels
from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.component.clock import Clock
from pinnace.store.backend import Backend, Compacted, FutureRevision, StoreError

log = logging.getLogger(__name__)

BOOKMARK_SECONDS = 60.0
COMPACTION_SECONDS = 300.0  # upstream's --etcd-compaction-interval
EXPIRY_SECONDS = 60.0
EVENT_LIFETIME = timedelta(hours=1)  # upstream's --event-ttl


class Storages:
    def __init__(
        self, backend: Backend, clock: Clock, *, event_lifetime: timedelta = EVENT_LIFETIME,
        encryption: Encryption | None = None,
    ) -> None:  # fmt: skip
        self.backend, self._clock, self._encryption = backend, clock, encryption
        self._lifetimes = {EVENTS.qualified: event_lifetime}
        self._by_name: dict[str, ObjectStorage] = {}

    def of(self, resource: Resource, field_labels: FieldLabels) -> ObjectStorage:
        """The storage of a row of the resource table; rows with the same `storage` name share one,
        which speaks (in errors and bookmarks) as the row that asked first."""
        name = resource.storage or resource.gvr.qualified
        if name not in self._by_name:
            gvr = resource.gvr
            sealing = self._encryption.sealing(gvr.resource, gvr.group) if self._encryption else None
            self._by_name[name] = ObjectStorage(
                self.backend, self._clock, gvr=gvr, kind=resource.kind, namespaced=resource.namespaced,
                field_labels=field_labels, storage_name=name, sealing=sealing,
            )  # fmt: skip
        return self._by_name[name]

    @property
    def all(self) -> list[ObjectStorage]:
        return list(self._by_name.values())

    def forget(self, name: str) -> None:
        """The resource is no more: watches of it end, and the next one of this name begins anew."""
        storage = self._by_name.pop(name, None)
        if storage is not None:
            storage.cache.watchers.end_all()
            storage.cache.close()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_bookmarks(), name="watch bookmarks")
            tasks.create_task(self._compact(), name="store compaction")
            tasks.create_task(self._expire(), name="expiry of objects")

    async def _send_bookmarks(self) -> None:
        while True:
            await self._clock.sleep(BOOKMARK_SECONDS)
            for storage in list(self._by_name.values()):
                storage.send_bookmarks()

    async def _expire(self) -> None:
        sweeps: dict[str, Expiry] = {}
        while True:
            await self._clock.sleep(EXPIRY_SECONDS)
            for name, lifetime in self._lifetimes.items():
                if name not in self._by_name:
                    continue
                expiry = sweeps.setdefault(name, Expiry(self._by_name[name], lifetime))
                try:
                    await expiry.sweep(self._clock.now())
                except StatusError as error:
                    log.warning("expiry of %s failed: %s", name, error)

    async def _compact(self) -> None:
        """Each time forget what was already history the last time, so that clients have one interval to go on."""
        last = 0
        while True:
            await self._clock.sleep(COMPACTION_SECONDS)
            try:
                now = await self.backend.revision()
                if last:
                    await self.backend.compact(last)
                last = now
            except (Compacted, FutureRevision):
                last = 0
            except (StoreError, StatusError) as error:
                log.warning("compaction failed: %s", error)

    def close(self) -> None:
        for storage in self._by_name.values():
            storage.cache.close()
