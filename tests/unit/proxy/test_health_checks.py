"""Health-check node ports, asked over real sockets."""

import asyncio
import json

import pytest

from pinnace.cluster.preflight import free_port
from pinnace.component.clock import RealClock
from pinnace.proxy import model
from pinnace.proxy.health_checks import HealthCheck, HealthCheckServers
from unit.proxy.test_rules import endpoint, piece, service


async def ask(port: int) -> tuple[int, dict]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


async def test_a_port_follows_its_service() -> None:
    servers, port = HealthCheckServers(RealClock(), "127.0.0.1"), free_port()
    try:
        await servers.replace(("shop", "web"), HealthCheck("shop", "web", port, 2))
        status, body = await ask(port)
        assert (status, body["localEndpoints"]) == (200, 2)
        assert body["service"] == {"namespace": "shop", "name": "web"}
        await servers.replace(("shop", "web"), HealthCheck("shop", "web", port, 0))
        assert (await ask(port))[0] == 503
        await servers.replace(("shop", "web"), None)
        with pytest.raises(ConnectionError):
            await ask(port)
    finally:
        servers.close()


async def test_a_taken_port_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    first, second = HealthCheckServers(RealClock(), "127.0.0.1"), HealthCheckServers(RealClock(), "127.0.0.1")
    check = HealthCheck("shop", "web", free_port(), 1)
    try:
        await first.replace(("shop", "web"), check)
        await second.replace(("shop", "web"), check)
        assert "health checks of service shop/web are not served" in caplog.text
        await first.replace(("shop", "web"), None)
        await second.replace(("shop", "web"), check)
        assert (await ask(check.port))[0] == 200
    finally:
        first.close()
        second.close()


def test_ready_endpoints_on_this_node_are_counted() -> None:
    local = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    slices = [
        piece(
            endpoint("10.42.0.5"), endpoint("10.42.0.6", ready=False), endpoint("10.42.1.7", node="n2"),
        )
    ]  # fmt: skip
    assert model.health_check(local, slices, "n1") == HealthCheck("shop", "web", 32000, 1)
    assert model.health_check(service(), slices, "n1") is None
