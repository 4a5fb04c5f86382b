"""A controller with a real HAProxy on loopback, and backends that say who they are."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.api.resources import ENDPOINT_SLICES
from pinnace.cluster.preflight import free_port
from pinnace.component.clock import RealClock
from pinnace.ingress import routes
from pinnace.ingress.controller import IngressConfig, IngressController
from pinnace.ingress.haproxy_config import Listen
from pinnace.testing.fake_client import FakeClient

CLASS: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "spec": {"controller": routes.CONTROLLER},
    "metadata": {"name": "pinnace", "annotations": {routes.DEFAULT_CLASS: "true"}},
}  # fmt: skip


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


class Echo:
    """A backend that keeps connections open and answers with its name and the request's path and headers."""

    def __init__(self, name: str, host: str = "127.0.0.1") -> None:
        self.name, self._host = name, host
        self.requests: list[str] = []
        self.connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        return f"{self._host}:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(head)
                body = f"{self.name} {head.split()[1]}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    def stop(self) -> None:
        """As a pod that ends: no new connections, the open ones close."""
        self._server.close()
        for writer in self.connections:
            writer.close()


def ingress(
    name: str, *rules: tuple[str, str, str, str], annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
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
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"rules": made, **spec},
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations or {}},
    }  # fmt: skip


def service(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}


def slices(name: str, addresses: Iterable[str]) -> list[dict[str, Any]]:
    """One EndpointSlice for each address, since each has a port of its own."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": f"{name}-{address.replace(':', '-')}", "namespace": "shop",
                "labels": {routes.SERVICE_LABEL: name},
            },
            "ports": [{"port": int(address.rpartition(":")[2])}],
            "endpoints": [{"addresses": [address.rpartition(":")[0]], "conditions": {"ready": True}}],
        }
        for address in addresses
    ]  # fmt: skip


async def set_endpoints(client: FakeClient, name: str, addresses: Iterable[str]) -> None:
    wanted = {one["metadata"]["name"]: one for one in slices(name, addresses)}
    there = {one["metadata"]["name"] for one in (await client.list(ENDPOINT_SLICES, "shop"))["items"]}
    for key in wanted.keys() - there:
        await client.create(ENDPOINT_SLICES, wanted[key])
    for key in there - wanted.keys():
        if key.startswith(f"{name}-"):
            await client.delete(ENDPOINT_SLICES, key, "shop")


@dataclass
class Front:
    """HAProxy as its clients see it."""

    client: FakeClient
    controller: IngressController
    port: int
    directory: Path

    async def get(self, host: str, path: str = "/", **headers: str) -> Answer:
        """One request on a connection of its own; status 0 when there is no answer."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            return await request(reader, writer, host, path, {"Connection": "close", **headers})
        except (OSError, asyncio.IncompleteReadError):
            return Answer(0, {}, "")

    async def body(self, host: str, path: str = "/", **headers: str) -> str:
        return (await self.get(host, path, **headers)).body


async def request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str, headers: dict[str, str]
) -> Answer:
    method = headers.pop("method", "GET")
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
    await writer.drain()
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(found.get("content-length", 0)))
    if headers.get("Connection") == "close":
        writer.close()
    return Answer(int(first.split()[1]), found, body.decode())


@asynccontextmanager
async def front(
    directory: Path, objects: Iterable[dict[str, Any]], *, https_port: int = 0
) -> AsyncIterator[Front]:
    """`https_port` is served too when the directory has a `default.pem`."""
    client, port = FakeClient([CLASS, *objects]), free_port()
    config = IngressConfig(
        Listen(directory, port, https_port, "127.0.0.1", drops_root=os.geteuid() == 0), "192.0.2.1"
    )
    controller = IngressController(client, RealClock(), config)
    task = asyncio.create_task(controller.run())
    try:
        yield Front(client, controller, port, directory)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await controller.stop()
