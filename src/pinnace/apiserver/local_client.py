"""The `Client` inside the server's process: authorization and registry without sockets, sharing the cache's objects.

Same semantics and errors as over HTTPS. What `get`, `list` and `watch` return is shared and must never be changed.
"""

from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from copy import copy
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from multidict import CIMultiDict

from pinnace.api.resources import PODS, Resource
from pinnace.apimachinery.errors import StatusError, from_status
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.authn.user import AUTHENTICATED, User
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.refusal import refusal
from pinnace.apiserver.filters.authorization import authorize
from pinnace.apiserver.filters.errors import answer_errors
from pinnace.apiserver.filters.request_info import resolve_request_info
from pinnace.apiserver.handlers.dispatch import Dispatcher, no_such_resource
from pinnace.apiserver.handlers.options import parse_scope
from pinnace.apiserver.pipeline import compose
from pinnace.apiserver.registry.base import private_copy
from pinnace.apiserver.registry.binding import SUCCESS as BOUND
from pinnace.apiserver.registry.binding import bind_in_process
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Request, Response, StreamingResponse
from pinnace.apiserver.request_info import name_in_selector
from pinnace.apiserver.services import Services
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListOptions, WatchOptions
from pinnace.apiserver.tracing import UNRECORDED, LocalRequest, noted
from pinnace.client.interface import APPLY_PATCH, MERGE_PATCH, Object, WatchEvent

T = TypeVar("T")
_RAW_FILTERS = (resolve_request_info, answer_errors, authorize)


class LocalClient:
    def __init__(self, services: Services, user: str, groups: tuple[str, ...] = ()) -> None:
        groups = groups if AUTHENTICATED in groups else (*groups, AUTHENTICATED)
        self._services, self._user = services, User(user, groups)
        self._agent = user.rpartition(":")[2] or "pinnace"
        self._raw = compose(Dispatcher(), _RAW_FILTERS)

    def acting_as(self, user: str, groups: tuple[str, ...]) -> "LocalClient":
        """The same program with the rights of another user."""
        other = copy(self)
        other._user = User(user, groups if AUTHENTICATED in groups else (*groups, AUTHENTICATED))
        return other

    def _traced(
        self, verb: str, gvr: GVR, namespace: str | None, name: str, subresource: str
    ) -> LocalRequest | None:
        """None where requests are not recorded."""
        tracer = self._services.tracer
        if tracer is None or gvr.resource in UNRECORDED:
            return None
        return LocalRequest(
            tracer, verb, gvr, namespace or "", name, subresource, self._user.name, self._agent
        )

    def _sent(
        self, verb: str, gvr: GVR, namespace: str | None, name: str, subresource: str, work: Awaitable[T]
    ) -> Awaitable[T]:
        request = self._traced(verb, gvr, namespace, name, subresource)
        return work if request is None else request.recorded(work)

    def _written(
        self, registry: Registry, verb: str, namespace: str | None, name: str, subresource: str, work: Awaitable[Item]
    ) -> Awaitable[Item]:  # fmt: skip
        """The same work, recorded: with all details now and then, and else the short way."""
        tracer, gvr = self._services.tracer, registry.row.gvr
        if tracer is None or gvr.resource in UNRECORDED:
            return work
        about = (tracer, verb, gvr, namespace or "", name, subresource, self._user.name, self._agent)
        if not subresource and tracer.examines(tracer.now()):
            return LocalRequest(*about).recorded(work)
        return noted(*about, work, registry.storage.cache.revision)

    async def _registry(
        self,
        verb: str,
        gvr: GVR,
        namespace: str | None,
        name: str = "",
        subresource: str = "",
        fields: str = "",
    ) -> Registry:
        """The registry, once this user has been found to be allowed."""
        row = self._services.registries.row(gvr)
        if row is None:
            raise no_such_resource()
        if "metadata.name" in fields:
            name = name_in_selector(fields)
        attributes = Attributes(
            self._user, verb, True, gvr.group, gvr.version, gvr.resource, namespace or "", name, subresource,
            field_selector=fields,
        )  # fmt: skip
        decision = await self._services.authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision.reason)
        return self._services.registries.of(gvr)

    def _context(self, manager: str, *, dry_run: bool = False, force: bool = False) -> WriteContext:
        return WriteContext(
            self._user, self._services.clock.now(), manager or self._agent, dry_run, force, field_validation="Ignore"
        )  # fmt: skip

    def _is_plain(self, gvr: GVR, subresource: str = "") -> bool:
        """Stored by this resource's registry in this very version: no special handler needed."""
        row = self._services.registries.row(gvr)
        return row is not None and is_plain(row, subresource)

    async def get(
        self, gvr: GVR, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        if not self._is_plain(gvr, subresource):
            return await self._send("GET", gvr.path(namespace, name, subresource))
        registry = await self._registry("get", gvr, namespace, name, subresource)
        return (await registry.storage.get(name, namespace or "")).obj

    async def list(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = "",
        resource_version: str = "", limit: int = 0, continue_token: str = "",
    ) -> Object:  # fmt: skip
        if not self._is_plain(gvr):
            query = _query(labelSelector=label_selector, fieldSelector=field_selector, resourceVersion=resource_version,
                           limit=str(limit or ""), **{"continue": continue_token})  # fmt: skip
            return await self._send("GET", gvr.path(namespace), query)
        registry = await self._registry("list", gvr, namespace, fields=field_selector)
        scope = parse_scope(namespace or "", label_selector, field_selector, registry.strategy)
        result = await registry.storage.list(
            ListOptions(scope, limit, continue_token, resource_version, decoded=True)
        )
        metadata: Object = {"resourceVersion": result.resource_version}
        if result.continue_token:
            metadata["continue"] = result.continue_token
        if result.remaining_item_count is not None:
            metadata["remainingItemCount"] = result.remaining_item_count
        return {
            "kind": registry.row.list_kind,
            "apiVersion": gvr.api_version,
            "metadata": metadata,
            "items": [item.obj for item in result.items],
        }

    async def watch(
        self, gvr: GVR, namespace: str | None = None, *, resource_version: str, label_selector: str = "",
        field_selector: str = "", bookmarks: bool = True,
    ) -> AsyncGenerator[WatchEvent, None]:  # fmt: skip
        if self._services.registries.row(gvr) is None:  # another server's
            query = _query(watch="true", resourceVersion=resource_version, labelSelector=label_selector,
                           fieldSelector=field_selector, allowWatchBookmarks="true" if bookmarks else "")  # fmt: skip
            async for told in self._follow(gvr.path(namespace), query):
                yield told
            return
        registry = await self._registry("watch", gvr, namespace, fields=field_selector)
        scope = parse_scope(namespace or "", label_selector, field_selector, registry.strategy)
        watch = await registry.storage.watch(WatchOptions(scope, resource_version, bookmarks, decoded=True))
        try:
            async for batch in watch.batches():
                for event in batch:
                    yield WatchEvent(event.type, registry.served_object(event.item))
        finally:
            watch.close()

    async def create(
        self, gvr: GVR, body: Object, namespace: str | None = None, *, name: str = "", subresource: str = "",
        field_manager: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        namespace = namespace or body.get("metadata", {}).get("namespace")
        if subresource == "binding" and gvr == PODS:
            ctx = self._context(field_manager, dry_run=dry_run)
            return await self._bind(name, namespace or "", body, ctx)
        if subresource or not self._is_plain(gvr):
            query = _query(fieldManager=field_manager, dryRun="All" if dry_run else "")
            sent = self._send("POST", gvr.path(namespace, name, subresource), query, body)
            return await self._sent("create", gvr, namespace, name, subresource, sent)
        registry = await self._registry("create", gvr, namespace)
        body = private_copy(body)
        body.setdefault("metadata", {})
        work = registry.create(body, namespace or "", self._context(field_manager, dry_run=dry_run))
        name = body["metadata"].get("name", "")
        return (await self._written(registry, "create", namespace, name, "", work)).obj

    async def _bind(self, name: str, namespace: str, body: Object, ctx: WriteContext) -> Object:
        """A scheduler does this for every pod: the short way."""
        registry = await self._registry("create", PODS, namespace, name, "binding")
        binding = {**body, "metadata": {**(body.get("metadata") or {})}}
        work = bind_in_process(self._services.registries, registry.row, name, namespace, binding, ctx)
        await self._written(registry, "create", namespace, name, "binding", work)
        return dict(BOUND)

    async def update(
        self, gvr: GVR, body: Object, *, subresource: str = "", field_manager: str = "", dry_run: bool = False
    ) -> Object:
        metadata = body["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if not self._is_plain(gvr, subresource):
            query = _query(fieldManager=field_manager, dryRun="All" if dry_run else "")
            sent = self._send("PUT", gvr.path(namespace, name, subresource), query, body)
            return await self._sent("update", gvr, namespace, name, subresource, sent)
        registry = await self._registry("update", gvr, namespace, name, subresource)
        ctx = self._context(field_manager, dry_run=dry_run)
        work = registry.update(name, namespace, private_copy(body), ctx, subresource=subresource)
        return (await self._written(registry, "update", namespace, name, subresource, work)).obj

    async def patch(
        self, gvr: GVR, name: str, body: Any, namespace: str | None = None, *, content_type: str = MERGE_PATCH,
        subresource: str = "", field_manager: str = "", force: bool = False, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        if not self._is_plain(gvr, subresource) or content_type == APPLY_PATCH:
            query = _query(fieldManager=field_manager, force="true" if force and content_type == APPLY_PATCH else "",
                           dryRun="All" if dry_run else "")  # fmt: skip
            path = gvr.path(namespace, name, subresource)
            sent = self._send("PATCH", path, query, body, content_type)
            return await self._sent("patch", gvr, namespace, name, subresource, sent)
        registry = await self._registry("patch", gvr, namespace, name, subresource)
        ctx = self._context(field_manager, dry_run=dry_run)
        body = orjson.loads(body) if isinstance(body, bytes) else orjson.loads(orjson.dumps(body))
        work = registry.patch(name, namespace or "", content_type, body, ctx, subresource=subresource)
        return (await self._written(registry, "patch", namespace, name, subresource, work)).obj

    async def delete(
        self, gvr: GVR, name: str, namespace: str | None = None, *, grace_period_seconds: int | None = None,
        propagation_policy: str = "", uid: str = "", resource_version: str = "",
    ) -> Object:  # fmt: skip
        if self._services.registries.row(gvr) is None:  # another server's
            asked = DeleteOptions(grace_period_seconds, propagation_policy, None, uid, resource_version)
            body = {**asked.as_object(), "apiVersion": "v1"}
            return await self._send("DELETE", gvr.path(namespace, name), body=body)
        registry = await self._registry("delete", gvr, namespace, name)
        options = DeleteOptions(grace_period_seconds, propagation_policy, None, uid, resource_version)
        work = self._deleted(registry, name, namespace or "", options)
        return (await self._written(registry, "delete", namespace, name, "", work)).obj

    async def _deleted(self, registry: Registry, name: str, namespace: str, options: DeleteOptions) -> Item:
        item, _ = await registry.delete(name, namespace, options, self._context(""))
        return item

    async def delete_collection(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Object:
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        sent = self._send("DELETE", gvr.path(namespace), query)
        return await self._sent("deletecollection", gvr, namespace, "", "", sent)

    async def raw(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        return await self._send(method, path, query, body)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """Through the same handlers as a request from outside, for what has no shorter way."""
        answer = await self._raw(self._request(method, path, query, body, content_type))
        if not isinstance(answer, Response):
            raise StatusError(
                f"{method} {path} answers with a stream, which an in-process client cannot read"
            )
        return _decoded(answer)

    async def _follow(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[WatchEvent, None]:
        """The events of a watch that another server serves."""
        answer = await self._raw(self._request("GET", path, query))
        if not isinstance(answer, StreamingResponse):
            if isinstance(answer, Response):
                _decoded(answer)  # raises what it says
            return
        async with aclosing(lines(answer.chunks)) as found:
            async for line in found:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise from_status(event["object"])
                yield WatchEvent(event["type"], event["object"])

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Request:
        encoded = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)

        async def read_body() -> bytes:
            return encoded

        headers = CIMultiDict({"User-Agent": self._agent, "Content-Type": content_type})
        target = f"{path}?{urlencode(query)}" if query else path
        return Request(
            method, path, {key: [value] for key, value in (query or {}).items()}, headers, self._services, read_body,
            raw_target=target, user=self._user, in_process=True,
        )  # fmt: skip

    async def close(self) -> None:
        return None


def is_plain(row: Resource, subresource: str) -> bool:
    from pinnace.apiserver.registry.catalog import has_own_version

    return row.is_stored and subresource in ("", "status") and not has_own_version(row)


def _query(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


async def lines(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    buffer = b""
    async with aclosing(chunks) as pieces:
        async for piece in pieces:
            *whole, buffer = (buffer + piece).split(b"\n")
            for line in whole:
                if line.strip():
                    yield line


def _decoded(answer: Response) -> Any:
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        value = answer.body.decode(errors="replace")
    if answer.status >= 400:
        if isinstance(value, dict) and value.get("kind") == "Status":
            raise from_status(value)
        raise StatusError(str(value).strip(), code=answer.status)
    return value
