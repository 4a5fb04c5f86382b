"""One client's connection: plain requests are read and answered here, with as little in between as there can be.

What is not plain HTTP/1.1 (`http_head`), or is answered by an upgrade, is handed over to aiohttp together with what has been
read, and the connection stays with it. One request is worked on at a time; what comes after it waits, bounded.
"""

import asyncio
import logging
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, unquote

import orjson

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.x509 import peer_certificate
from pinnace.apiserver.http_head import Headers, answer_head, read_headers, read_line
from pinnace.apiserver.request import Answer, Request, Response, StreamingResponse, UpgradeResponse

if TYPE_CHECKING:
    from pinnace.apiserver.listener import Listener

log = logging.getLogger(__name__)

MAX_BODY = 3 * 1024 * 1024
MAX_HEAD = 256 * 1024
READ_AHEAD = 256 * 1024  # bytes of later requests that wait; then the client has to
JOINED = 64 * 1024  # a body up to this size is copied behind its head: one TLS record less
PIECE = 256 * 1024  # bytes given to the transport at a time, so that a slow reader holds no more than that


class Connection(asyncio.Protocol):
    """`since` is when it began to wait for (the rest of) a request head; None while a request is worked on."""

    __slots__ = (
        "_block",
        "_body",
        "_body_waiter",
        "_buffer",
        "_certificate",
        "_drained",
        "_headers",
        "_listener",
        "_loop",
        "_missing",
        "_paused_reading",
        "_remote",
        "_request_bytes",
        "_task",
        "_transport",
        "is_idle",
        "since",
    )  # fmt: skip

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._buffer = b""
        self._block, self._headers = b"", cast("Headers | None", None)  # of the last request
        self._request_bytes = b""
        self._body: bytes | bytearray = b""
        self._missing = 0
        self._body_waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._paused_reading = False
        self.is_idle = False
        self.since: float | None = None

    # -- the transport's side -------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._certificate = peer_certificate(transport.get_extra_info("peercert"))
        _keep_alive(self._transport)
        peer = transport.get_extra_info("peername")
        self._remote = peer[0] if peer else ""
        self._listener.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            data = self._take_body(data)
        if data:
            self._buffer = self._buffer + data if self._buffer else data
        if self._task is None:
            self._advance()
        elif len(self._buffer) > READ_AHEAD and not self._paused_reading:
            self._paused_reading = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever reads for a client that has gone is stopped; a change that has begun is brought to its end."""
        self._listener.closed(self)
        self.resume_writing()
        if self._body_waiter is not None and not self._body_waiter.done():
            self._body_waiter.set_exception(ConnectionResetError("the client went away"))
        if self._task is not None and self._request_bytes.startswith(b"GET"):
            self._task.cancel()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # -- the listener's side --------------------------------------------------------------------------------
    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The request that is worked on."""
        return self._task

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # -- requests -------------------------------------------------------------------------------------------
    def _advance(self) -> None:
        """Begin with the next request if its head is there."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                self._refuse(431)
            elif self.since is None or (self.is_idle and self._buffer):
                self.since, self.is_idle = self._listener.now(), not self._buffer
            return
        cut = self._buffer.find(b"\r\n")
        block = self._buffer[cut + 2 : end + 2]
        if block != self._block:  # most clients send the same headers again and again
            self._block, self._headers = block, read_headers(block)
        line, headers = read_line(self._buffer[:cut]), self._headers
        if line is None or headers is None or headers.length > MAX_BODY:
            self._hand_over(None)
            return
        begin, end = end + 4, end + 4 + headers.length
        self._request_bytes, self._body = self._buffer[:begin], self._buffer[begin:end]
        self._missing = max(0, end - len(self._buffer))
        if self._missing:
            self._body = bytearray(self._body)
        self._buffer = self._buffer[end:]
        self.since = None
        self._task = self._loop.create_task(self._serve(*line, headers))

    def _take_body(self, data: bytes) -> bytes:
        """What is left over of the data."""
        part, rest = data[: self._missing], data[self._missing :]
        cast("bytearray", self._body).extend(part)
        self._missing -= len(part)
        if not self._missing and self._body_waiter is not None and not self._body_waiter.done():
            self._body_waiter.set_result(None)
        return rest

    async def _read_body(self) -> bytes:
        if self._missing:
            self._body_waiter = self._loop.create_future()
            try:
                await self._body_waiter
            finally:
                self._body_waiter = None
        return bytes(self._body)

    def _refuse(self, status: int) -> None:
        head = answer_head(status, "text/plain", {"Connection": "close"}, self._listener.date(), 0)
        self._transport.write(head)
        self._transport.close()

    def _hand_over(self, answer: Answer | None) -> None:
        """Let aiohttp read the request again, and serve `answer` to it if there is one already."""
        data = (self._request_bytes + self._body if answer is not None else b"") + self._buffer
        self._buffer, self._request_bytes, self._body = b"", b"", b""
        self._listener.hand_over(self, self._transport, data, answer)

    def _request(self, method: str, target: str, headers: Headers) -> Request:
        path, _, query = target.partition("?")
        return Request(
            method=method,
            path=unquote(path) if "%" in path else path,
            query=parse_qs(query, keep_blank_values=True) if query else {},
            headers=headers.fields,
            services=self._listener.services,
            read_body=self._read_body,
            raw_target=target,
            remote=self._remote,
            certificate=self._certificate,
        )

    async def _serve(self, method: str, target: str, headers: Headers) -> None:
        keep = False
        try:
            answer = await self._listener.handler(self._request(method, target, headers))
            if headers.closes and not isinstance(answer, UpgradeResponse):
                answer.headers["Connection"] = "close"
            if isinstance(answer, Response):
                await self._write(answer, headers)
                keep = not self._missing and not headers.closes
            elif isinstance(answer, StreamingResponse):
                await self._stream(answer, target)
                keep = not headers.closes
            else:
                self._hand_over(answer)
                return
        except ConnectionError:
            pass
        except Exception:
            log.exception("%s %s broke off", method, target)
        finally:
            self._task = None
        self._next(keep=keep)

    def _next(self, *, keep: bool) -> None:
        if not keep or self._listener.is_closing:
            self._transport.close()
            return
        self._request_bytes = b""
        if self._paused_reading:
            self._paused_reading = False
            self._transport.resume_reading()
        self.is_idle = False
        self._advance()

    # -- answers --------------------------------------------------------------------------------------------
    async def _write(self, answer: Response, headers: Headers) -> None:
        if headers.takes_gzip:
            await self._listener.compress(answer)
        length = len(answer.body) if answer.pieces is None else answer.pieces.length
        head = answer_head(
            answer.status, answer.content_type, answer.headers, self._listener.date(), length, answer.warnings
        )
        transport = self._transport
        if answer.pieces is not None:
            transport.write(head)
            for piece in answer.pieces:
                await self._drain()
                transport.write(piece)
        elif length <= JOINED:
            transport.write(head + answer.body)
        else:
            transport.write(head)
            view = memoryview(answer.body)
            for begin in range(0, length, PIECE):
                await self._drain()
                transport.write(view[begin : begin + PIECE])
        if self._drained is not None:
            await self._drain()

    async def _drain(self) -> None:
        """Wait until the client has read enough; raises ConnectionResetError when it has gone."""
        while self._drained is not None:
            await self._drained
        if self._transport.is_closing():
            raise ConnectionResetError

    async def _stream(self, answer: StreamingResponse, target: str) -> None:
        """An error in the middle of a stream of JSON becomes an ERROR event; other streams just end."""
        date = self._listener.date()
        self._transport.write(
            answer_head(answer.status, answer.content_type, answer.headers, date, None, answer.warnings)
        )
        with self._listener.streaming(self._task, answer):
            async with aclosing(answer.chunks) as chunks:
                try:
                    async for chunk in chunks:
                        if chunk:
                            self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                        if self._drained is not None or self._transport.is_closing():
                            await self._drain()
                except errors.StatusError as error:
                    line = orjson.dumps({"type": "ERROR", "object": errors.status_of(error)}) + b"\n"
                    self._transport.write(b"%x\r\n%b\r\n" % (len(line), line))
                except asyncio.CancelledError:
                    if self._transport.is_closing():
                        raise
                except ConnectionError:
                    raise
                except Exception:
                    log.exception("the stream of %s broke off", target)
        self._transport.write(b"0\r\n\r\n")


def _keep_alive(transport: asyncio.Transport) -> None:
    """Let the kernel find out about clients that are gone without a word."""
    own = transport.get_extra_info("socket")
    if own is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
