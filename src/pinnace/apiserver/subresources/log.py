"""`pods/NAME/log`: the kubelet's stream, passed on as it comes, in the answer's body or as messages of a WebSocket."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.times import parse_time
from pinnace.apiserver.handlers.options import boolean, integer
from pinnace.apiserver.request import Answer, Request, Response, StreamingResponse, UpgradeResponse
from pinnace.apiserver.subresources import containers
from pinnace.net.upgrade_headers import asks_for_websocket
from pinnace.net.websocket import accept_websocket, offered_protocols

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import aiohttp
    from aiohttp import web

BINARY, BASE64 = "binary.k8s.io", "base64.binary.k8s.io"
TEXT = "text/plain"
_FLAGS = ("follow", "previous", "timestamps")
_MOST_ERROR_BYTES = 64 * 1024


async def handle(request: Request, row: Resource) -> Answer:
    info = request.info
    query = log_query(request)
    pod = (await request.services.registries.of(row.gvr).storage.get(info.name, info.namespace)).obj
    container = containers.choose(pod, request.param("container"))
    node = pod["spec"].get("nodeName")
    if not node:
        return Response(b"", content_type=TEXT)  # nothing can have been written yet
    path = f"/containerLogs/{info.namespace}/{info.name}/{container}"
    opened = request.services.kubelets.request(
        node, path, query=query, verified=not boolean(request, "insecureSkipTLSVerifyBackend")
    )
    response = await opened.__aenter__()
    if response.status != 200:
        text = (await response.content.read(_MOST_ERROR_BYTES)).decode(errors="replace").strip()
        await opened.__aexit__(None, None, None)
        raise kubelet_error(response.status, text)
    if asks_for_websocket(request.headers):
        return _over_websocket(_chunks(opened, response))
    return StreamingResponse(_chunks(opened, response), content_type=TEXT)


def _over_websocket(chunks: AsyncGenerator[bytes, None]) -> UpgradeResponse:
    """Binary messages, or text in base64 if the client offers only that; the first message is empty, as upstream's."""

    async def serve(http: "web.BaseRequest") -> "web.StreamResponse":
        protocol = next((name for name in offered_protocols(http) if name in (BINARY, BASE64)), "")
        async with contextlib.aclosing(chunks):
            socket = await accept_websocket(http, protocol)
            sender = asyncio.create_task(_send(socket, chunks, protocol), name="log over a websocket")
            try:
                async for (
                    _
                ) in socket:  # the client has nothing to say, but only reading shows that it has gone
                    pass
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            return socket

    return UpgradeResponse(serve)


async def _send(socket: "web.WebSocketResponse", chunks: AsyncGenerator[bytes, None], protocol: str) -> None:
    with contextlib.suppress(ConnectionError):
        await (socket.send_str("") if protocol == BASE64 else socket.send_bytes(b""))
        async for chunk in chunks:
            if protocol == BASE64:
                await socket.send_str(base64.b64encode(chunk).decode())
            else:
                await socket.send_bytes(chunk)
        await socket.close()


async def _chunks(
    opened: "AbstractAsyncContextManager[aiohttp.ClientResponse]", response: "aiohttp.ClientResponse"
) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    finally:
        await opened.__aexit__(None, None, None)


def kubelet_error(status: int, text: str) -> errors.StatusError:
    match status:
        case 400:
            return errors.BadRequest(text)
        case 404:
            return errors.NotFound(text or "the server could not find the requested resource")
        case 403:
            return errors.Forbidden(text)
    return errors.InternalError(
        f'an error on the server ("{text}") has prevented the request from succeeding'
    )


def log_query(request: Request) -> list[tuple[str, str]]:
    """PodLogOptions for the kubelet; raises Invalid as upstream's validation does."""
    causes: list[Cause] = []
    query = [(name, "true") for name in _FLAGS if boolean(request, name)]
    for name, least, words in (
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
    ):
        value = integer(request, name)
        if value is None:
            continue
        if value < least:
            causes.append(Cause("FieldValueInvalid", f"Invalid value: {value}: {words}", name))
        query.append((name, str(value)))
    since = request.param("sinceTime")
    if since:
        query.append(("sinceTime", since))
        causes += _check_since(since, request)
    stream: Any = request.param("stream")
    if stream:
        query.append(("stream", stream))
    if causes:
        raise errors.invalid("PodLogOptions", request.info.name, causes)
    return query


def _check_since(since: str, request: Request) -> list[Cause]:
    try:
        parse_time(since)
    except ValueError:
        raise errors.BadRequest(
            f'parsing time "{since}" as "2006-01-02T15:04:05Z07:00": cannot parse'
        ) from None
    if request.param("sinceSeconds"):
        return [
            Cause(
                "FieldValueForbidden",
                "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
                "",
            )
        ]
    return []
