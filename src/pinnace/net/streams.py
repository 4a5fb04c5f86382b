"""Two-way byte streams: the one face that sockets, upgraded HTTP connections and WebSocket tunnels show.

`ByteStream` is the contract; `SocketStream` is it over a TCP or TLS connection that we opened; `pipe()` joins two in
memory. Nothing here knows a protocol.
"""

import asyncio
import contextlib
from typing import Protocol

CHUNK = 64 * 1024


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


class SocketStream:
    """A connection opened by `asyncio.open_connection`; `first` holds bytes already read past an HTTP head."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b""
    ) -> None:
        self._reader, self._writer, self._first = reader, writer, first

    async def read(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._reader.read(CHUNK)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def write_eof(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


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
