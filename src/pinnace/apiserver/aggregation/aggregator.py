"""The aggregator: knows which requests belong to other API servers, watches over those servers, merges their documents.

Where no APIService names another server it costs a request one comparison, and runs no task.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import orjson

from pinnace.api import resources as r
from pinnace.api.apiregistration.apiservices import availability, with_availability
from pinnace.apimachinery import errors
from pinnace.apiserver.aggregation.registrations import Registered, Registrations, stamp
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.discovery import AGGREGATED_VERSIONS, Answer, aggregated_version
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.request import Answer as HttpAnswer
from pinnace.apiserver.request import Request
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)
Object = dict[str, Any]
_SECONDS_AVAILABLE, _SECONDS_UNAVAILABLE = 30.0, 1.0
_DISCOVERY = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in AGGREGATED_VERSIONS
)


class Aggregator:
    def __init__(self, config: ApiServerConfig, registries: Registries, clock: Clock) -> None:
        self._config, self._registries, self._clock = config, registries, clock
        self.registrations = Registrations(registries)
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._fetched: dict[tuple[str, str], Any] = {}
        self._running = False

    async def start(self) -> None:
        await self.registrations.load()
        self._running = True
        self._watch_over()

    async def stop(self) -> None:
        self._running = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._transport is not None:
            await self._transport.close()

    @property
    def transport(self) -> Any:
        if self._transport is None:
            from pinnace.apiserver.aggregation.transport import Transport

            self._transport = Transport(self._config, self._registries, self._clock)
        return self._transport

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
    def announce(self) -> None:
        """An APIService was written."""
        self._wake.set()
        self._watch_over()

    def _watch_over(self) -> None:
        if self._task is None and self._running and self.registrations.remote():
            self._task = asyncio.create_task(self._run(), name="apiserver aggregator")

    async def _run(self) -> None:
        """Ends when no APIService names another server any more."""
        while remote := self.registrations.remote():
            self._wake.clear()
            results = await asyncio.gather(*map(self._check, list(remote.values())))
            self._fetched = {key: value for key, value in self._fetched.items() if key in remote}
            wait = _SECONDS_AVAILABLE if all(results) else _SECONDS_UNAVAILABLE
            await self._pause(wait)
        self._task = None

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
