"""Endpoints and rules change under load: which server takes the new address, and that no request is lost."""

import asyncio
import itertools
import os
import shutil
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.resources import INGRESSES
from pinnace.ingress import haproxy_runtime, slots
from pinnace.testing.wait import eventually

from .support import (
    Echo,
    Front,
    free_port,
    front,
    ingress,
    request,
    service,
    set_endpoints,
    slices,
)

needs_haproxy = pytest.mark.skipif(
    not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed"
)


@given(st.lists(st.lists(st.integers(1, 9).map(lambda n: f"10.0.0.{n}:80"), unique=True), max_size=8))
def test_an_endpoint_keeps_its_server(steps: list[list[str]]) -> None:
    known: dict[str, tuple[str, ...]] = {}
    for addresses in steps:
        before, known = known, slots.assign(known, {"b": addresses})
        assert sorted(filter(None, known["b"])) == sorted(addresses)
        for number, address in enumerate(before.get("b", ())):
            assert address not in addresses or not address or known["b"][number] == address


def test_new_servers_come_in_before_old_ones_go_out() -> None:
    commands = haproxy_runtime.commands({"b": ("10.0.0.1:80", "")}, {"b": ("", "[fd00::2]:80")})
    assert commands == [
        "set server b/s1 addr fd00::2 port 80",
        "set server b/s1 state ready",
        "set server b/s0 state maint",
    ]


async def until_answers(running: Front, host: str, body: str) -> None:
    async def answers() -> bool:
        return await running.body(host) == body

    await eventually(answers)


@needs_haproxy
async def test_new_endpoints_need_no_reload(tmp_path: Path) -> None:
    one, two = Echo("one"), Echo("two", "127.0.0.2")
    first, second = await one.start(), await two.start()
    objects = [service("s"), *slices("s", [first]), ingress("i", ("a.test", "/", "Prefix", "s"))]
    async with front(tmp_path, objects) as running:
        await until_answers(running, "a.test", "one /")
        reloads = running.controller.haproxy_reloads
        await set_endpoints(running.client, "s", [second])
        await until_answers(running, "a.test", "two /")
        await set_endpoints(running.client, "s", [])
        await until_answers(running, "a.test", "503 no endpoint of this service could be reached\n")
        await set_endpoints(running.client, "s", [first])
        await until_answers(running, "a.test", "one /")
        assert running.controller.haproxy_reloads == reloads
    one.stop()
    two.stop()


@needs_haproxy
async def test_a_cookie_leads_back_to_the_same_endpoint(tmp_path: Path) -> None:
    echoes = [Echo(f"e{number}", f"127.0.0.{number + 1}") for number in range(3)]
    addresses = [await echo.start() for echo in echoes]
    wanted = {"ingress.pinnace.dev/affinity": "cookie", "ingress.pinnace.dev/session-cookie-name": "shop"}
    objects = [
        service("s"),
        *slices("s", addresses),
        ingress("i", ("a.test", "/", "Prefix", "s"), annotations=wanted),
    ]
    async with front(tmp_path, objects) as running:

        async def all_there() -> bool:
            return {await running.body("a.test") for _ in range(6)} == {"e0 /", "e1 /", "e2 /"}

        await eventually(all_there)
        answer = await running.get("a.test")
        cookie = answer.headers["set-cookie"].split(";")[0]
        assert cookie.startswith("shop=")
        assert {await running.body("a.test", Cookie=cookie) for _ in range(6)} == {answer.body}
        gone = next(echo for echo in echoes if answer.body.startswith(echo.name))
        left = [address for echo, address in zip(echoes, addresses, strict=True) if echo is not gone]
        await set_endpoints(running.client, "s", left)

        async def moved() -> bool:
            return await running.body("a.test", Cookie=cookie) not in (answer.body, "")

        await eventually(moved)
    for echo in echoes:
        echo.stop()


@pytest.mark.slow
@needs_haproxy
async def test_no_request_is_lost_while_endpoints_and_rules_change(tmp_path: Path) -> None:
    """Keep-alive and one-shot clients go on while pods are replaced (the old one closes its connections) and rules come."""
    pods = [Echo(f"p{number}", f"127.0.0.{number + 1}") for number in range(2)]
    addresses = [await pod.start() for pod in pods]
    objects = [service("s"), *slices("s", addresses), ingress("i", ("a.test", "/", "Prefix", "s"))]
    async with front(tmp_path, objects) as running:

        async def serving() -> bool:
            return (await running.get("a.test")).status == 200

        await eventually(serving)
        over, failures, answered = asyncio.Event(), list[str](), itertools.count()
        clients = [asyncio.create_task(keep_asking(running, over, failures, answered)) for _ in range(8)]
        clients += [asyncio.create_task(ask_anew(running, over, failures, answered)) for _ in range(4)]
        for number in range(6):
            pod = Echo(f"n{number}", f"127.0.0.{number + 10}")
            pods.append(pod)
            addresses.append(await pod.start())
            await set_endpoints(running.client, "s", addresses)
            host = f"h{number}.test"
            await running.client.create(INGRESSES, ingress(f"i{number}", (host, "/", "Prefix", "s")))

            async def there(host: str = host) -> bool:
                return (await running.get(host)).status == 200

            await eventually(there)
            gone = addresses.pop(0)
            await set_endpoints(running.client, "s", addresses)

            async def out(gone: str = gone) -> bool:
                return gone not in (running.directory / "haproxy.cfg").read_text()

            await eventually(out)
            pods[number].stop()
        over.set()
        await asyncio.gather(*clients)
        assert not failures
        assert next(answered) > 200
        assert running.controller.haproxy_reloads >= 6
    for pod in pods[6:]:
        pod.stop()


@needs_haproxy
async def test_a_websocket_outlives_a_reload(tmp_path: Path) -> None:
    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"heard {message.data}")
        return socket

    app = web.Application()
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    objects = [
        service("s"),
        *slices("s", [f"127.0.0.1:{port}"]),
        ingress("i", ("a.test", "/", "Prefix", "s")),
    ]
    async with front(tmp_path, objects) as running, ClientSession() as session:

        async def serving() -> bool:
            return (await running.get("a.test", "/none")).body == "404: Not Found"

        await eventually(serving)
        url = f"http://127.0.0.1:{running.port}/chat"
        async with session.ws_connect(url, headers={"Host": "a.test"}) as socket:
            await socket.send_str("one")
            assert await socket.receive_str() == "heard one"
            reloads = running.controller.haproxy_reloads
            await running.client.create(INGRESSES, ingress("more", ("b.test", "/", "Prefix", "s")))

            async def reloaded() -> bool:
                return (
                    running.controller.haproxy_reloads > reloads
                    and (await running.get("b.test")).status == 404
                )

            await eventually(reloaded)
            await socket.send_str("two")
            assert await socket.receive_str() == "heard two"
    await runner.cleanup()


async def keep_asking(
    running: Front, over: asyncio.Event, failures: list[str], answered: "itertools.count[int]"
) -> None:
    """A client that keeps its connection, and opens another when the server says that it closes."""
    connection = None
    while not over.is_set():
        try:
            connection = connection or await asyncio.open_connection("127.0.0.1", running.port)
            answer = await request(*connection, "a.test", "/", {})
        except (OSError, asyncio.IncompleteReadError) as error:
            if (
                connection is not None
                and isinstance(error, asyncio.IncompleteReadError)
                and not error.partial
            ):
                connection = None  # closed between two requests, which HTTP allows: a client asks again
                continue
            failures.append(repr(error))
            return
        next(answered)
        if answer.status != 200:
            failures.append(f"{answer.status} {answer.body}")
        if answer.headers.get("connection") == "close":
            connection[1].close()
            connection = None
    if connection is not None:
        connection[1].close()


async def ask_anew(
    running: Front, over: asyncio.Event, failures: list[str], answered: "itertools.count[int]"
) -> None:
    while not over.is_set():
        answer = await running.get("a.test")
        next(answered)
        if answer.status != 200:
            failures.append(f"{answer.status} {answer.body}")


@needs_haproxy
@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root has nothing to drop")
async def test_who_serves_requests_is_not_root(tmp_path: Path) -> None:
    """Its master is: it binds ports and reads keys, also at the next reload."""
    echo = Echo("one")
    objects = [
        service("one"),
        *slices("one", [await echo.start()]),
        ingress("a", ("a.test", "/", "Prefix", "one")),
    ]
    async with front(tmp_path, objects) as running:
        await until_answers(running, "a.test", "one /")
        for host in ("b.test", "c.test"):  # each is a reload
            await running.client.create(INGRESSES, ingress(host, (host, "/", "Prefix", "one")))
            await until_answers(running, host, "one /")
        master = running.controller.haproxy_pid
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        assert workers
        assert {_owner(pid) for pid in workers} == {65534}
        assert _owner(str(master)) == 0
    echo.stop()


def _owner(pid: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("Uid:")[2].split()[1])
