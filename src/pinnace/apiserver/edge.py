"""The edge where aiohttp speaks HTTP: for upgrades and whatever `connection` does not read itself.

aiohttp's low-level server on one side, `Request` and `Answer` on the other; compression and connection upgrades. No routing: that is
the pipeline's work.
"""

import asyncio
import logging
import zlib
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from multidict import CIMultiDict

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.x509 import peer_certificate
from pinnace.apiserver.connection import MAX_BODY
from pinnace.apiserver.filters.errors import error_response
from pinnace.apiserver.http_head import NOT_CACHED
from pinnace.apiserver.request import Answer, Handler, Request, Response, StreamingResponse, UpgradeResponse
from pinnace.apiserver.services import Services

log = logging.getLogger(__name__)

COMPRESS_ABOVE = 128 * 1024
_READING = frozenset(("GET", "HEAD"))
_COMPRESSION_LEVEL = 1  # as upstream: fast beats small on a local network


class Edge:
    """`handle` is the handler of an aiohttp `web.Server`."""

    def __init__(self, handler: Handler, services: Services) -> None:
        self._handler, self._services = handler, services
        self._streams: set[asyncio.Task[object]] = set()
        self._changes: set[asyncio.Future[Answer]] = set()
        self._given: dict[asyncio.Transport, Answer] = {}

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

    def give(self, transport: asyncio.Transport, answer: Answer) -> None:
        """What the next request on this connection is answered with: it has been through the pipeline already.

        aiohttp refuses some heads that `connection` reads, such as very long ones, and closes: those answers are never taken.
        """
        for ended in [other for other in self._given if other.is_closing()]:
            del self._given[ended]
        self._given[transport] = answer

    @contextmanager
    def streaming(
        self, task: "asyncio.Task[Any] | None", answer: StreamingResponse | UpgradeResponse
    ) -> Iterator[None]:
        """While this task may last as long as the server does; then who waits for the end of the answer is told."""
        assert task is not None
        self._streams.add(task)
        try:
            yield
        finally:
            self._streams.discard(task)
            code = answer.status if isinstance(answer, StreamingResponse) else answer.code
            for ended in answer.on_end:
                ended(code)

    def end_streams(self) -> None:
        """Stop every watch and upgraded connection: part of a graceful shutdown."""
        for task in list(self._streams):
            task.cancel()

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
        with self.streaming(asyncio.current_task(), answer):
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


async def compress(answer: Response) -> None:
    """Replace a long body by its gzip, for a client that takes it."""
    length = len(answer.body) if answer.pieces is None else answer.pieces.length
    if length > COMPRESS_ABOVE and "Content-Encoding" not in answer.headers:
        answer.join()
        answer.body = await asyncio.to_thread(_gzip, answer.body)
        answer.headers["Content-Encoding"], answer.headers["Vary"] = "gzip", "Accept-Encoding"


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


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
