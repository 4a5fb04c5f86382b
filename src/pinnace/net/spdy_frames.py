"""SPDY/3.1 frames as bytes and back, without I/O: the framing that exec, attach and port-forward use.

A `FrameReader` is fed whatever arrived and yields whole frames; a `FrameWriter` turns frames into bytes. Each keeps the
zlib context of its direction, so there is one of each per connection. CREDENTIAL frames and flow-control accounting are
left out: neither spdystream nor containerd uses them (WINDOW_UPDATE and SETTINGS are decoded so that they can be ignored).
Layout: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

VERSION = 3
FLAG_FIN, FLAG_UNIDIRECTIONAL = 0x01, 0x02
MAX_CONTROL = 256 * 1024
MAX_HEADERS = 256 * 1024
MAX_DATA = (1 << 24) - 1

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5

_WORDS = """options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age
allow authorization cache-control connection content-base content-encoding content-language content-length
content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since
if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate
proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning
www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin"""
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.encode().replace(b"_", b" ") for word in _WORDS.split())
    + _TAIL.encode()
)

HeaderMap = dict[str, str]  # names in lower case; several values of one name are joined by NUL


class ProtocolError(ConnectionError):
    """The peer sent bytes that are no SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class SynStream:
    stream_id: int
    headers: HeaderMap = field(default_factory=dict)
    fin: bool = False
    unidirectional: bool = False
    associated_to: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    stream_id: int
    headers: HeaderMap = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """The HEADERS frame."""

    stream_id: int
    headers: HeaderMap = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    values: tuple[tuple[int, int], ...]  # (id with flags, value)


@dataclass(frozen=True, slots=True)
class Ping:
    ping_id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_good_stream_id: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    stream_id: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    stream_id: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | MoreHeaders | RstStream | Settings | Ping | GoAway | WindowUpdate | Data


class FrameWriter:
    """Frames to bytes. Bytes must be sent in the order of the calls, since header blocks share one zlib context."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data(stream_id, data, fin):
                return struct.pack(">II", stream_id, fin << 24 | len(data)) + data
            case SynStream(stream_id, headers, fin, unidirectional, associated_to, priority):
                flags = fin * FLAG_FIN | unidirectional * FLAG_UNIDIRECTIONAL
                fixed = struct.pack(">IIBB", stream_id, associated_to, priority << 5, 0)
                return _control(SYN_STREAM, flags, fixed + self._block(headers))
            case SynReply(stream_id, headers, fin):
                return _control(
                    SYN_REPLY, fin * FLAG_FIN, struct.pack(">I", stream_id) + self._block(headers)
                )
            case MoreHeaders(stream_id, headers, fin):
                return _control(HEADERS, fin * FLAG_FIN, struct.pack(">I", stream_id) + self._block(headers))
            case RstStream(stream_id, status):
                return _control(RST_STREAM, 0, struct.pack(">II", stream_id, status))
            case Settings(values):
                body = b"".join(struct.pack(">II", *value) for value in values)
                return _control(SETTINGS, 0, struct.pack(">I", len(values)) + body)
            case Ping(ping_id):
                return _control(PING, 0, struct.pack(">I", ping_id))
            case GoAway(last, status):
                return _control(GOAWAY, 0, struct.pack(">II", last, status))
            case WindowUpdate(stream_id, delta):
                return _control(WINDOW_UPDATE, 0, struct.pack(">II", stream_id, delta))

    def _block(self, headers: HeaderMap) -> bytes:
        plain = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                plain += (struct.pack(">I", len(text)), text)
        return self._zlib.compress(b"".join(plain)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload


class FrameReader:
    """Bytes to frames, however the bytes are cut. Raises ProtocolError; the connection is of no use afterwards."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that became whole; unknown control frames are skipped, as the protocol demands."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, size = second >> 24, second & 0xFFFFFF
            if first >> 31 and size > MAX_CONTROL:
                raise ProtocolError(f"a control frame of {size} bytes is too large")
            if len(self._buffer) < 8 + size:
                return
            payload = bytes(self._buffer[8 : 8 + size])
            del self._buffer[: 8 + size]
            if not first >> 31:
                yield Data(first, payload, bool(flags & FLAG_FIN))
            elif frame := self._control(first, flags, payload):
                yield frame

    def _control(self, first: int, flags: int, payload: bytes) -> Frame | None:
        if first >> 16 & 0x7FFF != VERSION:
            raise ProtocolError(f"SPDY version {first >> 16 & 0x7FFF} is not spoken here")
        fin = bool(flags & FLAG_FIN)
        try:
            match first & 0xFFFF:
                case 1:
                    stream_id, associated, priority = struct.unpack_from(">IIB", payload)
                    one_way = bool(flags & FLAG_UNIDIRECTIONAL)
                    return SynStream(
                        stream_id, self._headers(payload[10:]), fin, one_way, associated, priority >> 5
                    )
                case 2:
                    return SynReply(struct.unpack_from(">I", payload)[0], self._headers(payload[4:]), fin)
                case 8:
                    return MoreHeaders(struct.unpack_from(">I", payload)[0], self._headers(payload[4:]), fin)
                case kind:
                    return _plain_control(kind, payload)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"malformed SPDY frame: {error}") from error

    def _headers(self, block: bytes) -> HeaderMap:
        plain = self._zlib.decompress(block, MAX_HEADERS)
        if self._zlib.unconsumed_tail:
            raise ProtocolError("a header block is too large")
        (count,), offset = struct.unpack_from(">I", plain), 4
        headers: HeaderMap = {}
        for _ in range(count):
            texts = []
            for _ in range(2):
                (size,) = struct.unpack_from(">I", plain, offset)
                (text,) = struct.unpack_from(f">{size}s", plain, offset + 4)
                texts.append(text.decode())
                offset += 4 + size
            headers[texts[0]] = texts[1]
        return headers


def _plain_control(kind: int, payload: bytes) -> Frame | None:
    """Control frames without a header block."""
    if kind == RST_STREAM:
        return RstStream(*struct.unpack_from(">II", payload))
    if kind == PING:
        return Ping(*struct.unpack_from(">I", payload))
    if kind == GOAWAY:
        return GoAway(*struct.unpack_from(">II", payload))
    if kind == WINDOW_UPDATE:
        return WindowUpdate(*struct.unpack_from(">II", payload))
    if kind == SETTINGS:
        (count,) = struct.unpack_from(">I", payload)
        return Settings(
            tuple(struct.unpack_from(">II", payload, 4 + 8 * index) for index in range(min(count, 64)))
        )
    return None
