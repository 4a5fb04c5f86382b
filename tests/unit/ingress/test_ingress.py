import asyncio
import base64
import contextlib
import http.client
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.resources import EVENTS, INGRESSES
from pinnace.cluster import preflight
from pinnace.cluster.preflight import free_port
from pinnace.component.clock import RealClock
from pinnace.ingress import certificates, routes
from pinnace.ingress.controller import IngressConfig, IngressController
from pinnace.ingress.haproxy_config import Listen
from pinnace.ingress.model import SecretProblem, Sources
from pinnace.ingress.words import quoted
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.wait import eventually

CLASS = {
    "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "spec": {"controller": routes.CONTROLLER},
    "metadata": {"name": "pinnace", "annotations": {routes.DEFAULT_CLASS: "true"}},
}  # fmt: skip


def ingress(name: str, *rules: tuple[str, str, str, str], **spec: object) -> dict:
    """A rule is (host, path, pathType, service)."""
    made = [
        {
            "host": host,
            "http": {
                "paths": [
                    {
                        "path": path,
                        "pathType": kind,
                        "backend": {"service": {"name": svc, "port": {"number": 80}}},
                    }
                ]
            },
        }
        for host, path, kind, svc in rules
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"rules": made, **spec},
    }


def sources(**addresses: str) -> Sources:
    def service(namespace: str, name: str) -> dict | None:
        return {"spec": {"ports": [{"name": "http", "port": 80}]}} if name in addresses else None

    def slices(namespace: str, name: str) -> list[dict]:
        ip, _, port = addresses[name].partition(":")
        return (
            [
                {
                    "addressType": "IPv4",
                    "ports": [{"name": "http", "port": int(port)}],
                    "endpoints": [{"addresses": [ip]}],
                }
            ]
            if ip
            else []
        )

    def no_secret(namespace: str, name: str) -> Any:
        raise SecretProblem("not found")

    return Sources(service, slices, no_secret, no_secret)


def test_hosts_are_tried_from_exact_to_any_and_paths_from_long_to_short() -> None:
    table = routes.build(
        [
            ingress("a", ("*.example.com", "/", "Prefix", "s"), ("", "/", "Prefix", "s")),
            ingress("b", ("www.example.com", "/", "Prefix", "s"), ("www.example.com", "/api/", "Prefix", "s"), ("www.example.com", "/api", "Exact", "s")),
        ],
        [CLASS],
        sources(s="10.42.0.5:80"),
    )  # fmt: skip
    assert [host.name for host in table.hosts] == ["www.example.com", "*.example.com", ""]
    assert [(p.path, p.kind) for p in table.hosts[0].paths] == [
        ("/api", "exact"),
        ("/api", "prefix"),
        ("/", "prefix"),
    ]


def test_class_decides_whose_an_ingress_is() -> None:
    other = ingress("x", ("a", "/", "Prefix", "s"), ingressClassName="nginx")
    none_given = ingress("y", ("a", "/", "Prefix", "s"))
    assert routes.build([other, none_given], [CLASS], sources(s=":0")).served == (("shop", "y"),)
    assert routes.build([none_given], [], sources(s=":0")).served == ()


def test_missing_service_and_secret_are_problems_with_words() -> None:
    table = routes.build(
        [ingress("x", ("a", "/", "Prefix", "gone"), tls=[{"secretName": "t"}])], [CLASS], sources()
    )
    assert [text for _, text in table.problems] == [
        'service "shop/gone" not found',
        'TLS secret "shop/t" not found',
    ]


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text))
def test_a_quoted_word_stays_one_word(text: str) -> None:
    assert not set(quoted(text)) & set(" \t\n\"'#{}$%\r")


class Echo:
    """A backend that answers with its own name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def start(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = self.name.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()
        writer.close()


def service_objects(name: str, address: str) -> list[dict]:
    ip, _, port = address.partition(":")
    metadata = {"name": name, "namespace": "shop"}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}},
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {**metadata, "labels": {routes.SERVICE_LABEL: name}},
            "ports": [{"port": int(port)}], "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
        },
    ]  # fmt: skip


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[FakeClient, int]]:
    one, two = Echo("one"), Echo("two")
    client = FakeClient(
        [CLASS, *service_objects("one", await one.start()), *service_objects("two", await two.start())]
    )
    port = free_port()
    controller = IngressController(
        client, RealClock(), IngressConfig(Listen(tmp_path, port, 0, "127.0.0.1"), "192.0.2.1")
    )
    task = asyncio.create_task(controller.run())
    yield client, port
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await controller.stop()
    for echo in (one, two):
        echo.server.close()


def fetch(port: int, host: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed")
async def test_requests_reach_the_service_that_the_rules_name(running: tuple[FakeClient, int]) -> None:
    client, port = running
    await client.create(
        INGRESSES,
        ingress("web", ("a.test", "/", "Prefix", "one"), ("a.test", "/api", "Prefix", "two"), ("a.test", "/only", "Exact", "two"), ("*.b.test", "/", "Prefix", "two"), ("a.test", "/gone", "Prefix", "missing")),
    )  # fmt: skip

    async def got(host: str, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(fetch, port, host, path)

    async def serving() -> bool:
        return await got("a.test", "/") == (200, "one")

    await eventually(serving)
    assert await got("A.test:80", "/x") == (200, "one")
    assert await got("a.test", "/api") == (200, "two")
    assert await got("a.test", "/api/v1") == (200, "two")
    assert await got("a.test", "/apix") == (200, "one")
    assert await got("a.test", "/only") == (200, "two")
    assert await got("a.test", "/only/more") == (200, "one")
    assert await got("x.b.test", "/") == (200, "two")
    assert (await got("x.y.b.test", "/"))[0] == 404
    assert (await got("unknown.test", "/"))[0] == 404
    assert (await got("a.test", "/gone"))[0] == 503

    async def told() -> bool:
        served = await client.get(INGRESSES, "web", "shop")
        return served.get("status") == {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}

    await eventually(told)  # the status is written after the rules are served


def test_certificates_are_shown_for_the_hosts_that_name_them() -> None:
    def tls(*entries: tuple[str, list[str]]) -> list[dict]:
        return [{"secretName": secret, "hosts": hosts} for secret, hosts in entries]

    given = sources(s=":0")
    given = Sources(given.service, given.slices, lambda namespace, name: name.encode(), given.users)
    first = ingress("x", ("a", "/", "Prefix", "s"), tls=tls(("one", ["a.test"]), ("two", [])))
    second = ingress("y", ("b", "/", "Prefix", "s"), tls=tls(("one", ["b.test"]), ("two", ["c.test"])))
    found = routes.build([first, second], [CLASS], given).certificates
    assert [(one.file, one.hosts) for one in found] == [
        ("shop_one.pem", ("a.test", "b.test")), ("shop_two.pem", ()),
    ]  # fmt: skip
    text = certificates.listed("/c", {one.file: one.hosts for one in found})
    assert text == b"/c/shop_one.pem a.test b.test\n/c/shop_two.pem\n"


def secret(name: str, chain: bytes, key: bytes) -> dict:
    data = {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "shop"},
        "data": data,
    }


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed")
async def test_tls_by_host_and_a_broken_secret_harms_nobody(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "pki")
    default, own = authority.server("default"), authority.server("a.test")
    (tmp_path / "default.pem").write_bytes(default.certificate.read_bytes() + default.key.read_bytes())
    echo, port = Echo("one"), free_port()
    objects = [
        CLASS,
        *service_objects("one", await echo.start()),
        secret("good", own.certificate.read_bytes(), own.key.read_bytes()),
        secret("mixed", own.certificate.read_bytes(), default.key.read_bytes()),
        ingress("broken", ("b.test", "/", "Prefix", "one"), tls=[{"secretName": "mixed"}]),
        ingress("web", ("a.test", "/", "Prefix", "one"), tls=[{"secretName": "good", "hosts": ["a.test"]}]),
    ]
    client = FakeClient(objects)
    config = IngressConfig(Listen(tmp_path, 0, port, "127.0.0.1"), "192.0.2.1")
    controller = IngressController(client, RealClock(), config)
    task = asyncio.create_task(controller.run())

    async def shown(host: str) -> str:
        return await asyncio.to_thread(certificate_of, port, host)

    async def serving() -> bool:
        return await shown("a.test") == own.certificate.read_text()

    async def told() -> bool:
        events = (await client.list(EVENTS, "shop"))["items"]
        return any('TLS secret "shop/mixed" cannot be used' in event["message"] for event in events)

    try:
        await eventually(serving)
        assert await shown("b.test") == default.certificate.read_text()
        await eventually(told)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await controller.stop()
        echo.server.close()


def certificate_of(port: int, host: str) -> str:
    """What the server shows to a client that asks for `host`; "" while it does not answer."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=host) as stream,
        ):
            return ssl.DER_cert_to_PEM_cert(stream.getpeercert(binary_form=True) or b"")
    except OSError:
        return ""


@pytest.mark.skipif(not preflight.has_ipv6(), reason="this machine has no IPv6")
async def test_both_families_are_served_where_there_are_two(tmp_path: Path) -> None:
    port = free_port()
    listen = Listen(tmp_path, port, 0, "127.0.0.1", address6="::1")
    controller = IngressController(FakeClient([CLASS]), RealClock(), IngressConfig(listen, "192.0.2.1"))
    task = asyncio.create_task(controller.run())

    async def serving(address: str) -> bool:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            first = await reader.readline()
            writer.close()
            return first.split()[1:2] == [b"404"]
        return False

    try:
        for address in ("127.0.0.1", "::1"):
            await eventually(partial(serving, address))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await controller.stop()
