"""Controllers on simulated nodes, whole control plane in this process: seconds and CPU of what they bring about.

    python bench/deployment.py [--cases deployment,rollout,many,namespace] [--replicas 500] [--nodes 100] [--repeat 3]
                               [--store sqlite|memory] [--profile FILE] [--json FILE]

deployment  one Deployment of --replicas until Available, and until its pods are gone
rollout     the same with another image, until every replica is updated and available
many        --deployments Deployments of one replica until all are Available, and until all are gone
namespace   a namespace with --objects objects (half ConfigMaps, then Secrets, Services and pods) until it is gone

API server, controllers and scheduler share this process and talk without sockets, as `pinnace up` runs them; the nodes are
simulated, so what counts is the control plane. The median of the repetitions is what to quote.
"""

import argparse
import asyncio
import cProfile
import json
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from pinnace.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from pinnace.apimachinery.errors import NotFound
from pinnace.component.clock import RealClock
from pinnace.controllers.controllers import Controllers
from pinnace.kubelet.simulated import SimulatedNodes
from pinnace.scheduler.loop import Scheduler
from pinnace.store.memory import MemoryBackend
from pinnace.store.sqlite import SqliteBackend
from pinnace.testing.api_server import ApiServerInProcess


def deployment(replicas, name="bench"):
    labels = {"app": name}
    container = {
        "name": "main",
        "image": "bench",
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def until(probe, limit=300):
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
                return await measure(client, arguments)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


class Stopwatch:
    """`async with`: seconds and CPU of this process, as NAME_s and NAME_cpu_s."""

    def __init__(self, result, name):
        self.result, self.name = result, name

    async def __aenter__(self):
        self.begun, self.cpu = time.perf_counter(), time.process_time()

    async def __aexit__(self, *failure):
        self.result[f"{self.name}_s"] = round(time.perf_counter() - self.begun, 3)
        self.result[f"{self.name}_cpu_s"] = round(time.process_time() - self.cpu, 3)


async def in_parallel(calls, at_once=32):
    limit = asyncio.Semaphore(at_once)

    async def one(call):
        async with limit:
            await call()

    await asyncio.gather(*(one(call) for call in calls))


async def measure(client, arguments):
    result = {}
    for case in arguments.cases.split(","):
        await CASES[case](client, arguments, result)
    return result


async def one_deployment(client, arguments, result, *, rolls=False):
    replicas = arguments.replicas

    async def available():
        found = await client.get(DEPLOYMENTS, "bench", "default")
        status = found.get("status") or {}
        return (
            status.get("observedGeneration") == found["metadata"]["generation"]
            and status.get("availableReplicas") == status.get("updatedReplicas") == replicas
            and status.get("replicas") == replicas
        )

    async with Stopwatch(result, "available"):
        await client.create(DEPLOYMENTS, deployment(replicas))
        await until(available)
    if rolls:
        async with Stopwatch(result, "rolled"):
            container = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "bench2"}
            await client.patch(
                DEPLOYMENTS, "bench", [container], "default", content_type="application/json-patch+json"
            )
            await until(available)
    async with Stopwatch(result, "gone"):
        await client.delete(DEPLOYMENTS, "bench", "default", propagation_policy="Background")
        await until(lambda: none(client, PODS))


async def none(client, gvr):
    return not (await client.list(gvr, "default", limit=1))["items"]


async def rollout(client, arguments, result):
    await one_deployment(client, arguments, result, rolls=True)


async def many(client, arguments, result):
    names = [f"bench-{number}" for number in range(arguments.deployments)]

    async def available():
        found = (await client.list(DEPLOYMENTS, "default"))["items"]
        return sum((d.get("status") or {}).get("availableReplicas") == 1 for d in found) == len(names)

    async with Stopwatch(result, "many_available"):
        await in_parallel(
            [lambda name=name: client.create(DEPLOYMENTS, deployment(1, name)) for name in names]
        )
        await until(available)
    async with Stopwatch(result, "many_gone"):
        await in_parallel(
            [
                lambda name=name: client.delete(DEPLOYMENTS, name, "default", propagation_policy="Background")
                for name in names
            ]
        )
        await until(lambda: none(client, PODS))


async def namespace(client, arguments, result):
    space = "bench-namespace"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})

    async def has_account():
        return (await client.list(SERVICE_ACCOUNTS, space))["items"]

    await until(has_account)
    count = arguments.objects

    def body(kind, number, **fields):
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": f"x-{number}"}, **fields}

    pod = deployment(1)["spec"]["template"]["spec"]
    ports = {"ports": [{"port": 80}], "clusterIP": "None"}
    calls = [lambda n=n: client.create(CONFIG_MAPS, body("ConfigMap", n), space) for n in range(count // 2)]
    calls += [lambda n=n: client.create(SECRETS, body("Secret", n), space) for n in range(count // 4)]
    calls += [
        lambda n=n: client.create(SERVICES, body("Service", n, spec=ports), space) for n in range(count // 20)
    ]
    calls += [
        lambda n=n: client.create(PODS, body("Pod", n, spec=pod), space)
        for n in range(count - count // 2 - count // 4 - count // 20)
    ]
    async with Stopwatch(result, "namespace_filled"):
        await in_parallel(calls)

    async def all_run():
        pods = (await client.list(PODS, space))["items"]
        return all((one.get("status") or {}).get("phase") == "Running" for one in pods)

    await until(all_run)

    async def gone():
        try:
            await client.get(NAMESPACES, space)
        except NotFound:
            return True
        return False

    async with Stopwatch(result, "namespace_gone"):
        await client.delete(NAMESPACES, space)
        await until(gone)


CASES = {"deployment": one_deployment, "rollout": rollout, "many": many, "namespace": namespace}


def profiled(arguments):
    if not arguments.profile:
        return uvloop.run(once(arguments))
    profile = cProfile.Profile()
    try:
        return profile.runcall(uvloop.run, once(arguments))
    finally:
        profile.dump_stats(arguments.profile)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="deployment", help=f"of {', '.join(CASES)}; separated by commas")
    parser.add_argument("--deployments", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--profile", help="write what cProfile measured to this file")
    parser.add_argument("--replicas", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runs = [profiled(arguments) for _ in range(arguments.repeat)]
    summary = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    for name, value in summary.items():
        print(f"{name:22} {value:8.3f}   ({', '.join(str(run[name]) for run in runs)})")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({**vars(arguments), "json": None, "median": summary, "runs": runs})
        )


if __name__ == "__main__":
    main()
