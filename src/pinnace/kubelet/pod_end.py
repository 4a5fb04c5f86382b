"""The end of one pod: stop what runs, take its volumes and groups away, let go of its API object and of what the runtime keeps."""

import logging
import shutil

from pinnace.api import meta
from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import Conflict, NotFound
from pinnace.client.events import EventRecorder
from pinnace.client.interface import Client
from pinnace.kubelet.backoff import Backoff
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.contracts import ProbeManager
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError
from pinnace.kubelet.cri_config import pod_log_dir
from pinnace.kubelet.image_volumes import ImageVolumes
from pinnace.kubelet.images import Images
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.pod_record import PodPaths, PodRecord
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.status_reporter import StatusReporter
from pinnace.kubelet.termination import Terminator
from pinnace.kubelet.volumes.set import CsiRemains, tear_down

log = logging.getLogger(__name__)


class PodEnder:
    """Implements `pod_workers.PodEnding`."""

    def __init__(
        self,
        *,
        client: Client,
        config: KubeletConfig,
        runtime: ContainerRuntime,
        pleg: Pleg,
        terminator: Terminator,
        reporter: StatusReporter,
        images: Images,
        backoff: Backoff,
        objects: ReferencedObjects,
        cgroups: PodCgroups,
        paths: PodPaths,
        probes: ProbeManager | None,
        recorder: EventRecorder,
        image_volumes: ImageVolumes,
        csi: CsiRemains | None = None,
    ) -> None:
        self._csi = csi
        self._client, self._config, self._runtime, self._pleg = client, config, runtime, pleg
        self._terminator, self._reporter, self._images = terminator, reporter, images
        self._backoff, self._objects, self._cgroups = backoff, objects, cgroups
        self._paths, self._probes, self._recorder = paths, probes, recorder
        self._image_volumes = image_volumes

    async def end(self, record: PodRecord, grace: int) -> None:
        if self._probes is not None:
            self._probes.stop_liveness(record.uid)
        runtime = await self._pleg.refresh(record.uid)
        self._reporter.report(record, runtime)
        try:
            await self._terminator.end_pod(record.pod, runtime, grace)
        except CriError as error:
            text = f"error killing pod: {error}"
            self._recorder.event(record.pod, "Warning", "FailedKillPod", text)
            raise
        runtime = await self._pleg.refresh(record.uid)
        if runtime.running:
            raise RuntimeError("containers still run after they were stopped")
        self._reporter.report(record, runtime)

    async def clean_up(self, record: PodRecord) -> None:
        if self._probes is not None:
            self._probes.remove_pod(record.uid)
        self._reporter.report(record, self._pleg.get(record.uid))
        self._objects.release(record.uid)
        await self.remove_directory(record.uid)
        self._cgroups.remove(record.pod)
        await self._reporter.flush(record)

    async def remove_directory(self, uid: str) -> None:
        await self._image_volumes.release(uid)
        await tear_down(self._paths.pod(uid), self._csi)

    async def forget(self, record: PodRecord) -> None:
        pod, uid = record.pod, record.uid
        if not record.is_gone_from_api:
            try:
                await self._client.delete(
                    PODS, meta.name(pod), meta.namespace(pod), grace_period_seconds=0, uid=uid
                )
            except (NotFound, Conflict) as error:
                log.debug("pod %s is gone already: %s", meta.key_text(pod), error)
        await self.remove_from_runtime(self._pleg.get(uid))
        self._cgroups.remove(pod)
        shutil.rmtree(pod_log_dir(self._config.pod_logs_dir, pod), ignore_errors=True)
        self._images.forget(uid)
        self._backoff.forget(f"{uid}_")
        self._reporter.forget(uid)

    async def remove_from_runtime(self, runtime: PodRuntime) -> None:
        for container in runtime.containers:
            await self._runtime.remove_container(container.id)
        for sandbox in runtime.sandboxes:
            await self._runtime.stop_sandbox(sandbox.id)
            await self._runtime.remove_sandbox(sandbox.id)
