"""Simulated nodes: node objects with heartbeats, on which pods become Running without containers.

For `pinnace up --nodes sim:N`, tests and benchmarks. A pod bound to such a node gets an address and turns Ready at once; a
deleted one goes away at once, and what is updated or resized is so at once. Nothing runs, so logs, exec, probes and readiness
gates do not exist here.
"""

import asyncio
import ipaddress
import itertools
import logging
from dataclasses import dataclass

from pinnace import __version__
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import LEASES, NODES, PODS
from pinnace.apimachinery.errors import AlreadyExists, Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_micro_time, format_time
from pinnace.client.informer import Informers, Key
from pinnace.client.interface import Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40


@dataclass(frozen=True, slots=True)
class SimulatedNodesConfig:
    prefix: str = "sim-"
    cpu: str = "32"
    memory: str = "256Gi"
    pods: str = "110"
    ephemeral_storage: str = "1Ti"
    pod_network: str = "10.42.0.0/16"
    kubelet_version: str = f"v1.36.2+pinnace.{__version__}"
    heartbeat_seconds: float = 0.0  # 0: 10 s for up to 200 nodes, 25 s for more
    workers: int = 16  # writes under way at once


class SimulatedNodes:
    """`count` nodes named prefix + number, in one part. A node whose object is deleted stays away."""

    def __init__(
        self, client: Client, clock: Clock, count: int, config: SimulatedNodesConfig | None = None
    ) -> None:
        self._client, self._clock = client, clock
        self._config = config or SimulatedNodesConfig()
        self.names = [f"{self._config.prefix}{number}" for number in range(count)]
        self._nodes = set(self.names)
        self._host_ip = {name: f"192.168.{n // 250 % 256}.{n % 250 + 1}" for n, name in enumerate(self.names)}
        self._addresses = itertools.cycle(ipaddress.ip_network(self._config.pod_network).hosts())
        self._informers = Informers(client, clock)
        self._queue: WorkQueue[Key] = WorkQueue(clock)

    async def run(self) -> None:
        """Register the nodes and drive their pods until cancelled."""
        await self._register_all()
        self._informers.of(PODS).add_handler(self._pod_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informers.run())
                tasks.create_task(self._heartbeat())
                for _ in range(self._config.workers):
                    tasks.create_task(self._work())
        finally:
            self._queue.close()

    # --- nodes

    async def _register_all(self) -> None:
        limit = asyncio.Semaphore(self._config.workers)

        async def register(name: str) -> None:
            async with limit:
                await self._register(name)

        async with asyncio.TaskGroup() as tasks:
            for name in self.names:
                tasks.create_task(register(name))

    async def _register(self, name: str) -> None:
        body = node_object(name, self._host_ip[name], self._config, format_time(self._clock.now()))
        try:
            node = await self._client.create(NODES, body)
        except AlreadyExists:
            node = await self._client.patch(NODES, name, {"status": body["status"]}, subresource="status")
        lease = lease_object(node, format_micro_time(self._clock.now()))
        try:
            await self._client.create(LEASES, lease, LEASE_NAMESPACE)
        except AlreadyExists:
            await self._renew(name)

    async def _heartbeat(self) -> None:
        """Renew all leases once per period, evenly spread over it."""
        period = self._config.heartbeat_seconds or (10.0 if len(self.names) <= 200 else 25.0)
        parts = max(1, min(len(self.names), int(period)))
        while True:
            for part in range(parts):
                await self._clock.sleep(period / parts)
                for name in self.names[part::parts]:
                    if name in self._nodes:
                        await self._renew(name)

    async def _renew(self, name: str) -> None:
        body = {"spec": {"renewTime": format_micro_time(self._clock.now())}}
        try:
            await self._client.patch(LEASES, name, body, LEASE_NAMESPACE)
        except NotFound:
            self._nodes.discard(name)
        except (StatusError, OSError, TimeoutError) as error:
            log.warning("simulated node %s: lease not renewed: %s", name, error)

    # --- pods

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and pods.node_name(new) in self._nodes and needs_work(new):
            self._queue.add(meta.key(new))

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._drive(key)
                self._queue.forget(key)
            except NotFound:
                self._queue.forget(key)
            except Conflict:
                self._queue.add_rate_limited(key)
            except (StatusError, OSError, TimeoutError) as error:
                log.warning("simulated pod %s/%s: %s", *key, error)
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def _drive(self, key: Key) -> None:
        namespace, name = key
        pod = self._informers.of(PODS).lister.get(name, namespace)
        if pod is None or not needs_work(pod):
            return
        if meta.is_terminating(pod):
            await self._client.delete(PODS, name, namespace, grace_period_seconds=0, uid=meta.uid(pod))
            return
        if pods.phase(pod) == "Running":
            status = updated_status(pod)
        else:
            host = self._host_ip[pods.node_name(pod)]
            address = host if pods.uses_host_network(pod) else str(next(self._addresses))
            status = running_status(pod, host, address, format_time(self._clock.now()))
        await self._client.patch(PODS, name, {"status": status}, namespace, subresource="status")


def needs_work(pod: Object) -> bool:
    """A pod that has yet to be started, followed, or let go."""
    phase = pods.phase(pod)
    return (
        meta.is_terminating(pod) or phase in ("", "Pending") or (phase == "Running" and not is_followed(pod))
    )


def is_followed(pod: Object) -> bool:
    """Whether the status speaks of the spec as it is now."""
    seen: int | None = pod["status"].get("observedGeneration")
    return seen == pod["metadata"].get("generation", 1)


def node_object(name: str, host_ip: str, config: SimulatedNodesConfig, now: str) -> Object:
    resources = {
        "cpu": config.cpu,
        "memory": config.memory,
        "pods": config.pods,
        "ephemeral-storage": config.ephemeral_storage,
    }
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "pinnace.dev/simulated": "true",
    }  # fmt: skip
    info = {
        "machineID": name, "systemUUID": name, "bootID": name, "kernelVersion": "simulated", "osImage": "simulated",
        "containerRuntimeVersion": "simulated://0", "kubeletVersion": config.kubelet_version,
        "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": node_conditions(now),
            "addresses": [
                {"type": "InternalIP", "address": host_ip},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": info,
        },
    }


def node_conditions(now: str) -> list[Object]:
    def condition(kind: str, status: str, reason: str, message: str) -> Object:
        return {"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now,
                "reason": reason, "message": message}  # fmt: skip

    return [
        condition(
            "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"
        ),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]


def lease_object(node: Object, now: str) -> Object:
    name = meta.name(node)
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(node)}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
    }


def running_status(pod: Object, host_ip: str, pod_ip: str, now: str) -> Object:
    """Running and Ready from now on. A merge patch replaces lists, so the scheduler's condition is written again."""
    spec, uid = pod["spec"], meta.uid(pod)
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    scheduled = pods.get_condition(pod, "PodScheduled") or {}
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
    if scheduled.get("status") == "True":
        conditions[-1] = scheduled
    status: Object = {
        "phase": "Running",
        "observedGeneration": pod["metadata"].get("generation", 1),
        "startTime": now,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "conditions": conditions,
        "containerStatuses": [
            _container(c, uid, {"running": {"startedAt": now}}) for c in spec["containers"]
        ],
    }
    if spec.get("initContainers"):
        done = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
        status["initContainerStatuses"] = [
            _container(
                c, uid, {"running": {"startedAt": now}} if pods.is_sidecar(c) else {"terminated": done}
            )
            for c in spec["initContainers"]
        ]
    return status


def updated_status(pod: Object) -> Object:
    """The containers as the spec now has them: their images and resources."""
    wanted = {one["name"]: one for one in pods.all_containers(pod)}
    status: Object = {"observedGeneration": pod["metadata"].get("generation", 1)}
    for field in ("containerStatuses", "initContainerStatuses"):
        if listed := pod["status"].get(field):
            status[field] = [{**one, **_described(wanted.get(one["name"]) or {})} for one in listed]
    return status


def _described(container: Object) -> Object:
    resources = container.get("resources") or {}
    image, requests = container.get("image", ""), resources.get("requests")
    shown: Object = {"image": image, "imageID": image, "resources": resources}
    return {**shown, "allocatedResources": requests} if requests else shown


def _container(container: Object, uid: str, state: Object) -> Object:
    return {
        "name": container["name"],
        **_described(container),
        "containerID": f"simulated://{uid}/{container['name']}",
        "ready": True,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }
