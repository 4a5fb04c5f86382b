"""WebSocket on the server's side, on top of aiohttp's RFC 6455 implementation, and a byte stream through it.

aiohttp answers pings and checks frames. `WebSocketStream` carries a raw byte stream in binary messages: kubectl 1.31 and
later tunnels SPDY port-forward that way. Compression is off: the payload is compressed or short already.
"""

import contextlib

from aiohttp import WSMsgType, web

from pinnace.net.upgrade_headers import asks_for_websocket

CLOSING_SECONDS = 2.0


def is_websocket(request: web.BaseRequest) -> bool:
    return asks_for_websocket(request.headers)


def is_upgrade(request: web.BaseRequest) -> bool:
    tokens = {token.strip().lower() for token in request.headers.get("Connection", "").split(",")}
    return "upgrade" in tokens and "Upgrade" in request.headers


def offered_protocols(request: web.BaseRequest) -> list[str]:
    """Subprotocols in the client's order of preference."""
    headers = request.headers.getall("Sec-WebSocket-Protocol", [])
    return [name.strip() for header in headers for name in header.split(",") if name.strip()]


async def accept_websocket(request: web.BaseRequest, protocol: str) -> web.WebSocketResponse:
    """Complete the handshake with this subprotocol ("" for none); the answer is what the handler returns."""
    socket = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (), timeout=CLOSING_SECONDS, compress=False, max_msg_size=0
    )
    await socket.prepare(request)
    return socket


class WebSocketStream:
    """A `ByteStream` whose bytes travel as binary messages."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type == WSMsgType.BINARY and message.data:
                return message.data
            if message.type == WSMsgType.TEXT and message.data:
                return message.data.encode()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def write_eof(self) -> None:
        """A WebSocket cannot half-close."""

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.close()
