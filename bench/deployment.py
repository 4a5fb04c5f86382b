"""A Deployment on simulated nodes, whole control plane in this process: seconds and CPU until Available and until gone.

    python bench/deployment.py [--replicas 500] [--nodes 100] [--repeat 3] [--store sqlite|memory] [--json FILE]

API server, controllers and scheduler share this process and talk without sockets, as `pinnace up` runs them; the nodes are
simulated, so what counts is the control plane. The median of the repetitions is what to quote.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from pinnace.api.resources import DEPLOYMENTS, NODES, PODS, SERVICE_ACCOUNTS
from pinnace.component.clock import RealClock
from pinnace.controllers.controllers import Controllers
from pinnace.kubelet.simulated import SimulatedNodes
from pinnace.scheduler.loop import Scheduler
from pinnace.store.memory import MemoryBackend
from pinnace.store.sqlite import SqliteBackend
from pinnace.testing.api_server import ApiServerInProcess


def deployment(replicas):
    labels = {"app": "bench"}
    container = {
        "name": "main",
        "image": "bench",
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bench", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def until(probe, limit=120):
    end = time.perf_counter() + limit
    while not await probe():
        if time.perf_counter() > end:
            raise TimeoutError
        await asyncio.sleep(0.01)


async def once(arguments):
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        backend = SqliteBackend(root / "state.db") if arguments.store == "sqlite" else MemoryBackend()
        async with ApiServerInProcess(root / "pki", backend=backend) as api:
            client, clock = api.local_client(), RealClock()
            manager = api.local_client("system:kube-controller-manager", ())
            parts = [
                Controllers(manager, clock),
                SimulatedNodes(client, clock, arguments.nodes),
                Scheduler(client, clock),
            ]
            tasks = [asyncio.create_task(part.run()) for part in parts]

            async def is_up():
                nodes = (await client.list(NODES))["items"]
                clean = [node for node in nodes if not node["spec"].get("taints")]
                return (
                    len(clean) == arguments.nodes
                    and (await client.list(SERVICE_ACCOUNTS, "default"))["items"]
                )

            await until(is_up)
            try:
                return await measure(client, arguments.replicas)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def measure(client, replicas):
    async def available():
        found = await client.get(DEPLOYMENTS, "bench", "default")
        return (found.get("status") or {}).get("availableReplicas") == replicas

    async def gone():
        return not (await client.list(PODS, "default"))["items"]

    result = {}
    begun, cpu = time.perf_counter(), time.process_time()
    await client.create(DEPLOYMENTS, deployment(replicas))
    await until(available)
    result["available_s"] = round(time.perf_counter() - begun, 3)
    result["available_cpu_s"] = round(time.process_time() - cpu, 3)
    begun, cpu = time.perf_counter(), time.process_time()
    await client.delete(DEPLOYMENTS, "bench", "default", propagation_policy="Background")
    await until(gone)
    result["gone_s"] = round(time.perf_counter() - begun, 3)
    result["gone_cpu_s"] = round(time.process_time() - cpu, 3)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runs = [uvloop.run(once(arguments)) for _ in range(arguments.repeat)]
    summary = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    for name, value in summary.items():
        print(f"{name:16} {value:8.3f}   ({', '.join(str(run[name]) for run in runs)})")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({**vars(arguments), "json": None, "median": summary, "runs": runs})
        )


if __name__ == "__main__":
    main()
