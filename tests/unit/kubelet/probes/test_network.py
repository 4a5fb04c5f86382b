"""httpGet, tcpSocket and grpc against real sockets on loopback."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from aiohttp import web

from pinnace.cluster.preflight import free_port
from pinnace.component.clock import RealClock
from pinnace.kubelet.probes import grpc_health, tcp
from pinnace.kubelet.probes.http import HttpHooks, HttpProber, target_of
from pinnace.kubelet.probes.spec import Outcome, Result

CONTAINER = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/broken":
                return web.Response(status=500, text="oh")
            case "/away":
                return web.Response(status=302, headers={"Location": "http://192.0.2.1/"})
            case "/here":
                return web.Response(status=302, headers={"Location": "/ok"})
            case "/slow":
                await asyncio.sleep(5)
        return web.Response(text=f"{request.headers['User-Agent']} {request.headers['Host']}")

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
async def prober() -> AsyncIterator[HttpProber]:
    prober = HttpProber(RealClock())
    yield prober
    await prober.close()


async def get(
    prober: HttpProber, port: int, path: str = "/ok", timeout: float = 2, **action: object
) -> Outcome:
    target = target_of({"port": port, "path": path, **action}, CONTAINER, "127.0.0.1")
    return await prober.probe(target, timeout)


async def test_statuses_from_200_to_399_are_a_success(prober: HttpProber, port: int) -> None:
    outcome = await get(prober, port)
    assert outcome == Outcome(Result.SUCCESS, f"kube-probe/1.36 127.0.0.1:{port}")
    assert (await get(prober, port, "/here")).result is Result.SUCCESS


async def test_another_status_fails_in_upstreams_words(prober: HttpProber, port: int) -> None:
    assert await get(prober, port, "/broken") == Outcome(
        Result.FAILURE, "HTTP probe failed with statuscode: 500"
    )


async def test_a_redirect_to_another_host_is_a_warning(prober: HttpProber, port: int) -> None:
    assert (await get(prober, port, "/away")).result is Result.WARNING


async def test_headers_and_host_are_the_users(prober: HttpProber, port: int) -> None:
    headers = [{"name": "Host", "value": "example.test"}, {"name": "user-agent", "value": "me"}]
    assert (await get(prober, port, httpHeaders=headers)).output == "me example.test"


async def test_a_refused_connection_reads_as_in_go(prober: HttpProber) -> None:
    port = free_port()
    assert (await get(prober, port, "")).output == (
        f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )


async def test_a_slow_answer_is_a_timeout(prober: HttpProber, port: int) -> None:
    outcome = await get(prober, port, "/slow", timeout=0.05)
    why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert outcome == Outcome(Result.FAILURE, f'Get "http://127.0.0.1:{port}/slow": {why}')


def test_a_named_port_and_an_ipv6_host_make_the_url() -> None:
    target = target_of({"port": "web", "path": "a?b=c", "scheme": "HTTPS"}, CONTAINER, "fd00::1")
    assert target.text == "https://[fd00::1]:8080/a?b=c"


async def test_a_hook_takes_any_answer_but_not_none(prober: HttpProber, port: int) -> None:
    hooks = HttpHooks(prober, RealClock())
    await hooks.http_get({}, CONTAINER, {"port": port, "path": "/broken"}, pod_ip="127.0.0.1")
    with pytest.raises(OSError, match="connection refused"):
        await hooks.http_get({}, CONTAINER, {"port": free_port()}, pod_ip="127.0.0.1")


async def test_tcp_wants_only_a_connection(port: int) -> None:
    assert (await tcp.probe("127.0.0.1", port, 1, RealClock())).result is Result.SUCCESS
    closed = free_port()
    expected = f"dial tcp 127.0.0.1:{closed}: connect: connection refused"
    assert await tcp.probe("127.0.0.1", closed, 1, RealClock()) == Outcome(Result.FAILURE, expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\x08\x01", Outcome(Result.SUCCESS)),
        (b"\x08\x02", Outcome(Result.FAILURE, 'service unhealthy (responded with "NOT_SERVING")')),
    ],
)
async def test_grpc_asks_the_health_service(answer: bytes, expected: Outcome) -> None:
    asked = []

    async def check(request: bytes, context: object) -> bytes:
        asked.append(request)
        return answer

    server = grpc.aio.server()
    methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert await grpc_health.probe("127.0.0.1", port, "db", 2) == expected
    assert asked == [b"\x0a\x02db"]
    await server.stop(None)
