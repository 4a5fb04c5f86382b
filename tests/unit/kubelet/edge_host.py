"""The kubelet's core as its edges see it: pods, containers and a runtime that a test writes down."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pinnace.kubelet.allocation import Allocation
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.counts import Counts
from pinnace.kubelet.cri.runtime import (
    ContainerState,
    ContainerStats,
    ContainerStatus,
    CriError,
    ExecResult,
    FilesystemUsage,
    SandboxStatus,
)
from pinnace.kubelet.stats.claims import ClaimUsage

Object = dict[str, Any]


class Table:
    def __init__(self, pods: list[Object]) -> None:
        self.all = pods

    def __iter__(self) -> Iterator[Object]:
        return iter(self.all)

    def get(self, uid: str) -> Object | None:
        return next((pod for pod in self.all if pod["metadata"]["uid"] == uid), None)

    def by_name(self, namespace: str, name: str) -> Object | None:
        wanted = (namespace, name)
        return next(
            (pod for pod in self.all if (pod["metadata"]["namespace"], pod["metadata"]["name"]) == wanted),
            None,
        )


class EdgeHost:
    """Fulfils `KubeletHost` and the part of `ContainerRuntime` that the edges use."""

    def __init__(self, tmp: Path, **config: Any) -> None:
        config = {"node_name": "node-1", "node_ip": "127.0.0.1", "port": 0, **config}
        self.config = KubeletConfig(root_dir=tmp, pod_logs_dir=tmp / "logs", **config)
        self.pods = Table([])
        self.runtime = self
        self.found: dict[str, list[ContainerStatus]] = {}
        self.statuses: dict[str, Object] = {}
        self.streaming_url = ""
        self.asked: list[tuple[Any, ...]] = []
        self.evicted: list[tuple[str, str, list[Object]]] = []
        self.conditions: dict[str, Object] = {}
        self.graces: list[int] = []
        self.all_pods_memory = 1 << 40
        self.stats: list[ContainerStats] = []
        self.claims: list[ClaimUsage] = []
        self.counts = Counts()

    def add(self, name: str = "web", *containers: str, **spec: Any) -> Object:
        """A pod whose containers run, with logs under `tmp`."""
        uid = f"uid-{name}"
        names = containers or ("c",)
        pod = {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": [{"name": one, "image": "app"} for one in names], **spec},
        }  # fmt: skip
        self.pods.all.append(pod)
        self.found[uid] = [
            ContainerStatus(
                f"{name}-{one}", one, 0, ContainerState.RUNNING, 1, started_at=1_700_000_000_000_000_000,
                image="app", log_path=str(self.log_path(pod, one, 0)),
            )
            for one in names
        ]  # fmt: skip
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        self.statuses[uid] = {
            "phase": "Running",
            "startTime": "2026-01-01T00:00:00Z",
            "containerStatuses": [
                {"name": one, "containerID": f"containerd://{name}-{one}", "state": running} for one in names
            ],
        }
        return pod

    def allocations(self) -> list[Allocation]:
        return []

    def pod_status(self, uid: str) -> Object | None:
        return self.statuses.get(uid)

    def containers(self, uid: str) -> list[ContainerStatus]:
        return self.found.get(uid, [])

    def container(self, uid: str, name: str, *, previous: bool = False) -> ContainerStatus | None:
        return next((one for one in self.containers(uid) if one.name == name), None)

    def sandbox(self, uid: str) -> SandboxStatus | None:
        return SandboxStatus(f"box-{uid}", "n", "ns", uid, 0, True, 1) if uid in self.found else None

    def volume_dir(self, uid: str, plugin: str, volume: str) -> Path:
        return self.config.root_dir / "pods" / uid / "volumes" / plugin / volume

    async def claim_usage(self, pod: Object) -> list[ClaimUsage]:
        return self.claims

    def log_path(self, pod: Object, container: str, restart_count: int) -> Path:
        return self.config.pod_logs_dir / pod["metadata"]["name"] / container / f"{restart_count}.log"

    def pod_cgroup(self, pod: Object) -> str:
        return f"/pinnace/kubepods/pod{pod['metadata']['uid']}"

    async def evict(
        self, uid: str, message: str, *, grace_period_seconds: int = 0, conditions: Any = ()
    ) -> None:
        self.evicted.append((uid, message, list(conditions)))
        self.graces.append(grace_period_seconds)
        self.found.pop(uid, None)
        self.statuses[uid] = {"phase": "Failed"}

    def all_pods_group(self) -> tuple[str, int]:
        return "/kubepods", self.all_pods_memory

    def set_node_condition(self, condition: Object) -> None:
        self.conditions[condition["type"]] = condition

    async def container_status(self, container_id: str, *, verbose: bool = False) -> ContainerStatus:
        raise CriError("NOT_FOUND", f"no container {container_id}")

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        self.asked.append((container_id, list(command)))
        return ExecResult(b"out", b"", 0)

    async def exec(self, container_id: str, command: Sequence[str], **wanted: bool) -> str:
        self.asked.append(("exec", container_id, list(command), wanted))
        return f"{self.streaming_url}/exec/token"

    async def attach(self, container_id: str, **wanted: bool) -> str:
        self.asked.append(("attach", container_id, wanted))
        return f"{self.streaming_url}/attach/token"

    async def port_forward(self, sandbox_id: str, ports: Sequence[int]) -> str:
        self.asked.append(("port_forward", sandbox_id, list(ports)))
        return f"{self.streaming_url}/portforward/token"

    async def list_container_stats(self, *, labels: Any = None) -> list[ContainerStats]:
        return self.stats

    async def image_fs_info(self) -> list[FilesystemUsage]:
        return [FilesystemUsage(str(self.config.root_dir), 1, 5000, 7)]

    async def sandbox_status(self, sandbox_id: str, *, verbose: bool = False) -> SandboxStatus:
        return SandboxStatus(sandbox_id, "n", "ns", "u", 0, True, 1, info={"info": '{"pid": 42}'})
