"""What recording spans costs: CPU of the same work with and without it, in turn in one process, so that a busy machine disturbs both alike.

    ./dev bench tracing [--pods 400] [--rounds 7]

local       pods created, bound, and their status written by callers in the process
turns       the same on one server that records in every other turn of 20 pods: the least disturbed by a busy machine
https       pods created over HTTPS (the client's share is in it, so the server's own share is a little larger)
mix         a Deployment on simulated nodes until it is available: API server, controllers, scheduler, nodes
"""

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from pinnace.api import resources as r
from pinnace.component.clock import RealClock
from pinnace.component.tracing import MOST_BYTES
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.kubelet.simulated import SimulatedNodes
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.api_server import ApiServerInProcess

CONTAINER = {"name": "web", "image": "nginx", "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}}}
ACCOUNT = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}


def pod(number: int) -> dict[str, Any]:
    metadata = {"name": f"p{number}", "labels": {"app": "web"}}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": [CONTAINER]}}


async def _each(count: int, work: Callable[[int], Awaitable[Any]]) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(worker() for _ in range(16)))


async def _whole(client: Any, number: int) -> None:
    name = f"p{number}"
    await client.create(r.PODS, pod(number), "default")
    target = {"kind": "Node", "name": "n1"}
    body = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": name}, "target": target}
    await client.create(r.PODS, body, "default", name=name, subresource="binding")
    await client.patch(r.PODS, name, {"status": {"phase": "Running"}}, "default", subresource="status")


async def local(api: ApiServerInProcess, count: int) -> None:
    client = api.local_client()
    await _each(count, lambda number: _whole(client, number))


async def https(api: ApiServerInProcess, count: int) -> None:
    client = api.rest_client()
    await _each(count, lambda number: client.create(r.PODS, pod(number), "default"))


async def mix(api: ApiServerInProcess, count: int) -> None:
    clock, tracer = RealClock(), api.server.services.tracer
    client, manager = api.local_client(), api.local_client("system:kube-controller-manager")
    parts = [
        Controllers(manager, clock, ControllersConfig(tracer=tracer)),
        SimulatedNodes(client, clock, 20, tracer=tracer),
        Scheduler(api.local_client("system:kube-scheduler"), clock, SchedulerConfig(tracer=tracer)),
    ]
    tasks = [asyncio.create_task(part.run()) for part in parts]
    labels = {"app": "bench"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}}
    spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bench"}, "spec": spec}
    await client.create(r.DEPLOYMENTS, deployment, "default")
    while True:
        found = await client.get(r.DEPLOYMENTS, "bench", "default")
        if (found.get("status") or {}).get("availableReplicas") == count:
            break
        await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def turns(count: int) -> dict[int, list[float]]:
    """Microseconds of CPU for each pod, one after the other, without (0) and with recording."""
    taken: dict[int, list[float]] = {0: [], MOST_BYTES: []}
    with tempfile.TemporaryDirectory() as directory:
        async with ApiServerInProcess(Path(directory)) as api:
            client, services = api.local_client(), api.server.services
            tracer = services.tracer
            await client.create(r.SERVICE_ACCOUNTS, ACCOUNT, "default")
            for turn in range(count + 1):  # the first has imports in it
                for buffer in sorted(taken, reverse=bool(turn % 2)):
                    services.tracer = tracer if buffer else None
                    gc.collect()
                    for number in range(20):
                        begun = time.process_time()
                        await _whole(client, number)
                        if turn:
                            taken[buffer].append((time.process_time() - begun) * 1e6)
                    for number in range(20):
                        await client.delete(r.PODS, f"p{number}", "default", grace_period_seconds=0)
    return taken


WORKS = {"local": local, "https": https, "mix": mix}


async def once(name: str, count: int, buffer: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        async with ApiServerInProcess(Path(directory), trace_buffer_bytes=buffer) as api:
            if name != "mix":
                await api.local_client().create(r.SERVICE_ACCOUNTS, ACCOUNT, "default")
            gc.collect()
            begun = time.process_time()
            await WORKS[name](api, count)
            return (time.process_time() - begun) / count * 1e6


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pods", type=int, default=400)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--turns", type=int, default=150)
    arguments.add_argument("--only", default=",".join(("turns", *WORKS)))
    given = arguments.parse_args()
    result = {}
    for name in given.only.split(","):
        taken: dict[int, list[float]] = {0: [], MOST_BYTES: []}
        if name == "turns":
            taken = uvloop.run(turns(given.turns))
        else:
            uvloop.run(once(name, given.pods, 0))  # the first has imports in it
            for turn in range(given.rounds):
                for buffer in sorted(taken, reverse=bool(turn % 2)):
                    taken[buffer].append(uvloop.run(once(name, given.pods, buffer)))
        off, on = (statistics.median(taken[buffer]) for buffer in taken)
        least_off, least_on = (min(taken[buffer]) for buffer in taken)
        result[name] = {
            "offMicroseconds": round(off), "onMicroseconds": round(on), "percent": round((on / off - 1) * 100, 1),
            "leastPercent": round((least_on / least_off - 1) * 100, 1),
        }  # fmt: skip
        print(f"{name:6} {off:7.0f} us of CPU for a pod without, {on:7.0f} with: {result[name]['percent']:+.1f} %"
              f" (least of each: {result[name]['leastPercent']:+.1f} %)", file=sys.stderr)  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
