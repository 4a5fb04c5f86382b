"""Port-forward streams of a pod: SPDY streams, tunnelled in a WebSocket (Kubernetes 1.30 and later) or as they are.

The connection was opened by the synchronous transport; here its socket is driven by an event loop, one thread for all.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.transport import Transport
from pinnace.net import websocket_frames as frames
from pinnace.net.spdy import Session
from pinnace.net.streams import ByteStream

PROTOCOL = "portforward.k8s.io"
SPDY = "SPDY/3.1"
TUNNEL = f"{SPDY}+{PROTOCOL}"


def connect(http: Transport, path: str) -> "Callable[[], Session]":
    """Opens the connection; what it gives makes the session, inside of the event loop."""
    key = frames.new_key()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": key, "Sec-WebSocket-Protocol": TUNNEL}  # fmt: skip
    try:
        opened, answer = http.upgrade(path, {}, headers)
        if answer.get("sec-websocket-accept") != frames.accept_of(key):
            raise CliError("error upgrading connection: the server did not accept the WebSocket handshake")
        return lambda: Session(WebSocketBytes(SocketBytes(opened)), server=False)
    except ServerError:  # a server that knows no tunnels
        headers = {"Upgrade": SPDY, "Connection": "Upgrade", "X-Stream-Protocol-Version": PROTOCOL}
    try:
        plain, _ = http.upgrade(path, {}, headers, method="POST")
    except ServerError as error:
        raise CliError(f"error upgrading connection: {error}") from error
    return lambda: Session(SocketBytes(plain), server=False)


class SocketBytes:
    """A connected socket, TLS or not, as a `ByteStream` of the running event loop."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._sending = asyncio.Lock()
        connected.setblocking(False)

    async def read(self) -> bytes:
        try:
            data: bytes = await self._retried(lambda: self._socket.recv(65536), writes=False)
        except ssl.SSLError:
            return b""
        return data

    async def write(self, data: bytes) -> None:
        async with self._sending:
            rest = memoryview(data)
            while rest:
                rest = rest[await self._retried(partial(self._socket.send, rest), writes=True) :]

    async def write_eof(self) -> None:
        """The protocols above say the end of a stream themselves."""

    async def close(self) -> None:
        self._socket.close()

    async def _retried(self, call: Callable[[], Any], *, writes: bool) -> Any:
        """TLS may have to read in order to write, and the other way round."""
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                await self._ready(writing=False)
            except ssl.SSLWantWriteError:
                await self._ready(writing=True)
            except BlockingIOError:
                await self._ready(writing=writes)

    async def _ready(self, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        )
        add(self._socket.fileno(), _wake, ready)
        try:
            await ready
        finally:
            if self._socket.fileno() >= 0:
                remove(self._socket.fileno())


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


class WebSocketBytes:
    """The payload of binary messages as one stream of bytes."""

    def __init__(self, carrier: ByteStream) -> None:
        self._carrier, self._reader = carrier, frames.FrameReader()
        self._waiting = bytearray()

    async def read(self) -> bytes:
        while not self._waiting:
            data = await self._carrier.read()
            if not data:
                return b""
            for message in self._reader.feed(data):
                if message.opcode == frames.PING:
                    await self._carrier.write(frames.client_frame(frames.PONG, message.data))
                elif message.opcode == frames.CLOSE:
                    return b""
                elif message.opcode != frames.PONG:
                    self._waiting += message.data
        found = bytes(self._waiting)
        self._waiting.clear()
        return found

    async def write(self, data: bytes) -> None:
        await self._carrier.write(frames.client_frame(frames.BINARY, data))

    async def write_eof(self) -> None:
        """See SocketBytes."""

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            await self._carrier.write(frames.client_frame(frames.CLOSE, b"\x03\xe8"))
        await self._carrier.close()
