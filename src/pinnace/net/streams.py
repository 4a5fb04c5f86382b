"""Two-way byte streams: the one face that sockets, upgraded HTTP connections and WebSocket tunnels show.

`ByteStream` is the contract; `SocketStream` is it over a TCP or TLS connection that we opened; `pipe()` joins two in
memory. Nothing here knows a protocol.
"""

import asyncio
import ssl
from typing import Protocol, cast

CHUNK = 64 * 1024
READ_AHEAD = 256 * 1024


class ByteStream(Protocol):
    async def read(self) -> bytes:
        """The next bytes, as many as are there; `b""` at the end. Raises ConnectionError when the peer broke off."""
        ...

    async def write(self, data: bytes) -> None:
        """Send; returns when the transport has room again (backpressure). Raises ConnectionError when it is gone."""
        ...

    async def write_eof(self) -> None:
        """Say that no more bytes come, where the transport can half-close; else nothing happens."""
        ...

    async def close(self) -> None:
        """Flush and close both ways; may be called again."""
        ...


class Inbox:
    """Bytes that arrived and were not read yet; asks `transport` to pause while too many wait.

    What arrived before the connection broke can still be read: peers close as soon as they have said all.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._ended = self._paused = False
        self._arrived = asyncio.Event()
        self.transport: asyncio.ReadTransport | None = None

    @property
    def has_ended(self) -> bool:
        return self._ended

    def put(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) > READ_AHEAD and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._arrived.set()

    def put_back(self, data: bytes) -> None:
        """Read too far: the next reader gets it."""
        self._waiting[:0] = data

    def end(self) -> None:
        self._ended = True
        self._arrived.set()

    async def get(self) -> bytes:
        while not self._waiting and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._waiting[:CHUNK])
        del self._waiting[:CHUNK]
        if self._paused and len(self._waiting) < READ_AHEAD // 2 and not self._ended:
            self._paused = False
            if self.transport is not None:
                self.transport.resume_reading()
        return data


class SocketStream(asyncio.Protocol):
    """A TCP or TLS connection that we open: `await SocketStream.connect(host, port)`."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._transport: asyncio.Transport | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    @classmethod
    async def connect(
        cls, host: str, port: int, *, tls: ssl.SSLContext | None = None, server_name: str | None = None
    ) -> "SocketStream":
        """Raises OSError when there is nobody, or TLS fails."""
        loop = asyncio.get_running_loop()
        name = (server_name or host) if tls is not None else None
        _, stream = await loop.create_connection(cls, host, port, ssl=tls, server_hostname=name)
        return stream

    async def read(self) -> bytes:
        return await self._inbox.get()

    def put_back(self, data: bytes) -> None:
        self._inbox.put_back(data)

    async def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._transport.write(data)
        await self._may_write.wait()

    async def write_eof(self) -> None:
        if (
            self._transport is not None
            and not self._transport.is_closing()
            and self._transport.can_write_eof()
        ):
            self._transport.write_eof()

    async def close(self) -> None:
        """What was written is still sent, in the background: a peer that reads no more cannot hold us."""
        self.abandon()

    def abandon(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._inbox.transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._inbox.put(data)

    def eof_received(self) -> bool:
        """We may still write; TLS transports close themselves all the same."""
        self._inbox.end()
        return not (self._transport is not None and self._transport.get_extra_info("sslcontext"))

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inbox.end()
        self._may_write.set()


class _PipeEnd:
    """One end of `pipe()`: at most `limit` bytes wait to be read."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = bytearray()
        self._ended = False
        self._changed = asyncio.Condition()
        self.peer: _PipeEnd = self

    async def read(self) -> bytes:
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._ended)
            data = bytes(self._waiting[:CHUNK])
            del self._waiting[:CHUNK]
            self._changed.notify_all()
            return data

    async def write(self, data: bytes) -> None:
        peer = self.peer
        async with peer._changed:
            await peer._changed.wait_for(lambda: len(peer._waiting) < peer._limit or peer._ended)
            if peer._ended:
                raise ConnectionResetError("the other end of the pipe is closed")
            peer._waiting += data
            peer._changed.notify_all()

    async def write_eof(self) -> None:
        await self.peer._end()

    async def close(self) -> None:
        await self._end()
        await self.peer._end()

    async def _end(self) -> None:
        async with self._changed:
            self._ended = True
            self._changed.notify_all()


def pipe(limit: int = CHUNK) -> tuple[ByteStream, ByteStream]:
    """Two joined streams in memory: what one writes the other reads."""
    left, right = _PipeEnd(limit), _PipeEnd(limit)
    left.peer, right.peer = right, left
    return left, right
