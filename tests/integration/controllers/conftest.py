"""A control plane in miniature: the real API server, our controllers, simulated nodes, and a scheduler that takes turns."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
import pytest_asyncio

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import NODES, PODS, SERVICE_ACCOUNTS
from pinnace.apimachinery.errors import StatusError
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.controllers.nodes.lifecycle import NodeLifecycleConfig
from pinnace.controllers.podgc import PodGCConfig
from pinnace.kubelet.simulated import SimulatedNodes, SimulatedNodesConfig
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Start = Callable[..., Awaitable[Client]]


async def bind_in_turns(client: Client, names: list[str]) -> None:
    """Not the scheduler: every new pod goes to the next node, or to the one its affinity names."""
    informer = Informer(client, RealClock(), PODS)
    queue: asyncio.Queue[dict] = asyncio.Queue()
    informer.add_handler(lambda old, new: queue.put_nowait(new) if new and not pods.node_name(new) else None)
    turn = 0

    async def bind() -> None:
        nonlocal turn
        while True:
            pod = await queue.get()
            terms = (((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
                "requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms")  # fmt: skip
            found = (await client.list(NODES))["items"]
            nodes = [
                meta.name(n) for n in found if meta.name(n) in names and not n["spec"].get("unschedulable")
            ]
            target = terms[0]["matchFields"][0]["values"][0] if terms else nodes[turn % len(nodes)]
            turn += 1
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta.name(pod)},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": target}}  # fmt: skip
            with contextlib.suppress(StatusError):
                await client.create(
                    PODS, body, meta.namespace(pod), name=meta.name(pod), subresource="binding"
                )

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informer.run())
        for _ in range(8):
            tasks.create_task(bind())


@pytest_asyncio.fixture
async def start(api_server: ApiServerInProcess) -> AsyncGenerator[Start, None]:
    """`await start("deployment", ..., nodes=2)` runs these controllers and gives an administrator's client."""
    running: list[asyncio.Task] = []

    async def run(
        *names: str,
        nodes: int = 2,
        nodes_config: NodeLifecycleConfig | None = None,
        pod_gc_quick: bool = False,
        root_ca: str = "",
    ) -> Client:
        manager = api_server.local_client("system:kube-controller-manager", ())
        admin = api_server.local_client()
        settings = ControllersConfig(
            (*names, "serviceaccount") if names else ("*",),
            root_ca,
            nodes=nodes_config or NodeLifecycleConfig(),
            pod_gc=PodGCConfig(period=0.2, quarantine=0.5) if pod_gc_quick else PodGCConfig(),
        )
        simulated = SimulatedNodes(admin, RealClock(), nodes, SimulatedNodesConfig(heartbeat_seconds=0.5))
        for part in (Controllers(manager, RealClock(), settings), simulated):
            running.append(asyncio.create_task(part.run()))
        running.append(asyncio.create_task(bind_in_turns(admin, simulated.names)))

        async def furnished() -> bool:
            accounts = await admin.list(SERVICE_ACCOUNTS, "default")
            return bool(accounts["items"])

        await eventually(furnished)
        return admin

    yield run
    for task in running:
        task.cancel()
    results = await asyncio.gather(*running, return_exceptions=True)
    failures = [r for r in results if isinstance(r, Exception)]
    if failures:
        pytest.fail(f"a part failed: {failures!r}")
