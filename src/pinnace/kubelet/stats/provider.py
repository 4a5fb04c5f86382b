"""`StatsProvider`: measures when asked. A sample is good for two seconds; rates come from the sample before.

When the last sample is too old for a rate that says something about now, two are taken, half a second apart: the first
`kubectl top` already shows numbers, and nobody measures while nobody asks.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pinnace.api import meta
from pinnace.apimachinery.times import parse_time
from pinnace.client.interface import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStats, ContainerStatus, CriError
from pinnace.kubelet.stats.cgroups import CgroupFiles
from pinnace.kubelet.stats.proc import Proc, disk_usage, filesystem
from pinnace.kubelet.stats.rates import has_newcomers, with_rates
from pinnace.kubelet.stats.usage import ContainerUsage, Filesystem, Memory, Network, PodUsage, Sample, Usage

FRESH_SECONDS, OLD_SECONDS, APART_SECONDS = 2.0, 60.0, 0.5
DISK_SECONDS = 60.0
EMPTY_DIR = "kubernetes.io~empty-dir"


@dataclass(frozen=True, slots=True)
class DiskUse:
    bytes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class PodDisk:
    """What a pod keeps on the node's disk: volumes by name, logs and writable layers by container."""

    time: datetime
    volumes: dict[str, DiskUse]
    logs: dict[str, DiskUse]
    layers: dict[str, DiskUse]

    @property
    def total(self) -> DiskUse:
        parts = [*self.volumes.values(), *self.logs.values(), *self.layers.values()]
        return DiskUse(sum(part.bytes for part in parts), sum(part.inodes for part in parts))


class StatsProvider:
    def __init__(
        self, host: KubeletHost, clock: Clock, *, cgroups: CgroupFiles | None = None, proc: Proc | None = None
    ) -> None:
        self._host, self._clock = host, clock
        self._cgroups = cgroups or CgroupFiles.found()
        self.proc = proc or Proc()
        self._last: Sample | None = None
        self._measuring = asyncio.Lock()
        self._pids: dict[str, int] = {}  # sandbox id -> its process
        self._disk: dict[str, tuple[float, PodDisk]] = {}

    async def sample(self) -> Sample:
        """Usage with rates where two samples know them."""
        async with self._measuring:
            last, now = self._last, self._clock.monotonic()
            if last is not None and now - last.monotonic < FRESH_SECONDS and self._knows_all(last):
                return last
            new = await self._measure()
            if last is None or now - last.monotonic > OLD_SECONDS or has_newcomers(last, new):
                last = new
                await self._clock.sleep(APART_SECONDS)
                new = await self._measure()
            self._last = with_rates(last, new)
            return self._last

    def _knows_all(self, sample: Sample) -> bool:
        """Whether no container was started since: a pod that just started must not be missing from `kubectl top`."""
        known = {container.id for pod in sample.pods for container in pod.containers}
        return all(container.id in known for pod in self._host.pods for container in self._running(pod))

    async def quick_sample(self) -> Sample:
        """Without waiting for rates: for eviction and metrics, which only want totals."""
        async with self._measuring:
            last = self._last
            if last is not None and self._clock.monotonic() - last.monotonic < FRESH_SECONDS:
                return last
            return await self._measure()

    def node_filesystem(self) -> Filesystem:
        return filesystem(self._host.config.root_dir)

    async def image_filesystem(self) -> Filesystem:
        """The filesystem where images live; `used` is what images use."""
        for info in await self._host.runtime.image_fs_info():
            with contextlib.suppress(OSError):
                return replace(filesystem(Path(info.mountpoint)), used=info.used_bytes)
        return self.node_filesystem()

    async def network(self, pod: Object) -> list[Network]:
        """The pod's interfaces; [] in the host's network or when its sandbox is gone."""
        sandbox = self._host.sandbox(meta.uid(pod))
        if sandbox is None or sandbox.on_host_network or pod["spec"].get("hostNetwork"):
            return []
        if (pid := self._pids.get(sandbox.id)) is None:
            try:
                status = await self._host.runtime.sandbox_status(sandbox.id, verbose=True)
                pid = int(json.loads(status.info.get("info", "{}")).get("pid", 0))
            except (CriError, ValueError):
                return []
            if len(self._pids) > 1000:
                self._pids.clear()
            self._pids[sandbox.id] = pid
        return self.proc.network(pid) if pid else []

    def working_set(self, group: str) -> int:
        """Bytes that a control group cannot give back; 0 when it is gone."""
        usage = self._cgroups.usage(group)
        return usage.memory.working_set if usage else 0

    def process_count(self, pod: Object) -> int | None:
        return self._cgroups.processes(self._host.pod_cgroup(pod))

    async def disk(
        self, pod: Object, layers: Iterable[ContainerStats] = (), *, fresh: bool = False
    ) -> PodDisk:
        """Walks emptyDirs and logs at most once a minute per pod, in a thread."""
        uid, now = meta.uid(pod), self._clock.monotonic()
        known = self._disk.get(uid)
        if known is not None and not fresh and now - known[0] < DISK_SECONDS:
            return known[1]
        volumes = {
            volume["name"]: self._host.volume_dir(uid, EMPTY_DIR, volume["name"])
            for volume in pod["spec"].get("volumes") or ()
            if "emptyDir" in volume and not volume["emptyDir"].get("medium")
        }
        logs = {
            one["name"]: self._host.log_path(pod, one["name"], 0).parent for one in pod["spec"]["containers"]
        }
        found = PodDisk(
            self._clock.now(),
            await asyncio.to_thread(_walk, volumes),
            await asyncio.to_thread(_walk, logs),
            {
                one.name: DiskUse(one.writable_layer_bytes or 0, one.writable_layer_inodes or 0)
                for one in layers
                if one.labels.get("io.kubernetes.pod.uid") == uid
            },
        )
        living = {meta.uid(one) for one in self._host.pods}
        self._disk = {key: value for key, value in self._disk.items() if key in living}
        self._disk[uid] = now, found
        return found

    async def _measure(self) -> Sample:
        pods = [(pod, self._running(pod)) for pod in self._host.pods]
        reading = [(pod, containers) for pod, containers in pods if containers]
        found = await asyncio.to_thread(self._read, reading)
        return Sample(
            self._clock.now(),
            self._clock.monotonic(),
            self.proc.node_usage(),
            self.proc.meminfo()["MemTotal"],
            tuple(found),
        )

    def _running(self, pod: Object) -> list[ContainerStatus]:
        return [one for one in self._host.containers(meta.uid(pod)) if one.state is ContainerState.RUNNING]

    def _read(self, pods: list[tuple[Object, list[ContainerStatus]]]) -> list[PodUsage]:
        return [self._pod(pod, containers) for pod, containers in pods]

    def _pod(self, pod: Object, running: list[ContainerStatus]) -> PodUsage:
        path = self._host.pod_cgroup(pod)
        containers = []
        for one in running:
            if (usage := self._cgroups.usage(f"{path}/{one.id}")) is not None:
                started = datetime.fromtimestamp(one.started_at / 1e9, UTC)
                containers.append(ContainerUsage(one.id, one.name, started, usage, one.image))
        whole = self._cgroups.usage(path) or _sum(one.usage for one in containers)
        started_at = (pod.get("status") or {}).get("startTime") or pod["metadata"].get("creationTimestamp")
        since = parse_time(started_at) if started_at else self._clock.now()
        return PodUsage(meta.uid(pod), meta.namespace(pod), meta.name(pod), since, whole, tuple(containers))


def _sum(usages: Iterable[Usage]) -> Usage:
    cpu = usage = working_set = rss = 0
    for one in usages:
        cpu, usage = cpu + one.cpu_nanos, usage + one.memory.usage
        working_set, rss = working_set + one.memory.working_set, rss + one.memory.rss
    return Usage(cpu, Memory(usage, working_set, rss))


def _walk(directories: dict[str, Path]) -> dict[str, DiskUse]:
    return {name: DiskUse(*disk_usage(path)) for name, path in directories.items()}
