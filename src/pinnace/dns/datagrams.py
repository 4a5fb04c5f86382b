"""The socket of UDP: as many datagrams as have come are answered in one go, without a task or a callback for each."""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger(__name__)

BATCH = 64  # then the event loop gets its turn
MOST_BYTES = 4096  # of a question; a longer one is cut off, and so malformed
BUFFER_BYTES = 1 << 20
MOST_WAITING = (
    1000  # answers that somebody else is asked for; more questions are dropped, and the askers try again
)
MOST_OF_ONE = 100  # of these for one address, so that no pod takes the others' names away


class Datagrams:
    """`at_once` gives an answer, b"" for none, or None: then `later` is awaited. Raises OSError when the address is taken."""

    def __init__(
        self,
        family: socket.AddressFamily,
        address: tuple[str, int],
        at_once: Callable[[bytes], bytes | None],
        later: Callable[[bytes], Awaitable[bytes]],
    ) -> None:
        self._at_once, self._later = at_once, later
        self._waiting: set[asyncio.Task[None]] = set()
        self._waiting_of: Counter[str] = Counter()  # by address; without those that wait for nothing
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._waiting:
            task.cancel()

    def _readable(self) -> None:
        receive, send, at_once = self._socket.recvfrom, self._socket.sendto, self._at_once
        for _ in range(BATCH):
            try:
                message, sender = receive(MOST_BYTES)
            except OSError:  # nothing more, or news of an answer that did not arrive
                return
            try:
                answer = at_once(message)
                if answer:
                    send(answer, sender)
                elif answer is None:
                    self._wait(message, sender)
            except OSError:
                continue  # the buffer is full, or there is no way back: the asker tries again
            except Exception:
                log.exception("a question from %s could not be answered", sender)

    def _wait(self, message: bytes, sender: Any) -> None:
        address = sender[0]
        if len(self._waiting) >= MOST_WAITING or self._waiting_of[address] >= MOST_OF_ONE:
            return

        def done(task: "asyncio.Task[None]") -> None:
            self._waiting.discard(task)
            self._waiting_of[address] -= 1
            if not self._waiting_of[address]:
                del self._waiting_of[address]

        self._waiting_of[address] += 1
        task = self._loop.create_task(self._answer_later(message, sender))
        self._waiting.add(task)
        task.add_done_callback(done)

    async def _answer_later(self, message: bytes, sender: Any) -> None:
        try:
            answer = await self._later(message)
        except Exception:
            log.exception("a question from %s could not be answered", sender)
            return
        with contextlib.suppress(OSError):
            self._socket.sendto(answer, sender)
