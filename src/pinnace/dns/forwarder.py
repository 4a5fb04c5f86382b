"""Asking the machine's own name servers what the cluster does not know."""

import asyncio
import random
import socket
import struct
from pathlib import Path

from pinnace.component.clock import Clock
from pinnace.dns import wire
from pinnace.dns.wire import Foreign, Malformed, Question

UPSTREAM_SECONDS = 2.0
ROUNDS = 2  # through all servers
MOST_AT_ONCE = 500
Result = tuple[bytes, Foreign] | None


class Forwarder:
    """Each question goes out with an id and from a port that nobody can guess, to one server after the other.

    Who asks what is being asked already waits for the same answer. A server that did not answer is asked last the next time.
    """

    def __init__(self, clock: Clock, upstreams: tuple[str, ...]) -> None:
        self._clock = clock
        self._upstreams = [host_port(text) for text in upstreams]
        self._random = random.SystemRandom()
        self._asking: dict[tuple[bytes, bool], asyncio.Task[Result]] = {}

    async def ask(self, asked: Question) -> Result:
        """The answer, with the id of the question; None when no server gave a usable one."""
        key = (asked.wire.lower(), bool(asked.udp_size))
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MOST_AT_ONCE:
                return None
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(asked))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        result = await asyncio.shield(task)
        if result is None:
            return None
        end = wire.HEADER_BYTES + len(asked.wire)  # the letters of the name as this asker wrote them
        answer = asked.id.to_bytes(2, "big") + result[0][2 : wire.HEADER_BYTES] + asked.wire + result[0][end:]
        return answer, result[1]

    async def _ask(self, asked: Question) -> Result:
        last: Result = None
        for _ in range(ROUNDS):
            for server in list(self._upstreams):
                try:
                    result = await self._clock.wait_for(self._exchange(asked, server), UPSTREAM_SECONDS)
                except (OSError, TimeoutError, asyncio.IncompleteReadError, Malformed):
                    self._last(server)
                    continue
                if result[1].code in (wire.NOERROR, wire.NXDOMAIN):
                    return result
                last = result  # SERVFAIL, REFUSED: another one may know
            if last is not None:
                break
        return last

    def _last(self, server: tuple[str, int]) -> None:
        self._upstreams.remove(server)
        self._upstreams.append(server)

    async def _exchange(self, asked: Question, server: tuple[str, int]) -> tuple[bytes, Foreign]:
        """Over UDP, and over TCP when the answer was truncated. Raises OSError, IncompleteReadError or Malformed."""
        question = wire.query(self._random.getrandbits(16), asked)
        reply = await self._over_udp(question, asked, server)
        if int.from_bytes(reply[2:4], "big") & wire.TRUNCATED:
            reply = await _over_tcp(question, server)
        found = wire.foreign(reply, asked)
        flags = int.from_bytes(reply[2:4], "big") & ~wire.AUTHORITATIVE | wire.AVAILABLE
        return reply[:2] + flags.to_bytes(2, "big") + reply[4:], found

    async def _over_udp(self, question: bytes, asked: Question, server: tuple[str, int]) -> bytes:
        """What is not the answer (wrong id, wrong name, nonsense) is ignored: it may be a forgery that came first."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as own:
            own.connect(server)  # from a port of the kernel's choice; others' datagrams do not arrive
            await loop.sock_sendall(own, question)
            while True:
                reply = await loop.sock_recv(own, 0xFFFF)
                if reply[:2] != question[:2]:
                    continue
                try:
                    wire.foreign(reply, asked)
                except Malformed:
                    if int.from_bytes(reply[2:4], "big") & wire.TRUNCATED:
                        return reply
                    continue
                return reply


async def _over_tcp(question: bytes, server: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(struct.pack("!H", len(question)) + question)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = await reader.readexactly(length)
        if reply[:2] != question[:2]:
            raise Malformed("an answer to something else")
        return reply
    finally:
        writer.close()


def nameservers(resolv_conf: Path) -> tuple[str, ...]:
    """The `nameserver` lines of a resolv.conf; none when the file cannot be read."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return ()
    return tuple(
        words[1] for words in (line.split() for line in lines) if len(words) > 1 and words[0] == "nameserver"
    )


def host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon and "." in host else (text, 53)
