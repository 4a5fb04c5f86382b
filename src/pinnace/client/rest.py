"""The `Client` over HTTPS."""

import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import aiohttp
import orjson

from pinnace.apimachinery.errors import StatusError, from_status
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import APPLY_PATCH, MERGE_PATCH, Object, WatchEvent
from pinnace.component.tracing import CURRENT, traceparent

DEAD_MILLISECONDS = 30_000  # that what was sent may stay without an acknowledgement
MAX_LINE = 16 * 1024 * 1024  # bytes of one watch event


class NotConnected(ConnectionError):
    """There was no connection, so the server has seen nothing of the request."""


class RestClient:
    """`server` is `https://host:port`; `tls` carries the CA and, if used, the client certificate.

    `others` are further servers of the same cluster: who does not answer is left for the next one, in a circle.
    """

    def __init__(
        self,
        server: str,
        *,
        others: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        token: str = "",
        user_agent: str = "pinnace",
    ) -> None:
        self._servers = [one.rstrip("/") for one in (server, *others)]
        self._tls = tls
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # on a cluster's network compressing costs more than it saves
            "User-Agent": user_agent,
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._open_session: aiohttp.ClientSession | None = None
        self._under_way: Counter[aiohttp.ClientSession] = Counter()  # requests that are no watches
        self._watches: set[aiohttp.ClientResponse] = set()

    def _session(self) -> aiohttp.ClientSession:
        if self._open_session is None:
            tls = self._tls if self._tls is not None else ssl.create_default_context()
            connector = aiohttp.TCPConnector(
                ssl=tls, limit=0, force_close=False, socket_factory=_socket_that_notices
            )
            self._open_session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            )
        return self._open_session

    async def renew(self) -> None:
        """Connect anew: the certificate in `tls` was replaced. Watches end with a ConnectionError, other requests finish."""
        session, self._open_session = self._open_session, None
        for response in tuple(self._watches):
            response.close()
        if session is not None and not self._under_way[session]:
            await session.close()

    async def close(self) -> None:
        """Watches that are open end with a ConnectionError; closing the session alone would leave their readers waiting."""
        for response in tuple(self._watches):
            response.close()
        session, self._open_session = self._open_session, None
        if session is not None:
            await session.close()

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> bytes:
        data = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        if (span := CURRENT.get()) is not None:
            headers["traceparent"] = traceparent(span)
        for _ in self._servers[1:]:
            with contextlib.suppress(NotConnected):  # nothing was sent: the next one may be asked the same
                return await self._ask(method, path, query, data, headers)
        return await self._ask(method, path, query, data, headers)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        data: bytes | None,
        headers: dict[str, str],
    ) -> bytes:
        """The answer of the current server. One that fails is not asked again before the others."""
        session, server = self._session(), self._servers[0]
        self._under_way[session] += 1
        try:
            async with session.request(
                method,
                server + path,
                params=query,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=60),
            ) as response:
                payload = await response.read()
                if response.status >= 400:
                    raise _error(response.status, payload)
                return payload
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._failed(server, error) from error
        finally:
            self._under_way[session] -= 1
            if session is not self._open_session and not self._under_way[session]:
                del self._under_way[session]
                await session.close()

    def _failed(self, server: str, error: Exception) -> Exception:
        """What to raise; the next server's turn begins, unless somebody else saw it first."""
        if self._servers[0] == server:
            self._servers.append(self._servers.pop(0))
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return NotConnected(str(error))
        return ConnectionError(str(error)) if isinstance(error, aiohttp.ClientError) else error

    async def get(
        self, gvr: GVR, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        return orjson.loads(await self._request("GET", gvr.path(namespace, name, subresource)))

    async def list(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = "",
        resource_version: str = "", limit: int = 0, continue_token: str = "",
    ) -> Object:  # fmt: skip
        query = _query(labelSelector=label_selector, fieldSelector=field_selector, resourceVersion=resource_version,
                       limit=str(limit) if limit else "", **{"continue": continue_token})  # fmt: skip
        answer = orjson.loads(await self._request("GET", gvr.path(namespace), query))
        kind, api_version = answer["kind"].removesuffix("List"), answer["apiVersion"]
        for item in answer.get("items") or ():
            item.setdefault("kind", kind)
            item.setdefault("apiVersion", api_version)
        return answer

    async def watch(
        self, gvr: GVR, namespace: str | None = None, *, resource_version: str, label_selector: str = "",
        field_selector: str = "", bookmarks: bool = True,
    ) -> AsyncGenerator[WatchEvent, None]:  # fmt: skip
        query = _query(watch="true", resourceVersion=resource_version, labelSelector=label_selector,
                       fieldSelector=field_selector, allowWatchBookmarks="true" if bookmarks else "")  # fmt: skip
        response, server = None, self._servers[0]
        try:
            async with self._session().get(
                server + gvr.path(namespace),
                params=query,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            ) as response:
                if response.status >= 400:
                    raise _error(response.status, await response.read())
                self._watches.add(response)
                buffer = b""
                async for chunk in response.content.iter_any():
                    buffer += chunk
                    if len(buffer) > MAX_LINE:
                        raise ConnectionError("a watch event is larger than the limit")
                    *lines, buffer = buffer.split(b"\n")
                    for line in lines:
                        if line:
                            yield _event(orjson.loads(line))
        except aiohttp.ClientError as error:
            raise self._failed(server, error) from error
        finally:
            if response is not None:
                self._watches.discard(response)

    async def create(
        self, gvr: GVR, body: Object, namespace: str | None = None, *, name: str = "", subresource: str = "",
        field_manager: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        namespace = namespace or body.get("metadata", {}).get("namespace")
        query = _query(fieldManager=field_manager, dryRun="All" if dry_run else "")
        return orjson.loads(await self._request("POST", gvr.path(namespace, name, subresource), query, body))

    async def update(
        self, gvr: GVR, body: Object, *, subresource: str = "", field_manager: str = "", dry_run: bool = False
    ) -> Object:
        metadata = body["metadata"]
        path = gvr.path(metadata.get("namespace"), metadata["name"], subresource)
        query = _query(fieldManager=field_manager, dryRun="All" if dry_run else "")
        return orjson.loads(await self._request("PUT", path, query, body))

    async def patch(
        self, gvr: GVR, name: str, body: Any, namespace: str | None = None, *, content_type: str = MERGE_PATCH,
        subresource: str = "", field_manager: str = "", force: bool = False, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        query = _query(fieldManager=field_manager, force="true" if force and content_type == APPLY_PATCH else "",
                       dryRun="All" if dry_run else "")  # fmt: skip
        return orjson.loads(
            await self._request("PATCH", gvr.path(namespace, name, subresource), query, body, content_type)
        )

    async def delete(
        self, gvr: GVR, name: str, namespace: str | None = None, *, grace_period_seconds: int | None = None,
        propagation_policy: str = "", uid: str = "", resource_version: str = "",
    ) -> Object:  # fmt: skip
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation_policy:
            options["propagationPolicy"] = propagation_policy
        if uid or resource_version:
            options["preconditions"] = _query(uid=uid, resourceVersion=resource_version)
        return orjson.loads(await self._request("DELETE", gvr.path(namespace, name), body=options))

    async def delete_collection(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Object:
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        return orjson.loads(await self._request("DELETE", gvr.path(namespace), query))

    async def raw(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        payload = await self._request(method, path, query, body)
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            return payload.decode(errors="replace")


def _socket_that_notices(address: aiohttp.AddrInfoType) -> socket.socket:
    """A server that is cut off or was switched off says nothing: within half a minute its connections are known to be dead."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", DEAD_MILLISECONDS),
    ):  # fmt: skip
        if hasattr(socket, option):  # Linux has all of them
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _query(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _event(event: dict[str, Any]) -> WatchEvent:
    if event["type"] == "ERROR":
        raise from_status(event["object"])
    return WatchEvent(event["type"], event["object"])


def _error(code: int, payload: bytes) -> StatusError:
    try:
        status = orjson.loads(payload)
    except orjson.JSONDecodeError:
        status = {}
    if isinstance(status, dict) and status.get("kind") == "Status":
        return from_status(status)
    return StatusError(payload.decode(errors="replace").strip() or f"the server answered {code}", code=code)
