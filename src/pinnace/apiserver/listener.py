"""The port: accepts connections, bounds how long they may keep the server waiting, and ends them in order.

A client that has not sent the head of a request within 32 seconds (upstream's ReadHeaderTimeout) is cut off, one that is
idle between requests after three minutes. One task looks after all of them, and only while there are any.
"""

import asyncio
import contextlib
import ssl
from email.utils import formatdate
from typing import Any

from aiohttp import web

from pinnace.apiserver.connection import MAX_BODY, Connection
from pinnace.apiserver.edge import Edge, compress
from pinnace.apiserver.request import Answer, Handler, Response, StreamingResponse
from pinnace.apiserver.services import Services

HEAD_SECONDS = 32.0
IDLE_SECONDS = 180.0
SWEEP_SECONDS = 5.0
CLOSING_SECONDS = 1.0
_BACKLOG = 1024


class Listener:
    def __init__(self, handler: Handler, services: Services, edge: Edge) -> None:
        self.handler, self.services, self._edge = handler, services, edge
        self.is_closing = False
        self._connections: set[Connection] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None
        self._date = (0, "")

    async def start(self, address: str, port: int, tls: ssl.SSLContext) -> int:
        """The port; raises OSError when it is taken."""
        self._web = web.Server(
            self._edge.handle, request_factory=_request, handler_cancellation=True, keepalive_timeout=IDLE_SECONDS,
            access_log=None, max_line_size=64 * 1024, max_field_size=64 * 1024,
        )  # fmt: skip
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self), address, port, ssl=tls, backlog=_BACKLOG, reuse_address=True
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Accept nothing more, let requests finish, close what is left."""
        self.is_closing = True
        if self._server is not None:
            self._server.close()
        busy = [task for connection in self._connections if (task := connection.task) is not None]
        for connection in list(self._connections):
            if connection.task is None:
                connection.close()
        if busy:
            await asyncio.wait(busy, timeout=grace_seconds)
        if self._web is not None:
            await self._web.shutdown(grace_seconds)
        if self._connections:  # their last answers are on the way
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._emptied], timeout=min(grace_seconds, CLOSING_SECONDS))
        for connection in list(self._connections):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)

    # -- what connections need ------------------------------------------------------------------------------
    def now(self) -> float:
        return self.services.clock.monotonic()

    def date(self) -> str:
        """The Date header, made once a second."""
        second = int(self.services.clock.now().timestamp())
        if second != self._date[0]:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]

    def opened(self, connection: Connection) -> None:
        connection.since = self.now()
        self._connections.add(connection)
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep(), name="connection timeouts")

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def streaming(
        self, task: "asyncio.Task[None] | None", answer: StreamingResponse
    ) -> contextlib.AbstractContextManager[None]:
        return self._edge.streaming(task, answer)

    async def compress(self, answer: Response) -> None:
        await compress(answer)

    def hand_over(
        self, connection: Connection, transport: asyncio.Transport, data: bytes, answer: Answer | None
    ) -> None:
        assert self._web is not None
        self._connections.discard(connection)
        protocol = self._web()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if answer is not None:
            self._edge.give(transport, answer)
        protocol.data_received(data)

    async def _sweep(self) -> None:
        while self._connections:
            await self.services.clock.sleep(SWEEP_SECONDS)
            now = self.now()
            for connection in list(self._connections):
                limit = IDLE_SECONDS if connection.is_idle else HEAD_SECONDS
                if connection.since is not None and now - connection.since > limit:
                    connection.abort()


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
    )
