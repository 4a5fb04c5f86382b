"""The server over plain HTTP, the core and the API written down, our own SPDY server in containerd's place."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pinnace.kubelet.cri.runtime import ContainerState
from pinnace.kubelet.server.server import KubeletServer
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.net.spdy import Session
from pinnace.net.streams import ByteStream
from pinnace.net.upgrade import Address, accept_upgrade, request_upgrade
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.kubelet.edge_host import EdgeHost

SUCCESS = {"metadata": {}, "status": "Success"}


class Kubelet:
    def __init__(self, tmp: Path) -> None:
        self.host = EdgeHost(tmp)
        self.clock = FakeClock()
        self.server = KubeletServer(
            self.host,  # type: ignore[arg-type]
            FakeClient(),
            self.clock,
            StatsProvider(self.host, self.clock),  # type: ignore[arg-type]
            tls=None,
            bind_address="127.0.0.1",
        )

    def write_log(self, text: str, pod: str = "web") -> Path:
        path = self.host.log_path(self.host.pods.by_name("default", pod) or {}, "c", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"2026-01-01T00:00:00.000000000Z stdout F {line}\n" for line in text.splitlines()]
        path.write_text("".join(lines))
        return path


@pytest.fixture
async def kubelet(tmp_path: Path) -> AsyncIterator[Kubelet]:
    kubelet = Kubelet(tmp_path)
    await kubelet.server.start()
    yield kubelet
    await kubelet.server.stop()


@pytest.fixture
async def http(kubelet: Kubelet) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{kubelet.server.port}") as session:
        yield session


async def get(http: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with http.get(path) as answer:
        return answer.status, await answer.text()


async def test_health_pods_and_unknown_paths(kubelet: Kubelet, http: aiohttp.ClientSession) -> None:
    kubelet.host.add("web")
    assert await get(http, "/healthz") == (200, "ok")
    assert await get(http, "/nothing") == (404, "404 page not found")
    pods = json.loads((await get(http, "/pods"))[1])["items"]
    assert [(pod["metadata"]["name"], pod["status"]["phase"]) for pod in pods] == [("web", "Running")]
    running = json.loads((await get(http, "/runningpods/"))[1])["items"]
    assert [pod["spec"]["containers"][0]["name"] for pod in running] == ["c"]
    config = json.loads((await get(http, "/configz"))[1])["kubeletconfig"]
    assert config["maxPods"] == 110


async def test_logs_are_sent_without_their_frame(kubelet: Kubelet, http: aiohttp.ClientSession) -> None:
    kubelet.host.add("web")
    kubelet.write_log("one\ntwo\nthree")
    assert await get(http, "/containerLogs/default/web/c") == (200, "one\ntwo\nthree\n")
    assert await get(http, "/containerLogs/default/web/c?tailLines=1") == (200, "three\n")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("default/none/c", 404, 'pod "none" does not exist'),
        ("default/web/x", 404, 'container "x" not found in pod "web"'),
        ("default/web/c?previous=true", 400, 'previous terminated container "c" in pod "web" not found'),
        ("default/web/c", 400, "unable to retrieve container logs for containerd://web-c"),
        ("default/web/c?tailLines=-2", 422, "tailLines: must be greater than or equal to 0"),
    ],
)
async def test_refused_logs_say_why(
    kubelet: Kubelet, http: aiohttp.ClientSession, path: str, status: int, text: str
) -> None:
    kubelet.host.add("web")
    assert await get(http, f"/containerLogs/{path}") == (status, text)


@pytest.mark.parametrize(
    ("waiting", "text"),
    [
        ({"reason": "ContainerCreating"}, "is waiting to start: ContainerCreating"),
        ({"reason": "ImagePullBackOff"}, "is waiting to start: trying and failing to pull image"),
        ({"reason": "ErrImagePull"}, "is waiting to start: image can't be pulled"),
    ],
)
async def test_a_container_that_waits_has_no_logs_yet(
    kubelet: Kubelet, http: aiohttp.ClientSession, waiting: dict[str, str], text: str
) -> None:
    kubelet.host.add("web")
    kubelet.host.statuses["uid-web"]["containerStatuses"] = [{"name": "c", "state": {"waiting": waiting}}]
    assert await get(http, "/containerLogs/default/web/c") == (400, f'container "c" in pod "web" {text}')


class StreamingServer:
    """containerd's streaming server: accepts SPDY and answers with what it got."""

    def __init__(self) -> None:
        self.seen_versions: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen_versions = request.headers.getall("X-Stream-Protocol-Version", [])
        if not self.seen_versions:
            return web.Response(status=400, text="no versions")
        chosen = self.seen_versions[0]
        accepted = await accept_upgrade(
            request, [("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", chosen)]
        )
        session = Session(accepted, server=True)
        running = asyncio.create_task(session.run())
        if request.path.startswith("/portforward"):
            await self._forward(session)
        else:
            await self._command(session)
        await session.close()
        await running
        return accepted.response

    async def _command(self, session: Session) -> None:
        streams = {}
        for _ in range(3):
            stream = await session.accept()
            assert stream is not None
            streams[stream.headers["streamtype"]] = stream
        await streams["stdout"].write((await streams["stdin"].read_all()).upper())
        await streams["error"].write(json.dumps(SUCCESS).encode())
        for stream in streams.values():
            await stream.write_eof()

    async def _forward(self, session: Session) -> None:
        while stream := await session.accept():
            if stream.headers["streamtype"] == "data":
                port = stream.headers["port"].encode()
                await stream.write(port + b":" + await stream.read_all())
                await stream.write_eof()


@pytest.fixture
async def containerd(kubelet: Kubelet) -> AsyncIterator[StreamingServer]:
    server = StreamingServer()
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kubelet.host.streaming_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    kubelet.host.add("web")
    yield server
    await runner.cleanup()


EXEC = "/exec/default/web/c?command=tr&command=a-z&input=1&output=1"


async def ask_over_spdy(stream: ByteStream) -> tuple[bytes, bytes]:
    session = Session(stream, server=False)
    running = asyncio.create_task(session.run())
    error = await session.open_stream({"streamtype": "error"})
    stdin = await session.open_stream({"streamtype": "stdin"})
    stdout = await session.open_stream({"streamtype": "stdout"})
    await stdin.write(b"hello")
    await stdin.write_eof()
    answer = await stdout.read_all(), await error.read_all()
    await session.close()
    await running
    return answer


async def test_exec_over_spdy_is_spliced_to_the_runtime(
    kubelet: Kubelet, containerd: StreamingServer
) -> None:
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")]
    headers += [("X-Stream-Protocol-Version", version) for version in ("v4.channel.k8s.io", "channel.k8s.io")]
    answer = await request_upgrade(Address("127.0.0.1", kubelet.server.port), "POST", EXEC, headers)
    assert answer.switched
    assert answer.header("X-Stream-Protocol-Version") == "v4.channel.k8s.io"
    output, status = await ask_over_spdy(answer.stream)
    assert output == b"HELLO"
    assert json.loads(status) == SUCCESS
    wanted = {"stdin": True, "stdout": True, "stderr": False, "tty": False}
    assert kubelet.host.asked == [("exec", "web-c", ["tr", "a-z"], wanted)]


async def test_exec_over_websocket_v5_is_translated(
    http: aiohttp.ClientSession, containerd: StreamingServer
) -> None:
    async with http.ws_connect(EXEC, protocols=("v5.channel.k8s.io", "v4.channel.k8s.io")) as socket:
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_bytes(b"\x00hello")
        await socket.send_bytes(b"\xff\x00")
        received = [message.data async for message in socket]
    assert b"\x01HELLO" in received
    assert json.loads(received[-1][1:]) == SUCCESS
    assert containerd.seen_versions[0] == "v4.channel.k8s.io"


async def test_exec_needs_a_stream_a_container_and_an_upgrade(
    kubelet: Kubelet, http: aiohttp.ClientSession, containerd: StreamingServer
) -> None:
    none = await get(http, "/exec/default/web/c?command=ls")
    assert none == (400, "you must specify at least 1 of stdin, stdout, stderr")
    assert await get(http, "/exec/default/none/c?output=1") == (404, "pod does not exist")
    assert (await get(http, "/exec/default/web/c?output=1"))[0] == 400
    kubelet.host.found["uid-web"] = []
    assert await get(http, "/exec/default/web/c?output=1") == (500, 'container not found ("c")')


async def test_a_port_forward_tunnelled_in_a_websocket_reaches_the_runtime(
    http: aiohttp.ClientSession, containerd: StreamingServer
) -> None:
    tunnel = "SPDY/3.1+portforward.k8s.io"
    async with http.ws_connect("/portForward/default/web", protocols=(tunnel,)) as socket:
        assert socket.protocol == tunnel
        session = Session(ClientTunnel(socket), server=False)
        running = asyncio.create_task(session.run())
        headers = {"port": "80", "requestid": "0"}
        await session.open_stream({"streamtype": "error", **headers})
        data = await session.open_stream({"streamtype": "data", **headers})
        await data.write(b"ping")
        await data.write_eof()
        assert await data.read_all() == b"80:ping"
        await session.close()
        await running
    assert containerd.seen_versions == ["portforward.k8s.io"]


class ClientTunnel:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        message = await self._socket.receive()
        return message.data if message.type == aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def write_eof(self) -> None:
        pass

    async def close(self) -> None:
        await self._socket.close()


async def test_run_answers_with_the_output(kubelet: Kubelet, http: aiohttp.ClientSession) -> None:
    kubelet.host.add("web")
    async with http.post("/run/default/web/c?cmd=echo+hi") as answer:
        assert (answer.status, await answer.text()) == (200, "out")
    assert kubelet.host.asked == [("web-c", ["echo", "hi"])]


async def test_following_ends_with_the_container(kubelet: Kubelet, http: aiohttp.ClientSession) -> None:
    kubelet.host.add("web")
    path = kubelet.write_log("one")
    async with http.get("/containerLogs/default/web/c?follow=true") as answer:
        assert await answer.content.readline() == b"one\n"
        with path.open("a") as file:
            file.write("2026-01-01T00:00:00.000000000Z stdout F two\n")
        await kubelet.clock.advance(1)
        assert await answer.content.readline() == b"two\n"
        ended = replace(kubelet.host.found["uid-web"][0], state=ContainerState.EXITED)
        kubelet.host.found["uid-web"] = [ended]
        await kubelet.clock.advance(1)
        assert await answer.content.read() == b""
