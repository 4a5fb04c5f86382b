"""Which custom resources this server has: follows the watch cache of the definitions, whoever wrote them.

Rows come and go inside the delivery of the change, so that they are in effect when the write that caused it answers, and also
when another server on the same store made it. What needs waiting (statuses, the end of a definition) is done by `run`.
Nothing but this module is imported until there is a definition.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery.errors import StatusError
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item, Object
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.translation import api_errors
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from pinnace.apiserver.extensions.definition import Definition
    from pinnace.apiserver.openapi.custom import CustomKind
    from pinnace.apiserver.registry.catalog import Registries

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class _Listener(ObjectWatch):
    """A watcher that is told of events where they happen, instead of reading them later."""

    def __init__(self, owner: "CustomResources") -> None:
        super().__init__(Scope(), bookmarks=False, on_close=lambda _: None)
        self._owner = owner

    def offer(self, event: StorageEvent) -> None:
        self._owner.changed(event)

    def end(self, error: StatusError | None = None) -> None:
        """The event stream was lost: everything is looked at again."""
        self._owner.lost()


class CustomResources:
    def __init__(self, registries: "Registries", clock: Clock) -> None:
        self._registries, self._clock = registries, clock
        self._known: dict[str, Definition] = {}
        self._pending: dict[str, None] = {}  # definitions to look at, in the order of their changes
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stale = False
        self._groups_changed = False
        self._listener = _Listener(self)

    async def load(self) -> None:
        """Rows of all definitions that are there; follows them from now on."""
        cache = self._registries.of(r.CUSTOM_RESOURCE_DEFINITIONS).storage.cache
        await cache.load()
        self._stale = False
        cache.watchers.add(self._listener)
        present = {item.name: item for item in cache.contents}
        for name in [name for name in self._known if name not in present]:
            self._forget(name)
        for item in present.values():
            self._take(item)

    async def catch_up(self) -> None:
        """Know every definition that the store has now: another server may just have made one."""
        with api_errors(r.CUSTOM_RESOURCE_DEFINITIONS):
            await self._registries.of(r.CUSTOM_RESOURCE_DEFINITIONS).storage.cache.catch_up()

    def lost(self) -> None:
        self._stale = True
        self._wake.set()

    def changed(self, event: StorageEvent) -> None:
        try:
            if event.type == "DELETED":
                self._forget(event.item.name)
            else:
                self._take(event.item)
        except Exception:  # the delivery of events to others goes on
            log.exception("custom resource definition %s", event.item.name)

    def _take(self, item: Item) -> None:
        from pinnace.apiserver.extensions.definition import Definition

        old = self._known.get(item.name)
        new = Definition(item.decode(), self._registries)
        self._known[item.name] = new
        self._pending[item.name] = None
        self._wake.set()
        if old is not None and old.serves_same_as(new):
            new.adopt(old)
            return
        gone = [row.gvr for row in old.rows] if old is not None else []
        if gone or new.rows:
            self._groups_changed = True
            self._registries.replace_rows(gone, dict.fromkeys(new.rows, new.registry))
        if old is not None:
            old.retire()

    def _forget(self, name: str) -> None:
        old = self._known.pop(name, None)
        if old is None:
            return
        if old.rows:
            self._groups_changed = True
            self._registries.replace_rows([row.gvr for row in old.rows], {})
        old.retire()
        old.forget_storage()
        for other in self._known.values():  # a name may be free now
            if other.group == old.group:
                self._pending[other.name] = None
        self._wake.set()

    def kinds(self) -> "list[CustomKind]":
        """For the documents of OpenAPI."""
        from pinnace.apiserver.openapi.custom import CustomKind

        return [
            CustomKind(row.gvk, row.list_kind, definition.structural(row.gvr.version).raw)
            for definition in self._known.values()
            for row in definition.rows
        ]

    # -- what takes time ------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Statuses and ends of definitions, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    if self._stale:
                        await self.load()
                    await self._look_at_pending(tasks)
                    await self._keep_api_services()
                except (StatusError, OSError, TimeoutError) as error:
                    log.warning("custom resource definitions: %s", error)
                    self._wake.set()
                    await self._clock.sleep(RETRY_SECONDS)
                except Exception:
                    log.exception("custom resource definitions")
                    self._wake.set()
                    await self._clock.sleep(RETRY_SECONDS)

    async def _look_at_pending(self, tasks: asyncio.TaskGroup) -> None:
        from pinnace.apiserver.extensions import statuses

        while self._pending:
            name = next(iter(self._pending))
            del self._pending[name]  # a change that comes in from here on puts it back
            definition = self._known.get(name)
            if definition is None:
                continue
            if meta.is_terminating(definition.obj):
                self._end(name, tasks)
                continue
            others = self._others(definition)
            try:
                changed = await statuses.settle(definition, others, self._registries, self._clock)
            except BaseException:
                self._pending[name] = None
                raise
            if changed:
                self._pending |= dict.fromkeys(map(meta.name, others))

    async def _keep_api_services(self) -> None:
        if not self._groups_changed:
            return
        from pinnace.apiserver.extensions import api_services

        self._groups_changed = False
        served = {row.gvr[:2] for definition in self._known.values() for row in definition.rows}
        await api_services.keep(self._registries, served)

    def _others(self, definition: "Definition") -> list[Object]:
        return [
            other.obj
            for other in self._known.values()
            if other.group == definition.group and other.name != definition.name
        ]

    def _end(self, name: str, tasks: asyncio.TaskGroup) -> None:
        if name in self._ending:
            return
        task = tasks.create_task(self._until_ended(name), name=f"end of {name}")
        self._ending[name] = task
        task.add_done_callback(lambda _: self._ending.pop(name, None))

    async def _until_ended(self, name: str) -> None:
        """Objects go first, then the finalizer."""
        from pinnace.apiserver.extensions import ending

        while True:
            definition = self._known.get(name)
            if definition is None or not meta.is_terminating(definition.obj):
                return
            try:
                await ending.clean_up(definition, self._registries, self._clock)
                return
            except (StatusError, OSError, TimeoutError) as error:
                log.warning("end of custom resource definition %s: %s", name, error)
            except Exception:
                log.exception("end of custom resource definition %s", name)
            await self._clock.sleep(RETRY_SECONDS)
