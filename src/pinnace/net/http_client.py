"""HTTP/1.1 as a synchronous client speaks it: one request at a time on a connection, bodies read whole or as they come.

For the command line, which pays for every import: `http.client` brings the mail parser along and takes as long to import as most
commands take to run. Knows no redirects or proxies; TLS is the caller's, as a function that wraps a socket; what is compressed is
read so when the caller asks for it (`inflate`).
"""

import io
import re
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import zlib

MOST_HEADERS, LONGEST_LINE, MOST_INTERIM = 200, 65536, 5
BUFFER = 1 << 16
MOST_AT_ONCE = 1 << 24  # what a header claims is not allocated before it has come
_CHUNK_SIZE = re.compile("[0-9a-fA-F]{1,15}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ProtocolError(ConnectionError):
    """What came is not HTTP, or it ended too early."""


class Connection:
    """Connects when the first request is sent. `timeout` bounds connecting, and each request with the whole of its answer."""

    def __init__(self, host: str, port: int, *, timeout: float | None = None,
                 wrap: "Callable[[socket.socket], socket.socket] | None" = None) -> None:  # fmt: skip
        self._host, self._port, self._timeout, self._wrap = host, port, timeout, wrap
        self.sock: socket.socket | None = None
        self.ends: float | None = None  # when reading gives up; of the monotonic clock
        self.peer = ""
        self.times = (0.0, 0.0)  # seconds that dialing and what `wrap` does took
        self._reader: io.BufferedReader | None = None

    def connect(self) -> socket.socket:
        begun = time.monotonic()
        plain = socket.create_connection((_ascii(self._host), self._port), self._timeout)  # type: ignore[arg-type]
        try:
            dialed = time.monotonic()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host, port = plain.getpeername()[:2]
            self.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self.sock = self._wrap(plain) if self._wrap else plain
        except BaseException:
            plain.close()
            raise
        self.times = (dialed - begun, time.monotonic() - dialed)
        return self.sock

    def give_up_after(self, seconds: float | None) -> None:
        """From now on; None waits for ever."""
        self.ends = None if seconds is None else time.monotonic() + seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def request(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None = None,
                *, timeout: float | None = None) -> "Response":  # fmt: skip
        """Send, and read the head of the answer. The body of the answer before must have been read."""
        connected = self._begin(method, target, headers, body, timeout)
        if self._reader is None:
            self._reader = io.BufferedReader(_Bytes(self, connected), BUFFER)
        return Response(self._reader, method)

    def upgrade(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None = None,
                ) -> "Response":  # fmt: skip
        """As `request`, but nothing is read that follows the head: it belongs to the protocol that was switched to."""
        connected = self._begin(method, target, headers, body, None)
        return Response(_Bytes(self, connected), method)

    def _begin(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None,
               timeout: float | None) -> socket.socket:  # fmt: skip
        connected = self.sock or self.connect()
        if timeout := timeout or self._timeout:
            self.give_up_after(timeout)
        elif self.ends is not None:
            self.give_up_after(None)
        connected.sendall(head(method, target, headers, body))
        return connected

    def is_stale(self) -> bool:
        """Whether the server ended the connection while nothing was asked: then it is readable."""
        if self.sock is None or self._reader is None:
            return False
        return bool(select.select([self.sock], [], [], 0)[0])

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class _Bytes(io.RawIOBase):
    """What comes on a connection, until it gives up."""

    def __init__(self, connection: Connection, source: socket.socket) -> None:
        self._connection, self._source = connection, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if (ends := self._connection.ends) is not None:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._source.settimeout(left)
        return self._source.recv_into(buffer)


def head(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> bytes:
    """The request as bytes, with its body; raises ValueError for what would break a line."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    has_length = any(line.lower().startswith("content-length:") for line in lines)
    if not has_length and (body is not None or method in ("POST", "PUT", "PATCH")):
        lines.append(f"Content-Length: {len(body or b'')}")
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a request line or header may not contain line ends")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")


def _ascii(host: str) -> str | bytes:
    """As bytes where possible: text makes the socket module import the tables of international names."""
    return host.encode() if host.isascii() else host


def _is_number(text: str, most: int) -> bool:
    """Plain digits, not too many: `str.isdigit` takes more, and `int` refuses thousands of them."""
    return text.isascii() and text.isdigit() and len(text) <= most


class Response:
    """`will_close`: the connection cannot be used for another request."""

    def __init__(self, reader: "io.BufferedReader | _Bytes", method: str) -> None:
        self._reader = reader
        self.status, self.reason, self.will_close = 100, "", False
        self.headers: list[tuple[str, str]] = []
        for _ in range(MOST_INTERIM + 1):
            self._head()
            if self.status >= 200 or self.status == 101:
                break
        else:
            raise ProtocolError("too many 1xx informational responses")
        self._inflater: zlib._Decompress | None = None
        self._broken: type[Exception] = ValueError
        self._left: int | None = None  # None: until the connection ends
        self._chunked = (self.header("transfer-encoding") or "").lower() == "chunked"
        length = self.header("content-length")
        if method == "HEAD" or self.status in (101, 204, 304):
            self._left, self._chunked = 0, False
        elif self._chunked:
            self._left = 0  # of this chunk
        elif length is not None:
            if not _is_number(length, 18):
                raise ProtocolError(f'bad Content-Length "{length[:100]}"')
            self._left = int(length)
        else:
            self.will_close = True

    def _head(self) -> None:
        line = self._line()
        parts = line.split(None, 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/"):
            raise ProtocolError(f'malformed HTTP response "{_CONTROL.sub("?", line[:200])}"')
        if not _is_number(parts[1], 3) or len(parts[1]) != 3:
            raise ProtocolError(f'malformed HTTP status code "{_CONTROL.sub("?", parts[1][:20])}"')
        self.status, self.reason = int(parts[1]), parts[2] if len(parts) > 2 else ""
        self.headers = self._fields()
        self.will_close = parts[0] == "HTTP/1.0" or "close" in (self.header("connection") or "").lower()

    def _line(self) -> str:
        line = self._reader.readline(LONGEST_LINE)
        if not line:
            raise ProtocolError("EOF")
        if not line.endswith(b"\n"):
            raise ProtocolError("unexpected EOF" if len(line) < LONGEST_LINE else "a header line is too long")
        return line.rstrip(b"\r\n").decode("iso-8859-1")

    def _fields(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or _CONTROL.search(line):
                raise ProtocolError(f"malformed MIME header line: {_CONTROL.sub('?', line[:200])}")
            found.append((name.strip(), value.strip()))
            if len(found) > MOST_HEADERS:
                raise ProtocolError("too many headers")
        return found

    def header(self, name: str) -> str | None:
        """The first of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def inflate(self) -> None:
        """From here on the body is read as it was before it was compressed, if it was."""
        if (self.header("content-encoding") or "").lower() == "gzip" and (self._chunked or self._left != 0):
            import zlib

            self._inflater, self._broken = zlib.decompressobj(31), zlib.error

    def read1(self, most: int = 65536) -> bytes:
        """What there is, up to `most` bytes (more of what was compressed), waiting for the first of them; empty at the end."""
        if self._inflater is None:
            return self._read1(most)
        while data := self._read1(most):
            try:
                if found := self._inflater.decompress(data):
                    return found
            except self._broken as error:
                raise ProtocolError("gzip: invalid header") from error
        if not self._inflater.eof:
            raise ProtocolError("unexpected EOF")
        return b""

    def _read1(self, most: int) -> bytes:
        if self._chunked and self._left == 0:
            self._next_chunk()
        if self._left == 0:
            return b""
        wanted = most if self._left is None else min(most, self._left)
        data = self._some(wanted)
        if self._left is None:
            return data
        if not data:
            raise ProtocolError("unexpected EOF")
        self._left -= len(data)
        return data

    def _some(self, wanted: int) -> bytes:
        reader = self._reader
        return reader.read1(wanted) if isinstance(reader, io.BufferedReader) else reader.read(wanted) or b""

    def _next_chunk(self) -> None:
        line = self._line() or self._line()  # the end of the chunk before, if there was one
        size = line.partition(";")[0].strip(" \t")
        if not _CHUNK_SIZE.fullmatch(size):
            raise ProtocolError("malformed chunked encoding")
        self._left = int(size, 16)
        if self._left == 0:
            self._fields()
            self._chunked = False

    def read(self) -> bytes:
        if (
            self._left
            and self._inflater is None
            and isinstance(self._reader, io.BufferedReader)
            and not self._chunked
        ):
            pieces = []
            while self._left:
                wanted = min(self._left, MOST_AT_ONCE)
                pieces.append(self._reader.read(wanted))
                if len(pieces[-1]) < wanted:
                    raise ProtocolError("unexpected EOF")
                self._left -= wanted
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return b"".join(iter(partial(self.read1, MOST_AT_ONCE), b""))

    def lines(self) -> Iterator[bytes]:
        """Each with its end, as soon as it is there."""
        rest: list[bytes] = []  # joined once: a line may be as long as an object is big
        while chunk := self.read1():
            first, *others = chunk.split(b"\n")
            rest.append(first)
            for begun in others:
                yield b"".join(rest) + b"\n"
                rest = [begun]
        if last := b"".join(rest):
            yield last
