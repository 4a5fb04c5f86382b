"""HTTP/1.1 `Upgrade`: ask a server for it, accept it under aiohttp, or pass a client's request on to a backend.

    answer = await request_upgrade(Address("127.0.0.1", 10250, tls), "POST", "/exec/...", headers)
    stream = await accept_upgrade(request, [("Upgrade", "SPDY/3.1")])       # an aiohttp request, low-level server
    return await proxy_upgrade(request, address, target, headers)           # upgrade-aware proxy, raw bytes spliced

aiohttp knows only `Upgrade: websocket`; here any protocol is possible, since the peer of an upgrade stays silent until
it reads the 101.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from pinnace.net.splice import splice
from pinnace.net.streams import CHUNK, ByteStream, SocketStream

Headers = Sequence[tuple[str, str]]
MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
READ_AHEAD = 256 * 1024
HOP_BY_HOP = {
    "host",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
}


@dataclass(frozen=True)
class Address:
    """Where to connect; `tls` None means plain HTTP; `server_name` is what the certificate must say if not `host`."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class UpgradeAnswer:
    """The server's answer; with status 101 `stream` carries the new protocol, else `body` what the server said."""

    status: int
    reason: str
    headers: Headers
    stream: ByteStream
    body: bytes = field(default=b"", repr=False)

    @property
    def switched(self) -> bool:
        return self.status == 101

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


async def request_upgrade(
    address: Address, method: str, target: str, headers: Iterable[tuple[str, str]]
) -> UpgradeAnswer:
    """Send the request and read the answer's head. An answer other than 101 comes with its body, the stream closed.

    Raises ConnectionError (or another OSError) when there is no server, or no HTTP answer. The caller sets the
    deadline and sends Connection and Upgrade among `headers`.
    """
    reader, writer = await asyncio.open_connection(
        address.host,
        address.port,
        ssl=address.tls,
        server_hostname=(address.server_name or address.host) if address.tls else None,
    )
    try:
        own_host = [("Host", f"{address.host}:{address.port}")]
        lines = [f"{name}: {value}\r\n" for name, value in (*own_host, *headers)]
        writer.write(f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1"))
        await writer.drain()
        status, reason, answer_headers = await _read_head(reader)
        stream = SocketStream(reader, writer)
        if status == 101:
            return UpgradeAnswer(status, reason, answer_headers, stream)
        body = await _read_body(reader, {name.lower(): value for name, value in answer_headers})
        await stream.close()
        return UpgradeAnswer(status, reason, answer_headers, stream, body)
    except BaseException:
        writer.close()
        raise


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, str, list[tuple[str, str]]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, reason = (*first.split(" ", 2), "")[:3]
        if not version.startswith("HTTP/1."):
            raise ConnectionError(f"not an HTTP answer: {first[:80]!r}")
        pairs = [line.partition(":") for line in lines if line]
        return int(status), reason, [(name.strip(), value.strip()) for name, _, value in pairs]
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise ConnectionError(f"no HTTP answer: {error}") from error


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await _read_chunks(reader)
        if "content-length" in headers:
            return await reader.readexactly(min(int(headers["content-length"]), MAX_BODY))
        return await reader.read(MAX_BODY)
    except (asyncio.IncompleteReadError, ValueError):
        return b""


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < MAX_BODY:
        size = int((await reader.readline()).split(b";")[0].strip() or b"0", 16)
        if size == 0:
            break
        body += await reader.readexactly(min(size, MAX_BODY))
        await reader.readline()
    return body


class AcceptedStream:
    """The stream of an accepted upgrade. Towards aiohttp it is the connection's parser (`feed_data`, `feed_eof`)."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self._protocol = request.protocol
        self._response = response
        self._received = bytearray()
        self._ended = self._paused = self._closed = False
        self._arrived = asyncio.Event()

    @property
    def response(self) -> web.StreamResponse:
        """What the aiohttp handler must return in the end."""
        return self._response

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._received += data
        if len(self._received) > READ_AHEAD and not self._paused:
            self._paused = True
            self._protocol.pause_reading()
        self._arrived.set()
        return False, b""

    def feed_eof(self) -> None:
        self._ended = True
        self._arrived.set()

    async def read(self) -> bytes:
        while not self._received and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._received[:CHUNK])
        del self._received[:CHUNK]
        if self._paused and len(self._received) < READ_AHEAD // 2:
            self._paused = False
            self._protocol.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        if self._closed or self._ended:
            raise ConnectionResetError("the connection is closed")
        await self._response.write(data)

    async def write_eof(self) -> None:
        """TLS cannot half-close."""

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.feed_eof()
        if (transport := self._protocol.transport) is not None:
            transport.close()


async def accept_upgrade(request: web.BaseRequest, headers: Iterable[tuple[str, str]]) -> AcceptedStream:
    """Answer 101 with `headers` (`Connection: Upgrade` is added) and take the connection over from aiohttp."""
    response = web.StreamResponse(status=101)
    for name, value in headers:
        if name.lower() != "connection":
            response.headers.add(name, value)
    response.headers["Connection"] = "Upgrade"
    response.force_close()
    stream = AcceptedStream(request, response)
    request.protocol.set_parser(stream)  # type: ignore[arg-type]  # only feed_data and feed_eof are used
    await response.prepare(request)
    return stream


def forwarded_headers(request: web.BaseRequest, *, without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The client's headers for the backend: hop-by-hop ones dropped, Connection and Upgrade kept."""
    dropped = HOP_BY_HOP | {name.lower() for name in without}
    return [(name, value) for name, value in request.headers.items() if name.lower() not in dropped]


async def proxy_upgrade(
    request: web.BaseRequest, address: Address, target: str, headers: Iterable[tuple[str, str]]
) -> web.StreamResponse:
    """Repeat the client's upgrade request at `address` and splice; an answer other than 101 is handed to the client.

    Raises OSError when the backend cannot be reached: nothing was sent to the client yet.
    """
    answer = await request_upgrade(address, request.method, target, headers)
    if not answer.switched:
        kept = {"content-type", "x-accepted-stream-protocol-versions"}
        shown = {name: value for name, value in answer.headers if name.lower() in kept}
        return web.Response(status=answer.status, body=answer.body, headers=shown)
    passed_on = [(name, value) for name, value in answer.headers if name.lower() not in ("date", "server")]
    try:
        client = await accept_upgrade(request, passed_on)
    except BaseException:
        await answer.stream.close()
        raise
    await splice(client, answer.stream)
    return client.response
