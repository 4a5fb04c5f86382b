"""What one client may have of a name server that others share: answers of somebody else that it waits for, connections."""

import asyncio
import socket
import struct
from collections.abc import Awaitable
from typing import TypeVar

from dnslib import DNSRecord

from pinnace.component.clock import RealClock
from pinnace.dns import datagrams, server
from pinnace.dns.datagrams import Datagrams
from pinnace.dns.server import DnsConfig, DnsServer
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.wait import eventually

T = TypeVar("T")


async def test_a_client_with_many_questions_leaves_room_for_the_next_one() -> None:
    asked: list[bytes] = []
    over = asyncio.Event()

    async def later(message: bytes) -> bytes:
        asked.append(message)
        await over.wait()
        return message

    served = Datagrams(socket.AF_INET, ("127.0.0.1", 0), lambda message: None, later)
    address = served._socket.getsockname()
    greedy, modest = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    try:
        for client, own in ((greedy, "127.0.0.2"), (modest, "127.0.0.3")):
            client.bind((own, 0))
            client.connect(address)
            client.setblocking(False)
        for number in range(3 * datagrams.MOST_OF_ONE):
            greedy.send(b"g%d" % number)
        modest.send(b"m")
        await eventually(lambda: b"m" in asked)
        assert len(asked) == datagrams.MOST_OF_ONE + 1
        over.set()
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(modest, 100), 10) == b"m"
        await eventually(lambda: not served._waiting)
        greedy.send(b"again")
        await eventually(lambda: b"again" in asked)
        await eventually(lambda: not served._waiting_of)
    finally:
        served.close()
        greedy.close()
        modest.close()


class Patient(RealClock):
    """No connection is given up, however slow this machine is."""

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        return await awaitable


async def test_a_client_with_many_connections_leaves_room_for_the_next_one() -> None:
    dns = DnsServer(FakeClient(), Patient(), DnsConfig("127.0.0.1", 0))
    running = asyncio.create_task(dns.run())
    await dns.listening()
    question = bytes(DNSRecord.question("a.test", "AXFR").pack())

    async def is_answered(own: str, keep: list[asyncio.StreamWriter]) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", dns.port, local_addr=(own, 0))
        keep.append(writer)
        try:
            writer.write(struct.pack("!H", len(question)) + question)
            return await reader.read(2) != b""
        except OSError:
            return False

    kept: list[asyncio.StreamWriter] = []
    try:
        answered = [await is_answered("127.0.0.2", kept) for _ in range(server.MOST_OF_ONE + 3)]
        assert answered == [True] * server.MOST_OF_ONE + [False] * 3
        assert await is_answered("127.0.0.3", kept)
        for writer in kept:
            writer.close()
        await eventually(lambda: not dns._connections)
        assert await is_answered("127.0.0.2", kept)
    finally:
        for writer in kept:
            writer.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
