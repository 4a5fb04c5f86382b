"""The aggregator: knows which requests belong to other API servers, watches over those servers, merges their documents.

Where no APIService names another server it costs a request one comparison, and runs no task.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from pinnace.api import resources as r
from pinnace.api.apiregistration.apiservices import availability, with_availability
from pinnace.apimachinery import errors
from pinnace.apiserver.aggregation.registrations import (
    Registered,
    Registrations,
    is_custom,
    local_services,
    stamp,
)
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.discovery import AGGREGATED_VERSIONS, Answer, aggregated_version
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.registry.metadata import fill_on_create
from pinnace.apiserver.request import Answer as HttpAnswer
from pinnace.apiserver.request import Request
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.apiserver.webhooks.services import SERVICE_NAME
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)
Object = dict[str, Any]
_SECONDS_AVAILABLE, _SECONDS_UNAVAILABLE = 30.0, 1.0
_DISCOVERY = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in AGGREGATED_VERSIONS
)


class _Listener(ObjectWatch):
    """A watcher that is told of events where they happen; `told(event)` gets None when the stream of events was lost."""

    def __init__(self, told: Callable[[StorageEvent | None], None]) -> None:
        super().__init__(Scope(), bookmarks=False, on_close=lambda _: None)
        self._told = told

    def offer(self, event: StorageEvent) -> None:
        self._told(event)

    def end(self, error: errors.StatusError | None = None) -> None:
        self._told(None)


class Aggregator:
    def __init__(self, config: ApiServerConfig, registries: Registries, clock: Clock) -> None:
        self._config, self._registries, self._clock = config, registries, clock
        self.registrations = Registrations(registries)
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._is_dirty = False
        self._wake = asyncio.Event()
        self._fetched: dict[tuple[str, str], Any] = {}
        self._running = False

    async def start(self) -> None:
        await self.registrations.load()
        self._registries.of(r.API_SERVICES).storage.cache.watchers.add(_Listener(self._api_service_changed))
        self._running = True
        self.rows_changed()
        self._watch_over()

    async def stop(self) -> None:
        self._running = False
        tasks = [task for task in (self._task, self._syncing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = self._syncing = None
        if self._transport is not None:
            await self._transport.close()

    @property
    def transport(self) -> Any:
        if self._transport is None:
            from pinnace.apiserver.aggregation.transport import Transport

            self._transport = Transport(self._config, self._registries, self._clock)
        return self._transport

    def reload_certificate(self) -> None:
        """The front proxy's, from its file into the connections to come."""
        if self._transport is not None:
            self._transport.forget_contexts()

    # -- APIServices of this server's own groups ------------------------------------------------------------
    def rows_changed(self) -> None:
        """Custom resources have come or gone: so do the APIServices of their groups and versions."""
        self._is_dirty = True
        if self._running and self._syncing is None:
            self._syncing = asyncio.create_task(self._sync_local(), name="apiserver local APIServices")

    async def _sync_local(self) -> None:
        storage = self._registries.of(r.API_SERVICES).storage
        try:
            while self._is_dirty:
                self._is_dirty = False
                found = local_services(self._registries.rows, stamp(self._registries))
                wanted = {obj["metadata"]["name"]: obj for obj in found if is_custom(obj)}
                known = {one.name: one for one in self.registrations.all().values()}
                for name in [
                    name for name, one in known.items() if one.managed == "true" and name not in wanted
                ]:
                    with suppress(errors.NotFound):
                        await storage.delete(name)
                for obj in [obj for name, obj in wanted.items() if name not in known]:
                    fill_on_create(obj, self._clock.now())
                    with suppress(errors.AlreadyExists):
                        await storage.create(obj)
        except (errors.StatusError, OSError) as error:
            log.warning("APIServices of custom resources: %s", error)
        finally:
            self._syncing = None

    # -- requests -------------------------------------------------------------------------------------------
    def delegate(self, request: Request) -> Registered | None:
        """The APIService whose server answers this request; None when it is ours."""
        remote = self.registrations.remote()
        if not remote:
            return None
        self._watch_over()
        info = request.info
        if info.is_resource:
            return remote.get((info.group, info.version))
        match request.path.strip("/").split("/"):
            case ["apis", group, version] | ["openapi", "v3", "apis", group, version]:
                return remote.get((group, version))
        return None

    async def serve(self, request: Request, service: Registered) -> HttpAnswer:
        from pinnace.apiserver.aggregation.proxy import serve

        return await serve(self.transport, service, request)

    # -- availability ---------------------------------------------------------------------------------------
    def _api_service_changed(self, event: StorageEvent | None) -> None:
        """Our own writes of a status need no second look."""
        if event is not None and event.previous is not None and event.type == "MODIFIED":
            before, after = event.previous.obj, event.item.obj
            if before.get("spec") == after.get("spec"):
                return
        self._wake.set()
        asyncio.get_running_loop().call_soon(self._watch_over)  # the cache has the event by then

    def _backend_changed(self, event: StorageEvent | None) -> None:
        """A Service or EndpointSlice: of one of our extension servers?"""
        if event is None:
            self._wake.set()
            return
        item = event.item
        name = item.labels.get(SERVICE_NAME, item.name)
        if any(one.service[:2] == (item.namespace, name) for one in self.registrations.remote().values()):
            self._wake.set()

    def _watch_over(self) -> None:
        if self._task is None and self._running and self.registrations.remote():
            self._task = asyncio.create_task(self._run(), name="apiserver aggregator")

    async def _run(self) -> None:
        """Ends when no APIService names another server any more."""
        caches = [self._registries.of(gvr).storage.cache for gvr in (r.SERVICES, r.ENDPOINT_SLICES)]
        listener = _Listener(self._backend_changed)
        for cache in caches:
            await cache.load()
            cache.watchers.add(listener)
        try:
            await self._look_after_all()
        finally:
            for cache in caches:
                cache.watchers.remove(listener)
            self._task = None

    async def _look_after_all(self) -> None:
        while remote := self.registrations.remote():
            self._wake.clear()
            results = await asyncio.gather(*map(self._check, list(remote.values())))
            self._fetched = {key: value for key, value in self._fetched.items() if key in remote}
            wait = _SECONDS_AVAILABLE if all(results) else _SECONDS_UNAVAILABLE
            await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        try:
            await self._clock.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _check(self, service: Registered) -> bool:
        from pinnace.apiserver.aggregation.availability import check

        try:
            condition = await check(self._registries, self.transport, service)
            if condition["status"] == "True":
                await self._fetch(service)
            else:
                self._mark_stale(service)
            await self._publish(service, condition)
        except (errors.StatusError, OSError) as error:
            log.warning("APIService %s could not be checked: %s", service.name, error)
            return False
        return bool(condition["status"] == "True")

    async def _publish(self, service: Registered, condition: Object) -> None:
        now = stamp(self._registries)

        async def change(item: Item) -> Object | Outcome:
            before = availability(item.obj)
            if (item.obj.get("spec") or {}) != service.spec:
                return Outcome.KEEP  # changed meanwhile: the next round judges it
            if before and {key: before.get(key) for key in condition} == condition:
                return Outcome.KEEP
            return with_availability(item.obj, condition, now)

        try:
            await self._registries.of(r.API_SERVICES).storage.update(service.name, "", change)
        except errors.NotFound:
            return

    # -- discovery ------------------------------------------------------------------------------------------
    async def _fetch(self, service: Registered) -> None:
        """What the server has: its aggregated discovery, or the plain list of an older one."""
        from pinnace.apiserver.aggregation.documents import Fetched, from_legacy, versions_of
        from pinnace.apiserver.aggregation.transport import Unreachable

        key = (service.group, service.version)
        try:
            status, media, body = await self.transport.get(service, "/apis", accept=_DISCOVERY)
            if status == 200 and "as=apigroupdiscoverylist" in media.lower():
                resources = versions_of(orjson.loads(body)).get(key, ())
            else:
                status, _, body = await self.transport.get(service, service.path)
                if status != 200:
                    raise Unreachable(f"status {status}")
                resources = from_legacy(orjson.loads(body))
        except (Unreachable, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            log.info("discovery of APIService %s failed: %s", service.name, error)
            self._mark_stale(service)
            return
        self._fetched[key] = Fetched(resources)

    def _mark_stale(self, service: Registered) -> None:
        from pinnace.apiserver.aggregation.documents import Fetched

        key = (service.group, service.version)
        before = self._fetched.get(key)
        self._fetched[key] = Fetched(before.resources if before else (), is_stale=True)

    def discovery(self, path: str, accept: str, own: Callable[[str], Answer | None]) -> Answer | None:
        """The document of `/apis` or `/apis/GROUP`; `own(path)` is what this server has to say."""
        base = own(path)
        if not self.registrations.remote():
            return base
        from pinnace.apiserver.aggregation import documents

        known = self.registrations.all()
        match path.strip("/").split("/"):
            case ["apis"] if base is not None and aggregated_version(accept):
                body = orjson.dumps(documents.aggregated(orjson.loads(base.body), known, self._fetched))
                return Answer(body, base.content_type, f'"{hashlib.sha512(body).hexdigest().upper()}"')
            case ["apis"] if base is not None:
                return Answer(orjson.dumps(documents.group_list(orjson.loads(base.body), known)))
            case ["apis", name]:
                found = documents.group(orjson.loads(base.body) if base else None, name, known)
                return None if found is None else Answer(orjson.dumps(found))
        return base

    # -- OpenAPI --------------------------------------------------------------------------------------------
    async def openapi_places(self) -> dict[str, Object]:
        """Entries of the v3 index for what extension servers document."""
        found: dict[str, Object] = {}
        for service in self._available():
            index = await self._json(service, "/openapi/v3")
            place = service.path.strip("/")
            entry = (index.get("paths") or {}).get(place)
            if isinstance(entry, dict):
                found[place] = entry
        return found

    async def openapi_v2(self, own: Object) -> Object:
        """Our v2 document with those of the extension servers in it."""
        from pinnace.apiserver.aggregation.openapi import merged_v2

        for service in self._available():
            own = merged_v2(own, await self._json(service, "/openapi/v2"), service.path)
        return own

    @property
    def has_available(self) -> bool:
        return bool(self.registrations.remote()) and bool(self._available())

    def _available(self) -> list[Registered]:
        return [one for one in self.registrations.remote().values() if one.is_available]

    async def _json(self, service: Registered, path: str) -> Object:
        from pinnace.apiserver.aggregation.transport import Unreachable

        try:
            status, _, body = await self.transport.get(service, path)
            value = orjson.loads(body) if status == 200 else {}
        except (Unreachable, orjson.JSONDecodeError):
            return {}
        return value if isinstance(value, dict) else {}
