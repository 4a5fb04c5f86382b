"""Keeps the Node object alive: registers it, renews its Lease, posts its status, notices when the runtime is broken."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import LEASES, NODES
from pinnace.apimachinery.errors import AlreadyExists, Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_micro_time, format_time
from pinnace.client.events import EventRecorder
from pinnace.client.interface import STRATEGIC_MERGE_PATCH, Client
from pinnace.component.clock import Clock
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError, Image, RuntimeFeatures
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.node_status import (
    NodeInputs,
    condition_statuses,
    initial_node,
    labels,
    node_status,
    system_info,
    without_heartbeats,
)
from pinnace.kubelet.pleg import Pleg

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
HEARTBEAT_SECONDS = (
    10.0  # for one attempt, so that a connection that was cut off delays the next one no longer
)
RUNTIME_CHECK_SECONDS = 5.0
RUNTIME_DOWN_SECONDS = 30.0
PRESSURE_EVENTS = {
    "MemoryPressure": ("NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    "DiskPressure": ("NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    "PIDPressure": ("NodeHasInsufficientPID", "NodeHasSufficientPID"),
    "Ready": ("NodeReady", "NodeNotReady"),
}


Amounts = Mapping[str, Decimal]


class NodeAgent:
    """`extended` gives capacity and allocatable of devices. `network_problem` is why pods on the pod network cannot start now, "" when they can."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: KubeletConfig,
        *,
        runtime: ContainerRuntime,
        pleg: Pleg,
        facts: NodeFacts,
        recorder: EventRecorder,
    ) -> None:
        self._client, self._clock, self._config = client, clock, config
        self._runtime, self._pleg, self._facts, self._recorder = runtime, pleg, facts, recorder
        self._system = system_info()
        self._version = ""
        self._images: tuple[Image, ...] = ()
        self._runtime_problem = "container runtime status check may not have completed yet"
        self._runtime_seen: float | None = None
        self.network_problem = ""
        self._other_problem = ""
        self.features = RuntimeFeatures()
        self.extended: Callable[[], tuple[Amounts, Amounts]] = lambda: ({}, {})
        self._pressures: dict[str, Object] = {}
        self._post = asyncio.Event()
        self._posted: Object | None = None
        self._posted_at = float("-inf")
        self.node: Object | None = None
        self._registered = asyncio.Event()
        self._volumes_in_use: frozenset[str] = frozenset()
        self._posting = asyncio.Lock()

    def set_condition(self, condition: Object) -> None:
        if self._pressures.get(condition["type"]) != condition:
            self._pressures[condition["type"]] = condition
            self._post.set()

    async def wait_registered(self) -> None:
        """Until the Node object is there."""
        await self._registered.wait()

    async def report_volumes_in_use(self, names: frozenset[str]) -> None:
        """Returns when the API knows, because what is in use must not be detached."""
        self._volumes_in_use = names
        if self.node is not None:
            await self.post()

    def set_problem(self, problem: str) -> None:
        """Why the node is not ready beside what the runtime says; "" when nothing else is wrong."""
        if problem != self._other_problem:
            self._other_problem = problem
            self._post.set()

    def resources_changed(self) -> None:
        self._post.set()

    def reference(self) -> Object:
        """The node as the object of events: upstream uses its name as uid."""
        name = self._config.node_name
        return {"kind": "Node", "apiVersion": "v1", "name": name, "uid": name}

    async def run(self) -> None:
        await self.check_runtime()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_lease_for_ever())
            group.create_task(self._post_for_ever())
            group.create_task(self._check_runtime_for_ever())

    # -- the runtime ---------------------------------------------------------------------------------------------
    async def _check_runtime_for_ever(self) -> None:
        while True:
            await self._clock.sleep(RUNTIME_CHECK_SECONDS if not self._problems() else 0.5)
            before = self._problems()
            await self.check_runtime()
            if self._problems() != before:
                self._post.set()

    async def check_runtime(self) -> None:
        """Ask the runtime how it is; a silent one counts as down after a while."""
        try:
            conditions = {one.type: one for one in await self._runtime.status()}
            if not self._version:
                version = await self._runtime.version()
                self.features = await self._runtime.features()
                self._version = f"{version.name}://{version.version}"
        except (CriError, TimeoutError) as error:
            silent = self._clock.monotonic() - (self._runtime_seen or float("-inf"))
            if silent > RUNTIME_DOWN_SECONDS or (isinstance(error, CriError) and error.is_unavailable):
                self._runtime_problem = "container runtime is down"
            return
        self._runtime_seen = self._clock.monotonic()
        ready, network = conditions.get("RuntimeReady"), conditions.get("NetworkReady")
        self._runtime_problem = "" if ready and ready.status else f"runtime not ready: {ready}"
        self.network_problem = ""
        if network is None or not network.status:
            detail = network or "NetworkReady condition is missing"
            if network is not None:
                detail = f"NetworkReady=false reason:{network.reason} message:{network.message}"
            self.network_problem = f"container runtime network not ready: {detail}"

    def _problems(self) -> tuple[str, ...]:
        found = (
            self._runtime_problem,
            self.network_problem,
            self._pleg.health_problem(),
            self._other_problem,
        )
        return tuple(problem for problem in found if problem)

    # -- the node object -----------------------------------------------------------------------------------------
    async def _post_for_ever(self) -> None:
        while True:
            try:
                await self._clock.wait_for(self.post(), HEARTBEAT_SECONDS)
                pause = self._config.node_status_update_seconds
            except (StatusError, ConnectionError, TimeoutError) as error:
                log.warning("node status not posted: %s", error)
                pause = 0.5 if self._posted is None else 2.0
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._post.wait(), pause)
            self._post.clear()

    async def post(self) -> None:
        """Register the node if it is not there; write its status if it changed or is old."""
        async with self._posting:
            await self._post_once()

    async def _post_once(self) -> None:
        name = self._config.node_name
        if self.node is not None:
            await (
                self.refresh()
            )  # others write, too: the control plane says Unknown of a node that it did not hear of
        status = node_status(self._config, self.node, await self._inputs())
        if self.node is None:
            await self._register(status)
            return
        now = self._clock.monotonic()
        is_same = (
            self._posted is not None
            and without_heartbeats(self._posted) == without_heartbeats(status)
            and condition_statuses(self.node.get("status")) == condition_statuses(status)
        )
        if is_same and now - self._posted_at < self._config.node_status_report_seconds:
            return
        try:
            body = {"status": _changed(self.node.get("status") or {}, status)}
            self.node = await self._client.patch(
                NODES, name, body, content_type=STRATEGIC_MERGE_PATCH, subresource="status"
            )
        except NotFound:
            self.node = None
            self._post.set()
            return
        self._registered.set()
        self._tell_transitions(self._posted, status)
        self._posted, self._posted_at = status, now

    async def refresh(self) -> None:
        """Read the node again; what is known stays when that fails, unless the node is gone."""
        try:
            self.node = await self._client.get(NODES, self._config.node_name)
        except NotFound:
            self.node = None
        except (StatusError, ConnectionError, TimeoutError):
            pass

    async def _register(self, status: Object) -> None:
        name = self._config.node_name
        try:
            self.node = await self._client.create(NODES, initial_node(self._config, status))
            self._recorder.event(self.reference(), "Normal", "Starting", "Starting kubelet.")
            await self._post_once()
        except AlreadyExists:
            self.node = await self._client.get(NODES, name)
            wanted = {key: value for key, value in labels(self._config).items()
                      if meta.labels(self.node).get(key) != value}  # fmt: skip
            if wanted:
                self.node = await self._client.patch(NODES, name, {"metadata": {"labels": wanted}})
            self._recorder.event(self.reference(), "Normal", "Starting", "Starting kubelet.")
            self._posted_at = float("-inf")
            await self._post_once()

    async def _inputs(self) -> NodeInputs:
        if not self._runtime_problem:
            with contextlib.suppress(CriError, TimeoutError):
                self._images = tuple(await self._runtime.list_images())
        capacity, allocatable = self.extended()
        return NodeInputs(
            now=format_time(self._clock.now()),
            capacity={**self._facts.capacity, **capacity},
            allocatable={**self._facts.allocatable, **allocatable},
            system=self._system,
            runtime_version=self._version,
            images=self._images,
            problems=self._problems(),
            features=self.features,
            pressures=self._pressures,
            volumes_in_use=tuple(sorted(self._volumes_in_use)),
        )

    def _tell_transitions(self, before: Object | None, after: Object) -> None:
        """Events for conditions that changed: NodeReady, NodeHasSufficientMemory, ..."""
        old = {one["type"]: one["status"] for one in (before or {}).get("conditions") or ()}
        for condition in after["conditions"]:
            kind, status = condition["type"], condition["status"]
            if kind in PRESSURE_EVENTS and old.get(kind) != status:
                reason = PRESSURE_EVENTS[kind][status != "True"]
                text = f"Node {self._config.node_name} status is now: {reason}"
                self._recorder.event(self.reference(), "Normal", reason, text)

    # -- the lease -----------------------------------------------------------------------------------------------
    async def _renew_lease_for_ever(self) -> None:
        while True:
            pause = self._config.node_lease_seconds / 4
            try:
                await self._clock.wait_for(self.renew_lease(), HEARTBEAT_SECONDS)
            except (StatusError, ConnectionError, TimeoutError) as error:
                log.warning("node lease not renewed: %s", error)
                pause = 1.0
            await self._clock.sleep(pause)

    async def renew_lease(self) -> None:
        name, now = self._config.node_name, format_micro_time(self._clock.now())
        try:
            await self._client.patch(LEASES, name, {"spec": {"renewTime": now}}, LEASE_NAMESPACE)
        except NotFound:
            await self._create_lease(name, now)
        except Conflict:
            await self.renew_lease()

    async def _create_lease(self, name: str, now: str) -> None:
        metadata: dict[str, Any] = {"name": name, "namespace": LEASE_NAMESPACE}
        if self.node is not None:
            reference = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(self.node)}
            metadata["ownerReferences"] = [reference]
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": self._config.node_lease_seconds,
            "renewTime": now,
        }
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        await self._client.create(LEASES, lease, LEASE_NAMESPACE)


def _changed(old: Object, new: Object) -> Object:
    return {field: value for field, value in new.items() if old.get(field) != value}
