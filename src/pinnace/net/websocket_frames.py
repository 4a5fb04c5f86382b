"""WebSocket frames (RFC 6455) as bytes, for programs without an event loop: making client frames, reading server frames.

Pure. Left out: extensions (no compression is negotiated) and text validation.
"""

import base64
import hashlib
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Message(NamedTuple):
    """A whole message, or a control frame."""

    opcode: int
    data: bytes


class ProtocolError(ValueError):
    """The bytes are no frames that a server may send."""


def new_key() -> str:
    """A fresh Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()


def client_frame(opcode: int, data: bytes) -> bytes:
    """One final frame, masked as clients must."""
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    mask = os.urandom(4)
    return head + mask + _masked(data, mask)


def _masked(data: bytes, mask: bytes) -> bytes:
    if not data:
        return b""
    size = len(data)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


class FrameReader:
    """Feed it bytes as they come; it gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._opcode = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        while (frame := self._next()) is not None:
            final, opcode, payload = frame
            if opcode >= CLOSE:
                yield Message(opcode, payload)
                continue
            if opcode != CONTINUATION:
                self._opcode, self._parts = opcode, []
            self._parts.append(payload)
            if final:
                yield Message(self._opcode, b"".join(self._parts))
                self._parts = []

    def _next(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70 or second & 0x80:
            raise ProtocolError("a frame with reserved bits or a mask")
        size, offset = second & 0x7F, 2
        if size == 126:
            offset = 4
            if len(buffer) < offset:
                return None
            (size,) = struct.unpack_from("!H", buffer, 2)
        elif size == 127:
            offset = 10
            if len(buffer) < offset:
                return None
            (size,) = struct.unpack_from("!Q", buffer, 2)
        if len(buffer) < offset + size:
            return None
        payload = bytes(buffer[offset : offset + size])
        del buffer[: offset + size]
        return bool(first & 0x80), first & 0x0F, payload
