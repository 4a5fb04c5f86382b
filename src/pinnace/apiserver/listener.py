"""The port: accepts connections, bounds how long they may keep the server waiting, and ends them in order.

A client that has not sent the head of a request within 32 seconds (upstream's ReadHeaderTimeout) is cut off, one that is
idle between requests after three minutes. One task looks after all of them, and only while there are any.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from pinnace.apiserver.compression import compress
from pinnace.apiserver.connection import Connection
from pinnace.apiserver.request import Answer, Handler, Response, StreamingResponse, UpgradeResponse
from pinnace.apiserver.services import Services

if TYPE_CHECKING:
    from pinnace.apiserver.edge import Edge

HEAD_SECONDS = 32.0
IDLE_SECONDS = 180.0
SWEEP_SECONDS = 5.0
CLOSING_SECONDS = 1.0
_BACKLOG = 1024
_EVERY = {"0.0.0.0": "::", "::": "0.0.0.0"}


class Listener:
    def __init__(self, handler: Handler, services: Services) -> None:
        self.handler, self.services = handler, services
        self.is_closing = False
        self._connections: set[Connection] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._servers: list[asyncio.Server] = []
        self._edge: Edge | None = None  # made at first use
        self._streams: set[asyncio.Task[Any]] = set()
        self._date = (0, "")

    async def start(self, address: str, port: int, tls: ssl.SSLContext) -> int:
        """The port; raises OSError when it is taken. Every address of one family means every one of the other, too, where the
        machine has it, as upstream's flag `--bind-address`."""
        bound = await self._listen(address, port, tls)
        if address in _EVERY:
            with contextlib.suppress(OSError):
                await self._listen(_EVERY[address], bound, tls)
        return bound

    async def _listen(self, address: str, port: int, tls: ssl.SSLContext) -> int:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self), address, port, ssl=tls, backlog=_BACKLOG, reuse_address=True
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def end_streams(self) -> None:
        """Stop every watch and upgraded connection: part of a graceful shutdown."""
        for task in list(self._streams):
            task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Accept nothing more, let requests finish, close what is left."""
        self.is_closing = True
        for server in self._servers:
            server.close()
        busy = [task for connection in self._connections if (task := connection.task) is not None]
        for connection in list(self._connections):
            if connection.task is None:
                connection.close()
        if busy:
            await asyncio.wait(busy, timeout=grace_seconds)
        if self._edge is not None:
            await self._edge.shutdown(grace_seconds)
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

    @contextlib.contextmanager
    def streaming(
        self, task: "asyncio.Task[Any] | None", answer: StreamingResponse | UpgradeResponse
    ) -> Iterator[None]:
        """While this task may last as long as the server does; then who waits for the end of the answer is told."""
        assert task is not None
        self._streams.add(task)
        try:
            yield
        finally:
            self._streams.discard(task)
            code = answer.status if isinstance(answer, StreamingResponse) else answer.code
            for ended in answer.on_end:
                ended(code)

    async def compress(self, answer: Response) -> None:
        await compress(answer)

    def hand_over(
        self, connection: Connection, transport: asyncio.Transport, data: bytes, answer: Answer | None
    ) -> None:
        self._connections.discard(connection)
        if self._edge is None:
            from pinnace.apiserver.edge import Edge

            self._edge = Edge(self.handler, self.services, self.streaming, idle_seconds=IDLE_SECONDS)
        self._edge.take(transport, data, answer)

    async def _sweep(self) -> None:
        while self._connections:
            await self.services.clock.sleep(SWEEP_SECONDS)
            now = self.now()
            for connection in list(self._connections):
                limit = IDLE_SECONDS if connection.is_idle else HEAD_SECONDS
                if connection.since is not None and now - connection.since > limit:
                    connection.abort()
