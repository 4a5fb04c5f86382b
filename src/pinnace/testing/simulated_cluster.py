"""A whole cluster in this process on a virtual clock: API server, controllers, scheduler and simulated nodes.

    async def test_a_deployment_becomes_available(cluster: SimulatedCluster) -> None:
        await cluster.create(deployment)                                   # any object; its namespace defaults to `default`
        await cluster.until(lambda: cluster.is_rolled_out("web"))          # time passes by itself, at most 300 virtual seconds
        cluster.pods.fail("web-0")                                         # its container exits with 1
        cluster.pods.behave(lambda pod: Behaviour(runs=(Run(seconds=30, exit_code=1), Run())))
        await cluster.holds(lambda: ..., seconds=60)                       # stays true for so long

Nothing sleeps: the clock jumps to the next timer whenever no task can run. Containers run and are ready until told otherwise
(`cluster.pods`); a pod that was never told anything keeps running, whatever its restartPolicy says.
"""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import BY_GVK, BY_GVR, DEPLOYMENTS, NODES, SERVICE_ACCOUNTS
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.local_client import LocalClient
from pinnace.client.interface import Object
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.kubelet.simulated import SimulatedNodes, SimulatedNodesConfig
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.cluster_report import report
from pinnace.testing.simulated_pods import SimulatedPods
from pinnace.testing.virtual_clock import VirtualClock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEARTBEAT_SECONDS = 20.0  # seldom, so that hours pass quickly; nodes are declared dead after 50
Probe = Callable[[], Any]  # a plain or an async function


class SimulatedCluster:
    """`async with SimulatedCluster(directory, nodes=3, zones=("a", "b", "c")) as cluster:`.

    With `stages` the nodes play KWOK's Stages. `controllers` reads as kube-controller-manager's flag, e.g. ("*", "-disruption"); `controllers_config`,
    `nodes_config` and `scheduler` replace whole configurations; `has_scheduler=False` leaves the scheduler out. Other keyword
    arguments change the API server's configuration.
    """

    def __init__(
        self, directory: Path, *, nodes: int = 2, zones: tuple[str, ...] = (), stages: bool = False, controllers: tuple[str, ...] = ("*",),
        controllers_config: ControllersConfig | None = None, nodes_config: SimulatedNodesConfig | None = None,
        has_scheduler: bool = True, scheduler: SchedulerConfig | None = None, start: datetime = START, **api: Any,
    ) -> None:  # fmt: skip
        self.clock = VirtualClock(start)
        self.api = ApiServerInProcess(directory, clock=self.clock, **api)
        self.tracer = self.api.server.services.tracer
        self.client: LocalClient = self.api.local_client()
        settings = nodes_config or SimulatedNodesConfig(
            zones=zones, heartbeat_seconds=HEARTBEAT_SECONDS, is_kwok=stages
        )
        node_client = self.api.local_client("system:node-simulator", MASTERS)
        self.nodes = SimulatedNodes(node_client, self.clock, nodes, settings, rules=(), tracer=self.tracer)
        self.pods = SimulatedPods(self.nodes)
        self.controllers = Controllers(
            self.api.local_client("system:kube-controller-manager", MASTERS), self.clock,
            controllers_config or self._controllers_config(controllers),
        )  # fmt: skip
        self.scheduler = None
        if has_scheduler:
            settings_of = replace(scheduler or SchedulerConfig(seed=1), tracer=self.tracer)
            scheduler_client = self.api.local_client("system:kube-scheduler")
            self.scheduler = Scheduler(scheduler_client, self.clock, settings_of)
        self._tasks: list[asyncio.Task[None]] = []

    def _controllers_config(self, chosen: tuple[str, ...]) -> ControllersConfig:
        return ControllersConfig(
            controllers=chosen,
            root_ca=self.api.authority.ca.read_text(),
            issue_account_token=self.api.server.services.tokens.issue_legacy,
            tracer=self.tracer,
        )

    async def __aenter__(self) -> "SimulatedCluster":
        self.clock.use_threads()
        await self.api.__aenter__()
        try:
            for part in (self.controllers, self.nodes, self.scheduler):
                if part is not None:
                    self._tasks.append(asyncio.create_task(part.run()))
            await self.until(self._is_furnished, within=60)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.api.__aexit__()
        failures = [one for one in results if isinstance(one, Exception)]
        if failures:
            raise ExceptionGroup("parts of the cluster failed", failures)

    async def _is_furnished(self) -> bool:
        nodes = await self.client.list(NODES)
        if len(nodes["items"]) < len(self.nodes.names):
            return False
        if "serviceaccount" in self.controllers.running:
            await self.client.get(SERVICE_ACCOUNTS, "default", "default")
        return True

    # --- time

    async def until(self, probe: Probe, *, within: float = 300.0) -> Any:
        """The first truthy answer of `probe`, while time passes; an AssertionError, or a refusal of the API, is a "not yet".

        Fails after `within` virtual seconds, and tells what is in the cluster.
        """
        end = self.clock.monotonic() + within
        while True:
            self._check_parts()
            answer = await self._asked(probe)
            if answer and not isinstance(answer, Exception):
                return answer
            due = self.clock.next_due()
            if due is None or due > end:
                await self.clock.advance_to(end)
                answer = await self._asked(probe)
                if answer and not isinstance(answer, Exception):
                    return answer
                raise AssertionError(
                    f"not within {within} virtual seconds; last: {answer!r}\n{await report(self.client)}"
                )
            await self.clock.advance_to(due)

    async def holds(self, probe: Probe, seconds: float) -> None:
        """`probe` is true now, and after everything that happens within `seconds` virtual seconds."""
        begun = self.clock.monotonic()
        end = begun + seconds
        while True:
            self._check_parts()
            answer = await self._asked(probe)
            if not answer or isinstance(answer, Exception):
                raise AssertionError(
                    f"no longer so after {self.clock.monotonic() - begun:.1f} virtual seconds: {answer!r}\n"
                    f"{await report(self.client)}"
                )
            if self.clock.monotonic() >= end:
                return
            due = self.clock.next_due()
            await self.clock.advance_to(end if due is None else min(due, end))

    async def advance(self, seconds: float) -> None:
        """Let time pass, whatever happens meanwhile."""
        await self.clock.advance(seconds)
        self._check_parts()

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await self.clock.settle()
        self._check_parts()

    def now(self) -> datetime:
        return self.clock.now()

    async def _asked(self, probe: Probe) -> Any:
        await self.clock.settle()
        try:
            answer = probe()
            return await answer if inspect.isawaitable(answer) else answer
        except (AssertionError, StatusError) as error:
            return error

    def _check_parts(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError(f"a part of the cluster ended: {task!r}")

    # --- objects

    async def create(self, obj: Object, namespace: str = "default") -> Object:
        """Any object of a built-in kind."""
        row = BY_GVK[meta.gvk(obj)]
        return await self.client.create(
            row.gvr, obj, meta.namespace(obj) or namespace if row.namespaced else None
        )

    async def get(self, gvr: GVR, name: str, namespace: str = "default") -> Object:
        return await self.client.get(gvr, name, namespace if BY_GVR[gvr].namespaced else None)

    async def list(self, gvr: GVR, namespace: str | None = "default", labels: str = "") -> list[Object]:
        scope = namespace if BY_GVR[gvr].namespaced else None
        items: list[Object] = (await self.client.list(gvr, scope, label_selector=labels))["items"]
        return items

    async def is_gone(self, gvr: GVR, name: str, namespace: str = "default") -> bool:
        try:
            await self.get(gvr, name, namespace)
        except NotFound:
            return True
        return False

    async def is_rolled_out(self, name: str, namespace: str = "default") -> bool:
        """As `kubectl rollout status deployment` judges."""
        deployment = await self.get(DEPLOYMENTS, name, namespace)
        status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
        return status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0) and (
            status.get("updatedReplicas", 0), status.get("replicas", 0), status.get("availableReplicas", 0)
        ) == (wanted, wanted, wanted)  # fmt: skip
