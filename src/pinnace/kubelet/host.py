"""What the edges may ask of the kubelet and have it do (`contracts.KubeletHost`): server, probes, statistics, eviction, shutdown."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.kubelet.allocation import Allocation
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.contracts import PodTable
from pinnace.kubelet.counts import Counts
from pinnace.kubelet.cri.runtime import (
    ContainerRuntime,
    ContainerState,
    ContainerStatus,
    CriError,
    SandboxStatus,
)
from pinnace.kubelet.cri_config import pod_log_dir
from pinnace.kubelet.node_agent import NodeAgent
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.pod_parts import PodParts
from pinnace.kubelet.pod_record import PodPaths, PodRecord
from pinnace.kubelet.pod_workers import PodWorkers
from pinnace.kubelet.stats.claims import ClaimStats, ClaimUsage
from pinnace.kubelet.termination import stop_grace

log = logging.getLogger(__name__)


class Host:
    """Implements `contracts.KubeletHost` and `shutdown.manager.Ending`. `parts` is what works on pods right now."""

    def __init__(
        self, *, config: KubeletConfig, runtime: ContainerRuntime, pleg: Pleg, paths: PodPaths, cgroups: PodCgroups,
        facts: NodeFacts, claim_stats: ClaimStats, node_agent: NodeAgent, parts: Callable[[], PodParts], counts: Counts,
    ) -> None:  # fmt: skip
        self.config, self.runtime, self.counts = config, runtime, counts
        self._pleg, self._paths, self._cgroups, self._facts = pleg, paths, cgroups, facts
        self._claim_stats, self._node_agent, self._parts = claim_stats, node_agent, parts
        self.tasks: asyncio.TaskGroup | None = None  # while the kubelet runs

    # -- what there is -------------------------------------------------------------------------------------------
    @property
    def pods(self) -> PodTable:
        return PodView(self._parts().workers)

    def pod_status(self, uid: str) -> Object | None:
        record = self._record(uid)
        return record.status if record else None

    def containers(self, uid: str) -> list[ContainerStatus]:
        return list(self._pleg.get(uid).containers)

    def sandbox(self, uid: str) -> SandboxStatus | None:
        return self._pleg.get(uid).ready_sandbox

    def container(self, uid: str, name: str, *, previous: bool = False) -> ContainerStatus | None:
        runtime = self._pleg.get(uid)
        return runtime.previous(name) if previous else runtime.newest(name)

    async def claim_usage(self, pod: Object) -> list[ClaimUsage]:
        return await self._claim_stats.of_pod(pod)

    def allocations(self) -> list[Allocation]:
        return [one.allocation for one in self._parts().workers.records() if one.allocation is not None]

    def pod_dir(self, uid: str) -> Path:
        return self._paths.pod(uid)

    def volume_dir(self, uid: str, plugin: str, volume: str) -> Path:
        return self._paths.volume(uid, plugin, volume)

    def log_path(self, pod: Object, container: str, restart_count: int) -> Path:
        return pod_log_dir(self.config.pod_logs_dir, pod) / container / f"{restart_count}.log"

    def pod_cgroup(self, pod: Object) -> str:
        return self._cgroups.path(pod)

    def all_pods_group(self) -> tuple[str, int]:
        return self._cgroups.root, self._facts.all_pods_settings()["memory_limit"]

    def _record(self, uid: str) -> PodRecord | None:
        return self._parts().workers.record(uid)

    # -- what it can have done -----------------------------------------------------------------------------------
    def restart_container(
        self,
        uid: str,
        container_id: str,
        reason: str,
        message: str,
        *,
        grace_period_seconds: int | None = None,
    ) -> None:
        status = next((one for one in self.containers(uid) if one.id == container_id), None)
        record = self._record(uid)
        if status is None or record is None or self.tasks is None or status.state != ContainerState.RUNNING:
            return
        log.info("container %s of pod %s: %s", status.name, meta.key_text(record.pod), reason)
        grace = stop_grace(record.pod, status) if grace_period_seconds is None else grace_period_seconds
        self.tasks.create_task(self._stop_container(record, status, message, grace))

    async def _stop_container(
        self, record: PodRecord, status: ContainerStatus, message: str, grace: int
    ) -> None:
        terminator = self._parts().terminator
        try:
            await terminator.stop(
                record.pod, status, self._pleg.get(record.uid), grace=grace, message=message
            )
            await self._pleg.refresh(record.uid)
        except CriError as error:
            log.warning("container %s was not stopped: %s", status.id[:13], error)
        self._parts().workers.wake(record.uid)

    def probe_changed(self, uid: str) -> None:
        record = self._record(uid)
        if record is not None and not record.has_ended:
            self._report(record)

    async def evict(
        self, uid: str, message: str, *, grace_period_seconds: int = 0, conditions: Iterable[Object] = ()
    ) -> None:
        self.fail(uid, ("Evicted", message), grace_period_seconds, conditions)

    async def end_pod(
        self, uid: str, reason: str, message: str, *, grace_period_seconds: int, conditions: Iterable[Object]
    ) -> None:
        self.fail(uid, (reason, message), grace_period_seconds, conditions)
        await self._parts().workers.ended(uid)

    def fail(
        self, uid: str, why: tuple[str, str], grace: int | None, conditions: Iterable[Object] = ()
    ) -> None:
        """End a pod for a reason of the node's own; without `grace` it has the time that its spec gives."""
        record = self._record(uid)
        if record is None:
            return
        record.failed, record.grace_override, record.extra_conditions = why, grace, tuple(conditions)
        self._report(record)

    def _report(self, record: PodRecord) -> None:
        self._parts().reporter.report(record, self._pleg.get(record.uid))
        self._parts().workers.wake(record.uid)

    def set_node_condition(self, condition: Object) -> None:
        self._node_agent.set_condition(condition)


class PodView:
    """The pods of this node, by uid and by name. Implements `contracts.PodTable`."""

    def __init__(self, workers: PodWorkers) -> None:
        self._workers = workers

    def __iter__(self) -> Iterator[Object]:
        return iter([record.pod for record in self._workers.records()])

    def get(self, uid: str) -> Object | None:
        record = self._workers.record(uid)
        return record.pod if record else None

    def by_name(self, namespace: str, name: str) -> Object | None:
        """The newest of that name: an old one may still be ending."""
        found = [pod for pod in self if meta.key(pod) == (namespace, name)]
        return found[-1] if found else None
