"""A WebSocket client, our relay, and our SPDY server in the place of containerd."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from pinnace.net.channels import choose
from pinnace.net.remote_command import Wanted, relay
from pinnace.net.spdy import Session, Stream
from pinnace.net.streams import pipe
from pinnace.net.websocket import WebSocketStream, accept_websocket, offered_protocols

Command = Callable[[dict[str, Stream]], Awaitable[None]]
SUCCESS = {"metadata": {}, "status": "Success"}


async def play(session: Session, streams_wanted: int, command: Command) -> None:
    running = asyncio.create_task(session.run())
    streams: dict[str, Stream] = {}
    while len(streams) < streams_wanted and (stream := await session.accept()):
        streams[stream.headers["streamtype"]] = stream
    await command(streams)
    for stream in streams.values():
        await stream.close()
    await session.close()
    await running


Connect = Callable[[Wanted, Command, str], Awaitable[aiohttp.ClientWebSocketResponse]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    todo: list[tuple[Wanted, Command]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        wanted, command = todo.pop()
        protocol = choose(offered_protocols(request))
        assert protocol is not None
        ours, theirs = pipe()
        backend = asyncio.create_task(play(Session(theirs, server=True), len(wanted.roles()), command))
        socket = await accept_websocket(request, protocol.name)
        await relay(socket, protocol, wanted, Session(ours, server=False))
        await backend
        return socket

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as client:

        async def open_socket(
            wanted: Wanted, command: Command, protocol: str
        ) -> aiohttp.ClientWebSocketResponse:
            todo.append((wanted, command))
            return await client.ws_connect(url, protocols=(protocol,))

        yield open_socket
    await runner.cleanup()


async def messages(socket: aiohttp.ClientWebSocketResponse) -> list[bytes]:
    return [message.data async for message in socket]


async def test_output_comes_on_its_channels_and_the_status_last(connect: Connect) -> None:
    async def command(streams: dict[str, Stream]) -> None:
        await streams["stdout"].write(b"out")
        await streams["stderr"].write(b"err")
        await streams["error"].write(json.dumps(SUCCESS).encode())

    socket = await connect(Wanted(stdout=True, stderr=True), command, "v5.channel.k8s.io")
    received = await messages(socket)
    assert received[0] == b"\x01"
    assert sorted(received[1:3]) == [b"\x01out", b"\x02err"]
    assert received[3][:1] == b"\x03"
    assert json.loads(received[3][1:]) == SUCCESS
    assert socket.close_code == 1000


async def test_v5_closes_stdin_without_closing_the_rest(connect: Connect) -> None:
    async def command(streams: dict[str, Stream]) -> None:
        await streams["stdout"].write((await streams["stdin"].read_all()).upper())
        await streams["error"].write(json.dumps(SUCCESS).encode())

    socket = await connect(Wanted(stdin=True, stdout=True), command, "v5.channel.k8s.io")
    await socket.send_bytes(b"\x00hello ")
    await socket.send_bytes(b"\x00world")
    await socket.send_bytes(b"\xff\x00")
    assert b"\x01HELLO WORLD" in await messages(socket)


async def test_terminal_sizes_reach_the_resize_stream(connect: Connect) -> None:
    async def command(streams: dict[str, Stream]) -> None:
        assert set(streams) == {"error", "stdout", "resize"}
        await streams["stdout"].write(await streams["resize"].read())
        await streams["error"].write(json.dumps(SUCCESS).encode())

    socket = await connect(Wanted(stdout=True, stderr=True, tty=True), command, "v5.channel.k8s.io")
    await socket.send_bytes(b'\x04{"Width":80,"Height":24}\n')
    assert b'\x01{"Width":80,"Height":24}\n' in await messages(socket)


async def test_base64_clients_and_old_clients_get_their_forms(connect: Connect) -> None:
    async def fail(streams: dict[str, Stream]) -> None:
        failure = {"status": "Failure", "message": "command terminated with exit code 3"}
        await streams["error"].write(json.dumps(failure).encode())

    socket = await connect(Wanted(stdout=True), fail, "base64.channel.k8s.io")
    received = await messages(socket)
    assert received[0] == "1"
    assert received[1].startswith("3Y29tbWFuZCB0ZXJtaW5hdGVk")


async def test_a_backend_that_vanishes_is_a_failure_not_a_success(connect: Connect) -> None:
    async def vanish(streams: dict[str, Stream]) -> None:
        await streams["stdout"].write(b"half")

    socket = await connect(Wanted(stdout=True), vanish, "v4.channel.k8s.io")
    assert json.loads((await messages(socket))[-1][1:])["status"] == "Failure"


async def test_a_client_that_leaves_ends_the_command(connect: Connect) -> None:
    ended = asyncio.Event()

    async def wait(streams: dict[str, Stream]) -> None:
        await streams["stdin"].read()
        ended.set()

    socket = await connect(Wanted(stdin=True, stdout=True), wait, "v4.channel.k8s.io")
    await socket.receive()
    await socket.close()
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_byte_stream_travels_in_binary_messages() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        socket = await accept_websocket(request, "tunnel")
        stream = WebSocketStream(socket)
        while data := await stream.read():
            await stream.write(data[::-1])
        await stream.close()
        return socket

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as client, client.ws_connect(url, protocols=("tunnel",)) as socket:
        await socket.send_bytes(b"abc")
        assert await socket.receive_bytes() == b"cba"
        assert socket.protocol == "tunnel"
    await runner.cleanup()
