"""The edge where aiohttp speaks HTTP: for upgrades and whatever `connection` does not read itself.

aiohttp's low-level server on one side, `Request` and `Answer` on the other; compression and connection upgrades. No routing: that is
the pipeline's work. Imported with the first connection that needs it: aiohttp is a quarter of the libraries' start-up time.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from multidict import CIMultiDict

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.x509 import peer_certificate
from pinnace.apiserver.compression import compress
from pinnace.apiserver.connection import MAX_BODY
from pinnace.apiserver.filters.errors import error_response
from pinnace.apiserver.http_head import NOT_CACHED
from pinnace.apiserver.request import Answer, Handler, Request, Response, StreamingResponse, UpgradeResponse
from pinnace.apiserver.services import Services

log = logging.getLogger(__name__)

_READING = frozenset(("GET", "HEAD"))
_LONGEST_FIELD = 64 * 1024
Streaming = Callable[
    ["asyncio.Task[Any] | None", StreamingResponse | UpgradeResponse], AbstractContextManager[None]
]


class Edge:
    """`streaming` wraps what may last as long as the server does."""

    def __init__(
        self, handler: Handler, services: Services, streaming: Streaming, *, idle_seconds: float
    ) -> None:
        self._handler, self._services, self._streaming = handler, services, streaming
        self._changes: set[asyncio.Future[Answer]] = set()
        self._given: dict[asyncio.Transport, Answer] = {}  # by transport
        self._web = web.Server(
            self.handle, request_factory=_make_request, handler_cancellation=True, keepalive_timeout=idle_seconds,
            access_log=None, max_line_size=_LONGEST_FIELD, max_field_size=_LONGEST_FIELD,
        )  # fmt: skip

    def take(self, transport: asyncio.Transport, data: bytes, answer: Answer | None) -> None:
        """Serve this connection from now on; `answer` is for the request that `data` begins with, which has been
        through the pipeline already.

        aiohttp refuses some heads that `connection` reads, such as very long ones, and closes: those answers are never taken.
        """
        protocol = self._web()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if answer is not None:
            for ended in [other for other in self._given if other.is_closing()]:
                del self._given[ended]
            self._given[transport] = answer
        protocol.data_received(data)

    async def shutdown(self, grace_seconds: float) -> None:
        await self._web.shutdown(grace_seconds)

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        ready = self._given.pop(http.transport, None) if http.transport is not None else None
        if ready is not None:
            return await self._write(http, ready)
        request = self._request(http)
        if http.method in _READING:
            answer = await self._handler(request)
        else:
            answer = await self._finish(request)
        return await self._write(http, answer)

    async def _finish(self, request: Request) -> Answer:
        """A change that has begun is brought to its end, also when the client goes away: the store may have taken it."""
        work = asyncio.ensure_future(self._handler(request))
        self._changes.add(work)
        work.add_done_callback(self._changes.discard)
        return await asyncio.shield(work)

    def _request(self, http: web.BaseRequest) -> Request:
        query_text = http.rel_url.raw_query_string
        transport = http.transport
        return Request(
            method=http.method,
            path=http.rel_url.path,
            query=parse_qs(query_text, keep_blank_values=True) if query_text else {},
            headers=http.headers,
            services=self._services,
            read_body=lambda: _read_body(http),
            raw_target=http.raw_path if http.raw_path.startswith("/") else http.rel_url.raw_path_qs,
            remote=http.remote or "",
            certificate=peer_certificate(transport.get_extra_info("peercert")) if transport else None,
        )

    async def _write(self, http: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        if isinstance(answer, Response):
            return await _whole(http, answer)
        with self._streaming(asyncio.current_task(), answer):
            if isinstance(answer, StreamingResponse):
                return await _stream(http, answer)
            response = await self._upgrade(http, answer)
            answer.code = response.status
            return response

    async def _upgrade(self, http: web.BaseRequest, answer: UpgradeResponse) -> web.StreamResponse:
        accept = http.headers.get("Accept", "")
        try:
            return await answer.serve(http)
        except errors.StatusError as error:
            return await _whole(http, error_response(error, accept))
        except OSError as error:
            dialing = errors.StatusError(f"error dialing backend: {error}")
            return await _whole(http, error_response(dialing, accept))


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
    )


async def _read_body(http: web.BaseRequest) -> bytes:
    try:
        return await http.read()
    except HTTPRequestEntityTooLarge:
        raise errors.RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY}") from None


async def _whole(http: web.BaseRequest, answer: Response) -> web.Response:
    if "gzip" in http.headers.get("Accept-Encoding", ""):
        await compress(answer)
    answer.join()
    return web.Response(body=answer.body, status=answer.status, headers=_headers(answer))


def _headers(answer: Response | StreamingResponse) -> CIMultiDict[str]:
    headers = CIMultiDict(
        {"Cache-Control": NOT_CACHED, **answer.headers, "Content-Type": answer.content_type}
    )
    headers.extend([("Warning", value) for value in answer.warnings])
    return headers


async def _stream(http: web.BaseRequest, answer: StreamingResponse) -> web.StreamResponse:
    """An error in the middle of a stream of JSON becomes an ERROR event; other streams just end."""
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.enable_chunked_encoding()
    async with aclosing(answer.chunks) as chunks:
        await response.prepare(http)
        try:
            async for chunk in chunks:
                await response.write(chunk)
        except errors.StatusError as error:
            await response.write(orjson.dumps({"type": "ERROR", "object": errors.status_of(error)}) + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception:
            log.exception("the stream of %s broke off", http.raw_path)
    if not http.transport or http.transport.is_closing():
        return response
    await response.write_eof()
    return response
