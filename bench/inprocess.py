"""What one API server does per second for callers in its process: creates, binds, status updates, patches, deletes; GETs over HTTPS.

    ./dev bench inprocess [--store sqlite] [--pods 1000]

In-process figures are those that controllers, scheduler and kubelet see; the HTTPS figure includes the client in this process.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from pinnace.api import resources as r
from pinnace.apiserver.local_client import LocalClient
from pinnace.store.backend import Backend
from pinnace.store.memory import MemoryBackend
from pinnace.store.sqlite import SqliteBackend
from pinnace.testing.api_server import ApiServerInProcess

ACCOUNT = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
CONTAINER = {
    "name": "web",
    "image": "nginx",
    "ports": [{"containerPort": 80}],
    "env": [{"name": "A", "value": "b"}],
    "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}},
}


def pod(number: int) -> dict[str, Any]:
    metadata = {"name": f"p{number}", "labels": {"app": "web"}}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": [CONTAINER]}}


async def rate(title: str, count: int, clients: int, work: Callable[[int], Awaitable[Any]]) -> None:
    """`clients` workers share the numbers below `count`; prints calls per second of wall time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(clients)))
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(f"{title:32} {clients:3} clients {count / wall:9.0f} /s   {cpu / count * 1e6:7.0f} us of CPU each")


async def measure(client: LocalClient, count: int, clients: int) -> None:
    async def bind(number: int) -> None:
        target = {"kind": "Node", "name": "n1"}
        body = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": f"p{number}"}, "target": target}
        await client.create(r.PODS, body, "default", name=f"p{number}", subresource="binding")

    async def run(number: int) -> None:
        found = await client.get(r.PODS, f"p{number}", "default")
        status = {**found["status"], "phase": "Running"}
        await client.update(r.PODS, {**found, "status": status}, subresource="status")

    annotated = {"metadata": {"annotations": {"a": "b"}}}
    await rate("create pod", count, clients, lambda n: client.create(r.PODS, pod(n), "default"))
    await rate("bind pod", count, clients, bind)
    await rate("update status", count, clients, run)
    await rate("merge patch", count, clients, lambda n: client.patch(r.PODS, f"p{n}", annotated, "default"))


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--store", choices=("memory", "sqlite"), default="memory")
    arguments.add_argument("--pods", type=int, default=1000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        backend: Backend = (
            MemoryBackend() if given.store == "memory" else SqliteBackend(Path(directory) / "db")
        )
        async with ApiServerInProcess(Path(directory) / "pki", backend=backend) as api:
            client = api.local_client()
            await client.create(r.SERVICE_ACCOUNTS, ACCOUNT, "default")
            await measure(client, given.pods, 16)
            remote = api.rest_client()
            await rate("GET pod over HTTPS", given.pods, 16, lambda n: remote.get(r.PODS, f"p{n}", "default"))
            await rate("LIST all over HTTPS", 20, 1, lambda _: remote.list(r.PODS, "default"))
            await rate(
                "delete pod",
                given.pods,
                16,
                lambda n: client.delete(r.PODS, f"p{n}", "default", grace_period_seconds=0),
            )


if __name__ == "__main__":
    uvloop.run(main())
