"""HTTP/1.1 `Upgrade`: ask a server for it, accept it under aiohttp, or pass a client's request on to a backend.

    answer = await request_upgrade(Address("127.0.0.1", 10250, tls), "POST", "/exec/...", headers)
    stream = await accept_upgrade(request, [("Upgrade", "SPDY/3.1")])       # an aiohttp request, low-level server
    return await proxy_upgrade(request, address, target, headers)           # upgrade-aware proxy, raw bytes spliced

aiohttp knows only `Upgrade: websocket`; here any protocol is possible, since the peer of an upgrade stays silent until
it reads the 101.
"""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from pinnace.component.clock import Clock, RealClock
from pinnace.net.splice import splice
from pinnace.net.streams import ByteStream, Inbox, SocketStream

Headers = Sequence[tuple[str, str]]
REAL_CLOCK = RealClock()
CONNECT_SECONDS = 30.0
MAX_HEAD = 64 * 1024
TOKEN_PROTOCOL = "base64url.bearer.authorization."  # how browsers send a bearer token
MAX_BODY = 1024 * 1024
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
    address: Address,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    *,
    clock: Clock = REAL_CLOCK,
) -> UpgradeAnswer:
    """Send the request and read the answer's head. An answer other than 101 comes with its body, the stream closed.

    `headers` contain Connection and Upgrade. Raises ConnectionError (or another OSError) when there is no server, or no
    HTTP answer; TimeoutError, which is one, when connecting takes too long.
    """
    connecting = SocketStream.connect(
        address.host, address.port, tls=address.tls, server_name=address.server_name
    )
    stream = await clock.wait_for(connecting, CONNECT_SECONDS)
    try:
        own_host = [("Host", f"{address.host}:{address.port}")]
        lines = [f"{name}: {value}\r\n" for name, value in (*own_host, *headers)]
        await stream.write(
            f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("utf-8", "surrogateescape")
        )
        head = await _read_until(stream, b"\r\n\r\n", MAX_HEAD)
        status, reason, answer_headers = _parse_head(head)
        if status == 101:
            return UpgradeAnswer(status, reason, answer_headers, stream)
        body = await _read_body(stream, {name.lower(): value for name, value in answer_headers})
        await stream.close()
        return UpgradeAnswer(status, reason, answer_headers, stream, body)
    except BaseException:
        stream.abandon()
        raise


async def _read_until(stream: SocketStream, end: bytes, limit: int) -> bytes:
    """Up to and including `end`; the rest stays in the stream."""
    found = b""
    while (at := found.find(end)) < 0:
        if not (data := await stream.read()) or len(found) > limit:
            raise ConnectionError(f"no HTTP answer: {found[:80]!r}")
        found += data
    stream.put_back(found[at + len(end) :])
    return found[: at + len(end)]


def _parse_head(head: bytes) -> tuple[int, str, list[tuple[str, str]]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, reason = (*first.split(" ", 2), "", "")[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit()):
        raise ConnectionError(f"no HTTP answer: {first[:80]!r}")
    pairs = [line.partition(":") for line in lines if line]
    return int(status), reason, [(name.strip(), value.strip()) for name, _, value in pairs]


async def _read_body(stream: SocketStream, headers: dict[str, str]) -> bytes:
    """As far as it comes, at most `MAX_BODY`."""
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await _read_chunks(stream)
        size = int(headers.get("content-length", MAX_BODY))
        return await _read_size(stream, min(size, MAX_BODY))
    except (ConnectionError, ValueError):
        return b""


async def _read_size(stream: SocketStream, size: int) -> bytes:
    """`size` bytes, fewer when the stream ends before."""
    found = b""
    while len(found) < size and (data := await stream.read()):
        found += data
    stream.put_back(found[size:])
    return found[:size]


async def _read_chunks(stream: SocketStream) -> bytes:
    body = b""
    while len(body) < MAX_BODY:
        line = await _read_until(stream, b"\r\n", MAX_HEAD)
        size = int(line.split(b";")[0].strip() or b"0", 16)
        if size == 0:
            break
        body += await _read_size(stream, min(size, MAX_BODY))
        await _read_until(stream, b"\r\n", MAX_HEAD)
    return body


class AcceptedStream:
    """The stream of an accepted upgrade. Towards aiohttp it is the connection's parser (`feed_data`, `feed_eof`)."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self._protocol = request.protocol
        self._response = response
        self._inbox = Inbox()
        self._inbox.transport = request.transport  # the protocol's own pausing is for HTTP messages
        self._closed = False

    @property
    def response(self) -> web.StreamResponse:
        """What the aiohttp handler must return in the end."""
        return self._response

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._inbox.put(data)
        return False, b""

    def feed_eof(self) -> None:
        self._inbox.end()

    async def read(self) -> bytes:
        return await self._inbox.get()

    async def write(self, data: bytes) -> None:
        if self._closed or self._inbox.has_ended:
            raise ConnectionResetError("the connection is closed")
        await self._response.write(data)

    async def write_eof(self) -> None:
        """TLS cannot half-close."""

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._inbox.end()
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
    """The client's headers for the backend: hop-by-hop ones dropped, also those that Connection names; an Upgrade is kept.

    A name of `without` that ends in `-` is a prefix. A bearer token among WebSocket subprotocols is for us alone.
    """
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")} - {"upgrade"}
    dropped = HOP_BY_HOP | named | {name.lower() for name in without}
    prefixes = tuple(name for name in dropped if name.endswith("-"))
    found = []
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in dropped or (prefixes and lower.startswith(prefixes)):
            continue
        if lower == "connection":
            value = "Upgrade" if "upgrade" in value.lower() else "keep-alive"
        elif lower == "sec-websocket-protocol":
            value = _without_token(value)
        if value or lower != "sec-websocket-protocol":
            found.append((name, value))
    return found


def _without_token(protocols: str) -> str:
    offered = (protocol.strip() for protocol in protocols.split(","))
    return ", ".join(protocol for protocol in offered if not protocol.startswith(TOKEN_PROTOCOL))


async def proxy_upgrade(
    request: web.BaseRequest,
    address: Address,
    target: str,
    headers: Iterable[tuple[str, str]],
    *,
    clock: Clock = REAL_CLOCK,
) -> web.StreamResponse:
    """Repeat the client's upgrade request at `address` and splice; an answer other than 101 is handed to the client.

    Raises OSError when the backend cannot be reached: nothing was sent to the client yet.
    """
    answer = await request_upgrade(address, request.method, target, headers, clock=clock)
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
