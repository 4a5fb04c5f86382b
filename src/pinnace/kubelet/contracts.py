"""How the kubelet's core and its edges (server, probes, stats, eviction) see each other: Protocols only.

`host.Host` fulfils `KubeletHost`; the edges are given it when they are built. Objects handed out are
read-only, as everywhere.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pinnace.client.interface import Object
from pinnace.kubelet.allocation import Allocation
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.counts import Counts
from pinnace.kubelet.cri.runtime import ContainerRuntime, ContainerStatus, SandboxStatus
from pinnace.kubelet.stats.claims import ClaimUsage

NetworkAdmission = Callable[[Object, tuple[str, ...]], Awaitable[None]]
"""Given a pod and the addresses of its sandbox, returns when the network treats it as it should; TimeoutError: not yet."""


class PodTable(Protocol):
    """The pods that this node should run or is still ending: what the API server said last."""

    def __iter__(self) -> Iterator[Object]: ...

    def get(self, uid: str) -> Object | None: ...

    def by_name(self, namespace: str, name: str) -> Object | None: ...


class KubeletHost(Protocol):
    """What server, probes, stats and eviction may ask of the kubelet."""

    config: KubeletConfig
    runtime: ContainerRuntime

    @property
    def pods(self) -> PodTable: ...

    def pod_status(self, uid: str) -> Object | None:
        """The `status` the kubelet reported last (fresher than the API's copy), or None before the first sync."""

    def containers(self, uid: str) -> list[ContainerStatus]:
        """The runtime's view of the pod's containers, newest attempt of each name first; dead ones included."""

    def sandbox(self, uid: str) -> SandboxStatus | None:
        """The newest ready sandbox."""

    def container(self, uid: str, name: str, *, previous: bool = False) -> ContainerStatus | None:
        """The newest container of this name, or the one before it."""

    async def claim_usage(self, pod: Object) -> list[ClaimUsage]:
        """How full the volumes of the pod's claims are, as far as that is known."""
        ...

    @property
    def counts(self) -> Counts:
        """What is told by `/metrics` of what happened; who does it counts it."""
        ...

    def allocations(self) -> list[Allocation]:
        """What was granted to the pods of this node."""
        ...

    def pod_dir(self, uid: str) -> Path: ...

    def volume_dir(self, uid: str, plugin: str, volume: str) -> Path:
        """E.g. plugin `kubernetes.io~empty-dir`."""
        ...

    def log_path(self, pod: Object, container: str, restart_count: int) -> Path: ...

    def pod_cgroup(self, pod: Object) -> str:
        """The pod's cgroup below each controller's mount, e.g. `/NAME/kubepods/burstable/podUID`."""
        ...

    def all_pods_group(self) -> tuple[str, int]:
        """The control group that holds all pods, and its memory limit."""
        ...

    def restart_container(
        self,
        uid: str,
        container_id: str,
        reason: str,
        message: str,
        *,
        grace_period_seconds: int | None = None,
    ) -> None:
        """Kill this container (liveness or startup probe failed); restartPolicy decides what follows. Emits `Killing` with
        `message` (upstream: `Container c failed liveness probe, will be restarted`). The grace period is the probe's own;
        None means the pod's."""

    def probe_changed(self, uid: str) -> None:
        """A readiness or startup result changed: recompute and report this pod's status now."""

    async def evict(
        self, uid: str, message: str, *, grace_period_seconds: int = 0, conditions: Iterable[Object] = ()
    ) -> None:
        """Fail the pod with reason `Evicted` and kill its containers; the event is the caller's."""

    def set_node_condition(self, condition: Object) -> None:
        """Replace MemoryPressure, DiskPressure or PIDPressure (keys type, status, reason, message) in the Node's status."""


class ProbeManager(Protocol):
    """Runs the probes of every container; keyed by container id, so a new container starts from scratch."""

    def add_pod(self, pod: Object, status: Callable[[], Object | None]) -> None:
        """Idempotent. `status()` is the pod's latest status, which names running containers and their ids."""

    def remove_pod(self, uid: str) -> None: ...

    def is_ready(self, container_id: str) -> bool | None:
        """The readiness probe's result; None when the container has no such probe."""

    def is_started(self, container_id: str) -> bool | None:
        """The startup probe's result; None when the container has no such probe."""

    def stop_liveness(self, uid: str) -> None:
        """The pod is ending: no liveness or startup probe may restart it; readiness goes on."""

    async def run(self) -> None: ...


class LifecycleHooks(Protocol):
    """httpGet hooks share the HTTP prober: `probes` provides it."""

    async def http_get(
        self, pod: Object, container: dict[str, Any], action: dict[str, Any], *, pod_ip: str
    ) -> None:
        """Raise OSError, TimeoutError or ValueError (with what was answered) unless the answer is a success."""


class NodeEdge(Protocol):
    """A part that only runs: server, stats collector, eviction."""

    async def run(self) -> None: ...
