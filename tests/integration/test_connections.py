"""Connections as bytes: requests in any pieces and in a row, clients that are slow or say nothing, and what an idle one costs."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.fake_clock import FakeClock

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
GET = b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"


class Wire:
    """One TLS connection of an administrator."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, server: ApiServerInProcess) -> "Wire":
        tls = server.tls(server.authority.client("admin", MASTERS))
        return cls(*await asyncio.open_connection("127.0.0.1", server.server.port, ssl=tls))

    async def send(self, *parts: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # whoever is cut off need not hear of it
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(0)

    async def answer(self) -> tuple[int, bytes]:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        length = re.search(rb"Content-Length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        return int(head.split()[1]), await self.reader.readexactly(int(length[1]))

    async def is_closed(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), 10) == b""
        return True

    def close(self) -> None:
        self.writer.transport.abort()


@pytest_asyncio.fixture
async def wire(api_server: ApiServerInProcess) -> AsyncGenerator[Wire, None]:
    opened = await Wire.open(api_server)
    yield opened
    opened.close()


def post(name: str, *, size: int = 0) -> bytes:
    body = json.dumps({"metadata": {"name": name}, "data": {"x": "y" * size}}).encode()
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_a_request_may_come_byte_by_byte(wire: Wire) -> None:
    data = post("slow")
    await wire.send(*(data[place : place + 1] for place in range(len(data))))
    assert (await wire.answer())[0] == 201


async def test_a_large_body_comes_in_many_pieces(wire: Wire) -> None:
    data = post("large", size=600_000)
    await wire.send(*(data[begin : begin + 50_000] for begin in range(0, len(data), 50_000)))
    status, body = await wire.answer()
    assert status == 201
    assert len(body) > 600_000


async def test_requests_in_a_row_are_answered_in_their_order(wire: Wire) -> None:
    names = [f"row-{number}" for number in range(20)]
    await wire.send(b"".join(map(post, names)) + GET)
    for name in names:
        status, body = await wire.answer()
        assert (status, json.loads(body)["metadata"]["name"]) == (201, name)
    assert json.loads((await wire.answer())[1])["major"] == "1"


async def test_a_chunked_body_and_a_plain_request_share_a_connection(wire: Wire) -> None:
    body = b'{"metadata": {"name": "chunked"}}'
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    await wire.send(GET)
    assert (await wire.answer())[0] == 200
    await wire.send(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert (await wire.answer())[0] == 201
    await wire.send(GET)
    assert (await wire.answer())[0] == 200


@pytest.mark.parametrize(
    "more",
    [
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"A b: c\r\n",
    ],
    ids=["two lengths", "length and chunks", "no header"],
)
async def test_ambiguous_requests_are_refused(wire: Wire, more: bytes) -> None:
    await wire.send(f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: a\r\n".encode() + more + b"\r\nabc")
    assert (await wire.answer())[0] == 400
    assert await wire.is_closed()


async def test_a_head_without_end_is_cut_off(wire: Wire) -> None:
    await wire.send(b"GET / HTTP/1.1\r\n", *(b"X-%d: %b\r\n" % (n, b"y" * 1000) for n in range(280)))
    with contextlib.suppress(ConnectionError):  # what was sent after it may win over the answer
        data = await asyncio.wait_for(wire.reader.read(), 10)
        assert not data or data.startswith(b"HTTP/1.1 431 ")
    assert await wire.is_closed()


async def test_a_body_that_nobody_wants_ends_the_connection(
    api_server: ApiServerInProcess, wire: Wire
) -> None:
    await wire.send(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
    assert (await wire.answer())[0] == 405
    assert await wire.is_closed()


async def test_slow_heads_and_idle_connections_are_ended(tmp_path: Path) -> None:
    clock = FakeClock()
    async with ApiServerInProcess(tmp_path, clock=clock) as server:
        silent, slow, idle = [await Wire.open(server) for _ in range(3)]
        await slow.send(b"GET /version HTTP/1.1\r\nX:")
        await idle.send(GET)
        assert (await idle.answer())[0] == 200
        for _ in range(5):
            await clock.advance(8)
            await slow.send(b"y")  # a byte now and then does not help
        assert await silent.is_closed()
        assert await slow.is_closed()
        await idle.send(GET)
        assert (await idle.answer())[0] == 200
        await clock.advance(170)
        await idle.send(GET)
        assert (await idle.answer())[0] == 200
        for _ in range(20):
            await clock.advance(10)
        assert await idle.is_closed()


async def test_a_reader_that_stops_reading_holds_little_of_a_long_list(
    api_server: ApiServerInProcess, wire: Wire
) -> None:
    """The answer is made as fast as it is read; meanwhile others are served."""
    for number in range(40):
        await wire.send(post(f"big-{number}", size=500_000))
        assert (await wire.answer())[0] == 201
    stuck = await Wire.open(api_server)
    stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await stuck.send(f"GET {CONFIG_MAPS} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await wire.send(GET)
    assert (await wire.answer())[0] == 200
    stuck.writer.transport.resume_reading()  # type: ignore[attr-defined]
    status, body = await stuck.answer()
    assert status == 200
    assert len(json.loads(body)["items"]) >= 40
    stuck.close()
