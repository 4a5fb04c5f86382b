import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from pinnace.net.upgrade import Address, accept_upgrade, forwarded_headers, proxy_upgrade, request_upgrade

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")]


async def serve(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> tuple[web.ServerRunner, Address]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, Address("127.0.0.1", runner.addresses[0][1])


@pytest.fixture
async def echo() -> AsyncIterator[Address]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/refuse":
            return web.json_response({"message": "no"}, status=403)
        stream = await accept_upgrade(request, [("Upgrade", "SPDY/3.1"), ("X-Chosen", "v4")])
        while data := await stream.read():
            await stream.write(data.upper())
            if b"stop" in data:
                break
        await stream.close()
        return stream.response

    runner, address = await serve(handle)
    yield address
    await runner.cleanup()


@pytest.fixture
async def proxy(echo: Address) -> AsyncIterator[Address]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await proxy_upgrade(request, echo, request.path_qs, forwarded_headers(request))

    runner, address = await serve(handle)
    yield address
    await runner.cleanup()


async def test_bytes_flow_both_ways_after_an_upgrade(echo: Address) -> None:
    answer = await request_upgrade(echo, "POST", "/x", UPGRADE)
    assert answer.switched
    assert answer.header("x-chosen") == "v4"
    await answer.stream.write(b"hello")
    assert await answer.stream.read() == b"HELLO"
    await answer.stream.write(b"stop")
    assert await answer.stream.read() == b"STOP"
    assert await answer.stream.read() == b""
    await answer.stream.close()


async def test_an_answer_that_is_no_upgrade_comes_with_its_body(echo: Address) -> None:
    answer = await request_upgrade(echo, "POST", "/refuse", UPGRADE)
    assert (answer.status, answer.body) == (403, b'{"message": "no"}')


async def test_the_proxy_passes_the_upgrade_and_large_data_through(proxy: Address) -> None:
    answer = await request_upgrade(proxy, "POST", "/x?a=b", UPGRADE)
    assert answer.header("X-Chosen") == "v4"
    size = 3_000_000

    async def send() -> None:
        for _ in range(0, size, 30_000):
            await answer.stream.write(b"a" * 30_000)

    sending = asyncio.create_task(send())
    received = 0
    while received < size:
        part = await answer.stream.read()
        assert set(part) == {ord("A")}
        received += len(part)
    await sending
    await answer.stream.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_slow_reader_loses_nothing_and_last_words_are_delivered(run: Callable[..., None]) -> None:
    run(slow_reader())


async def slow_reader() -> None:
    size = 3_000_000

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        stream = await accept_upgrade(request, [("Upgrade", "SPDY/3.1")])
        received = 0
        while received < size:
            received += len(await stream.read())
            await asyncio.sleep(0)
        for _ in range(100):
            await stream.write(b"b" * 30_000)
        await stream.close()
        return stream.response

    runner, backend = await serve(handle)

    async def pass_on(request: web.BaseRequest) -> web.StreamResponse:
        return await proxy_upgrade(request, backend, "/", forwarded_headers(request))

    front_runner, front = await serve(pass_on)
    answer = await request_upgrade(front, "POST", "/", UPGRADE)
    for _ in range(0, size, 30_000):
        await answer.stream.write(b"a" * 30_000)
    received = 0
    while part := await answer.stream.read():
        received += len(part)
        await asyncio.sleep(0)
    assert received == size
    await answer.stream.close()
    await front_runner.cleanup()
    await runner.cleanup()


async def test_the_proxy_hands_a_refusal_on(proxy: Address) -> None:
    answer = await request_upgrade(proxy, "POST", "/refuse", UPGRADE)
    assert (answer.status, answer.body) == (403, b'{"message": "no"}')


async def test_no_server_is_an_oserror() -> None:
    with pytest.raises(OSError, match="Connect call failed"):
        await request_upgrade(Address("127.0.0.1", 1), "GET", "/", UPGRADE)


def test_what_is_passed_on_has_no_credentials_and_nothing_that_connection_names() -> None:
    """Who names a header in Connection has the next hop drop it; a token among subprotocols is for the API server alone."""
    given = [
        ("Host", "api"), ("Connection", "Upgrade, X-Remote-User"), ("Upgrade", "websocket"), ("X-Remote-User", "me"),
        ("Authorization", "Bearer x"), ("Impersonate-Extra-Scopes", "all"), ("X-Empty", ""),
        ("Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.c2VjcmV0, v5.channel.k8s.io"),
    ]  # fmt: skip
    request = make_mocked_request("GET", "/", headers=CIMultiDict(given))
    assert forwarded_headers(request, without=("Authorization", "Impersonate-")) == [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("X-Empty", ""),
        ("Sec-WebSocket-Protocol", "v5.channel.k8s.io"),
    ]  # fmt: skip


def test_a_token_alone_leaves_no_subprotocol() -> None:
    headers = {"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.c2VjcmV0"}
    assert forwarded_headers(make_mocked_request("GET", "/", headers=headers)) == []
