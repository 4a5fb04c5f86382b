"""What the kubelet tidies now and then: pods that the API forgot, dead containers and sandboxes, long logs, lost directories."""

import asyncio
import contextlib
import logging
import shutil
from pathlib import Path

from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.runtime import ContainerRuntime, ContainerState, ContainerStatus, CriError
from pinnace.kubelet.log_rotation import needs_rotation, rotate
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.pod_end import PodEnder
from pinnace.kubelet.pod_record import PodPaths
from pinnace.kubelet.pod_runtime import PodRuntime, restart_count
from pinnace.kubelet.pod_workers import PodWorkers
from pinnace.kubelet.termination import Terminator, stop_grace
from pinnace.kubelet.volumes.plugin import MountError
from pinnace.kubelet.volumes.set import CsiRemains
from pinnace.net.grpc_sockets import RpcError

log = logging.getLogger(__name__)

CLEAN_SECONDS, ROTATE_SECONDS = 15.0, 10.0


class Housekeeping:
    def __init__(
        self,
        *,
        config: KubeletConfig,
        clock: Clock,
        runtime: ContainerRuntime,
        pleg: Pleg,
        workers: PodWorkers,
        ender: PodEnder,
        terminator: Terminator,
        cgroups: PodCgroups,
        paths: PodPaths,
        csi: CsiRemains | None = None,
    ) -> None:
        self._csi = csi
        self._hurry = asyncio.Event()
        self._config, self._clock, self._runtime, self._pleg = config, clock, runtime, pleg
        self._workers, self._ender, self._terminator = workers, ender, terminator
        self._cgroups, self._paths = cgroups, paths

    async def run(self) -> None:
        """The API's pods are known when this starts; what is not among them is an orphan."""
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_running("cleaning", self._clean_for_ever, self._clock))
            group.create_task(keep_running("log rotation", self._rotate_for_ever, self._clock))

    async def _clean_for_ever(self) -> None:
        while True:
            self._hurry.clear()
            await self.clean()
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._hurry.wait(), CLEAN_SECONDS)

    def hurry(self) -> None:
        """Something that was in the way of cleaning may be so no more."""
        self._hurry.set()

    async def clean(self) -> None:
        self._workers.sweep()
        for pod in self._pleg:
            try:
                if self._workers.record(pod.uid) is None:
                    await self.end_orphan(pod)
                else:
                    await self._collect(pod)
            except CriError as error:
                log.warning("cleaning pod %s: %s", pod.uid, error)
        await self._remove_directories()
        if self._csi is not None:
            await self._csi.unstage_unused()
        known = {record.uid for record in self._workers.records()} | {pod.uid for pod in self._pleg}
        for group in self._cgroups.leftovers(known):
            self._cgroups.remove_group(group)

    async def end_others(self, key: tuple[str, str], uid: str) -> None:
        """End pods of this name that an earlier kubelet started and that are not this one."""
        for pod in self._pleg:
            if (pod.namespace, pod.name) == key and pod.uid != uid and self._workers.record(pod.uid) is None:
                await self.end_orphan(pod)

    async def end_orphan(self, pod: PodRuntime) -> None:
        """The API forgot this pod while the kubelet was away."""
        log.info("ending pod %s/%s, which the API does not know", pod.namespace, pod.name)
        grace = min((stop_grace(None, one) for one in pod.running), default=0)
        await self._terminator.end_pod(None, pod, grace)
        await self._ender.remove_from_runtime(await self._pleg.refresh(pod.uid))
        await self._pleg.refresh(pod.uid)
        logs = self._config.pod_logs_dir / f"{pod.namespace}_{pod.name}_{pod.uid}"
        await asyncio.to_thread(shutil.rmtree, logs, ignore_errors=True)

    async def _collect(self, pod: PodRuntime) -> None:
        """Keep the newest dead container of each name (its log is `--previous`), and the sandboxes still in use."""
        removed = False
        for found in pod.by_name.values():
            for old in dead_to_remove(found):
                await self._runtime.remove_container(old.id)
                self._remove_logs(pod, old)
                removed = True
        used = {one.sandbox_id for one in pod.containers}
        for sandbox in pod.sandboxes[1:]:
            if not sandbox.is_ready and sandbox.id not in used:
                await self._runtime.remove_sandbox(sandbox.id)
                removed = True
        if removed:
            await self._pleg.refresh(pod.uid)

    async def remove_dead(self) -> None:
        """Every dead container that the pod's status does not need: of each name the newest stays."""
        for pod in self._pleg:
            dead = [
                old
                for found in pod.by_name.values()
                for old in found[1:]
                if old.state == ContainerState.EXITED
            ]
            for old in dead:
                await self._runtime.remove_container(old.id)
                self._remove_logs(pod, old)
            if dead:
                await self._pleg.refresh(pod.uid)

    def _log_file(self, pod: PodRuntime, status: ContainerStatus) -> Path:
        directory = self._config.pod_logs_dir / f"{pod.namespace}_{pod.name}_{pod.uid}" / status.name
        return directory / f"{restart_count(status)}.log"

    def _remove_logs(self, pod: PodRuntime, status: ContainerStatus) -> None:
        file = self._log_file(pod, status)
        for part in file.parent.glob(f"{file.name}*"):
            part.unlink(missing_ok=True)

    async def _remove_directories(self) -> None:
        """Directories of pods that neither the API nor the runtime knows."""
        root = self._paths.root / "pods"
        names = [entry.name for entry in root.iterdir()] if root.is_dir() else []
        for uid in names:
            if self._workers.record(uid) is None and self._pleg.get(uid).is_empty:
                try:
                    await self._ender.remove_directory(uid)
                except (MountError, RpcError, OSError) as error:
                    log.warning("directory of pod %s not removed: %s", uid, error)

    async def _rotate_for_ever(self) -> None:
        while True:
            await self._clock.sleep(ROTATE_SECONDS)
            await self.rotate_logs()

    async def rotate_logs(self) -> None:
        for pod in self._pleg:
            for status in pod.running:
                await self._rotate(pod, status)

    async def _rotate(self, pod: PodRuntime, status: ContainerStatus) -> None:
        file = self._log_file(pod, status)
        if not needs_rotation(file, self._config.container_log_max_bytes):
            return
        moved = rotate(file, self._config.container_log_max_files, self._clock.now())
        try:
            await self._runtime.reopen_container_log(status.id)
        except CriError as error:
            log.warning("log of container %s not reopened: %s", status.id[:13], error)
            moved.rename(file)


def dead_to_remove(newest_first: list[ContainerStatus]) -> list[ContainerStatus]:
    """All dead ones but the newest dead one; the newest of all is never removed."""
    dead = [one for one in newest_first if one.state in (ContainerState.EXITED, ContainerState.UNKNOWN)]
    kept = 2 if dead and dead[0] is newest_first[0] else 1
    return dead[kept:]
