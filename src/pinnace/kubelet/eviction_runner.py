"""Watches the node's memory, disk and process ids, and evicts pods, one at a time, while a threshold asks for it.

Every ten seconds it reads a few files of /proc and asks for the free space: the usage of pods is measured only when one has to
go. Before pods are evicted for lack of disk, `reclaim_disk` (collection of images and dead containers) gets its chance.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable

from pinnace.api import meta
from pinnace.api.core import pods as core_pods
from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.kubelet import eviction, eviction_storage
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerStats, CriError
from pinnace.kubelet.eviction import MetThreshold, PodConsumption
from pinnace.kubelet.eviction_thresholds import (
    ALLOCATABLE,
    DISK_PRESSURE,
    Observation,
    Threshold,
    Watch,
    thresholds,
)
from pinnace.kubelet.stats.provider import StatsProvider

log = logging.getLogger(__name__)

MONITORING_SECONDS = 10.0
STORAGE_SECONDS = 30.0  # how often the disk usage of pods with limits is measured
CLEANUP_SECONDS = 30.0  # how long to wait for an evicted pod to be gone
GRACE_PERIOD_SECONDS = 1


class Eviction:
    """`refuses(pod)` belongs into the kubelet's admission: a node under pressure takes fewer pods."""

    def __init__(
        self,
        host: KubeletHost,
        clock: Clock,
        events: EventRecorder,
        stats: StatsProvider,
        *,
        reclaim_disk: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._host, self._clock, self._events, self._stats = host, clock, events, stats
        self._reclaim_disk = reclaim_disk
        self._thresholds = thresholds(host.config)
        self._watch = Watch()
        self._pressures: set[str] = set()
        self._storage_checked = float("-inf")
        self._evicted: set[str] = set()

    def refuses(self, pod: Object) -> tuple[str, str] | None:
        """(reason, message) for a pod that must not start now."""
        return eviction.refusal(pod, self._pressures)

    async def run(self) -> None:
        self._show_conditions(self._pressures)
        while True:
            try:
                evicted = await self.synchronize()
                for uid in evicted:
                    await self._wait_gone(uid)
            except (OSError, CriError):
                log.exception("eviction could not look at the node")
                evicted = []
            if not evicted:
                await self._clock.sleep(MONITORING_SECONDS)

    async def synchronize(self) -> list[str]:
        """One look at the node; the uids of the pods that were evicted."""
        observed = await self._observe()
        acting = self._watch.look(self._thresholds, observed, self._clock.monotonic())
        self._show_pressures()
        if over := await self._evict_over_limits():
            return over
        if not acting:
            return []
        threshold = acting[0]
        node = {"kind": "Node", "apiVersion": "v1", "name": self._host.config.node_name}
        node["uid"] = self._host.config.node_name
        text = f"Attempting to reclaim {threshold.resource}"
        self._events.event(node, "Warning", "EvictionThresholdMet", text)
        if threshold.condition == DISK_PRESSURE and self._reclaim_disk is not None:
            await self._reclaim_disk()
            again = await self._observe()
            if not any(one.is_met(again, with_reclaim=True) for one in self._thresholds):
                return []
        return await self._evict_one(threshold, eviction.as_met(threshold, observed))

    async def _observe(self) -> dict[str, Observation]:
        node = self._stats.proc.node_usage()
        memory = self._stats.proc.meminfo()["MemTotal"]
        processes, most = self._stats.proc.processes()
        nodefs, imagefs = self._stats.node_filesystem(), await self._stats.image_filesystem()
        group, limit = self._host.all_pods_group()
        used = self._stats.working_set(group)
        return {
            ALLOCATABLE: Observation(max(0, limit - used), limit),
            "memory.available": Observation(max(0, memory - node.memory.working_set), memory),
            "nodefs.available": Observation(nodefs.available, nodefs.capacity),
            "nodefs.inodesFree": Observation(nodefs.inodes_free, nodefs.inodes),
            "imagefs.available": Observation(imagefs.available, imagefs.capacity),
            "imagefs.inodesFree": Observation(imagefs.inodes_free, imagefs.inodes),
            "containerfs.available": Observation(imagefs.available, imagefs.capacity),
            "containerfs.inodesFree": Observation(imagefs.inodes_free, imagefs.inodes),
            "pid.available": Observation(max(0, most - processes), most),
        }

    def _show_pressures(self) -> None:
        transition = self._host.config.eviction_pressure_transition_seconds
        current = self._watch.pressures(self._clock.monotonic(), transition)
        if current != self._pressures:
            self._show_conditions(current)
        self._pressures = current

    def _show_conditions(self, holding: set[str]) -> None:
        for kind in eviction.WORDS:
            self._host.set_node_condition(eviction.node_condition(kind, holds=kind in holding))

    def _active(self) -> list[Object]:
        """Pods that may go, those that wait for an image included, but not those that are on their way already."""
        found, here = [], list(self._host.pods)
        self._evicted &= {meta.uid(pod) for pod in here}
        for pod in here:
            if meta.uid(pod) in self._evicted:
                continue
            status = self._host.pod_status(meta.uid(pod)) or pod.get("status")
            current = {**pod, "status": status or {}}
            if eviction.may_be_evicted(current):
                found.append(pod)
        return found

    async def _evict_over_limits(self) -> list[str]:
        """Pods that keep more on the node's disk than they may."""
        now = self._clock.monotonic()
        limited = [pod for pod in self._active() if eviction_storage.has_limits(pod)]
        if not limited or now - self._storage_checked < STORAGE_SECONDS:
            return []
        self._storage_checked = now
        layers = await self._layers()
        evicted = []
        for pod in limited:
            signal, message = eviction_storage.excess(pod, await self._stats.disk(pod, layers, fresh=True))
            if message:
                await self._evict(pod, signal, message)
                evicted.append(meta.uid(pod))
        return evicted

    async def _evict_one(self, threshold: Threshold, met: MetThreshold) -> list[str]:
        active = self._active()
        usage = await self._usage(active, threshold.resource)
        for pod in eviction.ranked(active, usage, threshold.resource):
            uid = meta.uid(pod)
            text = eviction.eviction_message(pod, met, usage.get(uid))
            await self._evict(pod, threshold.signal, text, self._grace(pod, threshold))
            return [uid]
        log.warning("%s is short, but there is no pod to evict", threshold.resource)
        return []

    def _grace(self, pod: Object, threshold: Threshold) -> int:
        """A hard threshold leaves a second; a soft one what the settings and the pod allow."""
        most = self._host.config.eviction_max_pod_grace_period
        if not threshold.grace_seconds:
            return GRACE_PERIOD_SECONDS
        own = core_pods.grace_period_seconds(pod)
        return max(own if most < 0 else min(own, most), GRACE_PERIOD_SECONDS)

    async def _evict(self, pod: Object, signal: str, message: str, grace: int = GRACE_PERIOD_SECONDS) -> None:
        self._evicted.add(meta.uid(pod))
        self._host.counts.evictions[signal] += 1
        self._events.event(pod, "Warning", "Evicted", message)
        conditions = [eviction.disruption_condition(message)]
        await self._host.evict(meta.uid(pod), message, grace_period_seconds=grace, conditions=conditions)

    async def _usage(self, pods: Iterable[Object], resource: str) -> dict[str, PodConsumption]:
        if resource == "memory":
            return await self._memory()
        if resource == "pids":
            counted = ((meta.uid(pod), self._stats.process_count(pod)) for pod in pods)
            return {uid: PodConsumption(processes=count) for uid, count in counted if count is not None}
        layers = await self._layers()
        return {meta.uid(pod): await self._disk(pod, layers) for pod in pods}

    async def _memory(self) -> dict[str, PodConsumption]:
        sample = await self._stats.quick_sample()
        return {
            pod.uid: PodConsumption(
                memory=pod.usage.memory.working_set,
                containers={one.name: {"memory": one.usage.memory.working_set} for one in pod.containers},
            )
            for pod in sample.pods
        }

    async def _disk(self, pod: Object, layers: list[ContainerStats]) -> PodConsumption:
        disk = await self._stats.disk(pod, layers, fresh=True)
        by_container: dict[str, dict[str, int]] = {}
        for part in (disk.logs, disk.layers):
            for name, use in part.items():
                used = by_container.setdefault(name, {"ephemeral-storage": 0})
                used["ephemeral-storage"] += use.bytes
        return PodConsumption(disk=disk.total.bytes, inodes=disk.total.inodes, containers=by_container)

    async def _layers(self) -> list[ContainerStats]:
        return await self._host.runtime.list_container_stats()

    async def _wait_gone(self, uid: str) -> None:
        """Until its containers have ended, so that the next look sees what it gave back."""
        until = self._clock.monotonic() + CLEANUP_SECONDS
        while self._clock.monotonic() < until:
            if all(container.state.name != "RUNNING" for container in self._host.containers(uid)):
                return
            await self._clock.sleep(0.25)
        log.warning("pod %s still runs %.0f s after it was evicted", uid, CLEANUP_SECONDS)
