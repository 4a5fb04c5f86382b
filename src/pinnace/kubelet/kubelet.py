"""The kubelet put together: what runs, in which order it starts, and what its edges may ask (`contracts.KubeletHost`).

Start: look at the runtime (so that running containers are adopted, not restarted), then take pods from the API.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnace.api import meta
from pinnace.api.core import pods as core_pods
from pinnace.api.meta import Object
from pinnace.api.resources import PODS, SERVICES
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.kubelet import preemption
from pinnace.kubelet.admission import Abilities, Refusal, alive, refusal, shortages
from pinnace.kubelet.cgroups.hierarchy import Hierarchy, detect
from pinnace.kubelet.cgroups.pods import PodCgroups, node_rules
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.contracts import LifecycleHooks, NetworkAdmission, NodeEdge, ProbeManager
from pinnace.kubelet.cri.runtime import (
    ContainerRuntime,
    ContainerState,
    ContainerStatus,
    CriError,
    SandboxStatus,
)
from pinnace.kubelet.cri_config import pod_log_dir
from pinnace.kubelet.csi.drivers import CsiDrivers
from pinnace.kubelet.csi.node_objects import CsiNodeObjects
from pinnace.kubelet.csi.volumes import CsiVolumes
from pinnace.kubelet.devices.manager import AllocationError, DeviceManager
from pinnace.kubelet.devices.pod_resources import PodResources
from pinnace.kubelet.eviction import disruption_condition
from pinnace.kubelet.image_collection import ImageCollector
from pinnace.kubelet.image_records import ImageRecords
from pinnace.kubelet.node_agent import NodeAgent
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.node_status import has_app_armor
from pinnace.kubelet.node_status import labels as node_labels
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.plugin_registration import PluginRegistration
from pinnace.kubelet.pod_parts import PodView, Shared, build
from pinnace.kubelet.pod_record import PodPaths, PodRecord
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.stats.claims import ClaimStats, ClaimUsage
from pinnace.kubelet.status_writer import StatusWriter
from pinnace.kubelet.termination import stop_grace

if TYPE_CHECKING:
    from pinnace.kubelet.shutdown.manager import ShutdownManager, ShutdownSignals
    from pinnace.kubelet.static_pods.mirrors import MirrorPods

log = logging.getLogger(__name__)

PREEMPTION_POLL_SECONDS = 0.1


class Kubelet:
    """Edges are built with the kubelet and handed in through `attach` before `run`."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: KubeletConfig,
        runtime: ContainerRuntime,
        *,
        hierarchy: Hierarchy | None = None,
    ) -> None:
        self.config, self.runtime = config, runtime
        self._client, self._clock = client, clock
        self.recorder = EventRecorder(client, clock, "kubelet", config.node_name)
        self.facts = NodeFacts(config)
        self.paths = PodPaths(config.root_dir)
        hierarchy = hierarchy or detect()
        self.cgroups = PodCgroups(hierarchy, config.cgroup_root, node_rules(config, hierarchy))
        self._pleg = Pleg(runtime, clock, self._woken, config.pleg_relist_seconds)
        self._writer = StatusWriter(client, clock)
        self._objects = ReferencedObjects(client, clock, self._woken)
        self._services = Informer(client, clock, SERVICES)
        self._pods_informer = Informer(
            client, clock, PODS, field_selector=f"spec.nodeName={config.node_name}"
        )
        self.node_agent = NodeAgent(
            client, clock, config, runtime=runtime, pleg=self._pleg, facts=self.facts, recorder=self.recorder
        )
        self.csi_nodes = CsiNodeObjects(client, config.node_name)
        self.csi = CsiVolumes(
            client, clock, CsiDrivers(client, clock, self.csi_nodes, self._driver_came), config.root_dir, config.node_name,
            self.node_agent.report_volumes_in_use, self.recorder,
        )  # fmt: skip
        self.claim_stats = ClaimStats(clock, self.csi, self._objects.bound)
        self._plugins = PluginRegistration(
            config.root_dir / "plugins_registry", clock, {"CSIPlugin": self.csi.drivers}
        )
        self.devices = DeviceManager(
            config.root_dir / "device-plugins", clock, changed=self.node_agent.resources_changed, wake=self._woken,
            is_alive=self._is_alive,
        )  # fmt: skip
        self._pod_resources = PodResources(config.root_dir / "pod-resources", self.devices, self._living)
        self.node_agent.extended = self.devices.amounts
        self._probes: ProbeManager | None = None
        self._edges: list[NodeEdge] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._http: LifecycleHooks | None = None
        self._shutdown: ShutdownManager | None = None
        self._refuses: Callable[[Object], Refusal | None] | None = None
        self._network_admits: NetworkAdmission | None = None
        self._records = ImageRecords(
            config.root_dir, config.image_verification_policy, config.preloaded_images_allowlist
        )
        self.images = ImageCollector(
            config, clock, runtime, self.recorder, self.node_agent.reference(), self._records
        )
        self._assemble()

    def attach(
        self,
        *,
        probes: ProbeManager | None = None,
        http_hooks: LifecycleHooks | None = None,
        edges: Iterable[NodeEdge] = (),
        refuses: Callable[[Object], Refusal | None] | None = None,
        network_admits: NetworkAdmission | None = None,
    ) -> None:
        """Give the kubelet its probe manager, HTTP hooks and further parts that run with it.

        `refuses` is asked before a pod is admitted: eviction keeps pods off a node under pressure. `network_admits` is waited
        for before containers start in a sandbox.
        """
        self._network_admits = network_admits
        self._probes, self._http, self._refuses = probes, http_hooks, refuses
        self._edges.extend(edges)
        self._assemble()

    def handle_shutdown(self, signals: "ShutdownSignals") -> None:
        """Before `run`: end pods gracefully, as the configuration says, when `signals` tells of a shutdown of the node."""
        from pinnace.kubelet.shutdown.manager import ShutdownManager
        from pinnace.kubelet.shutdown.periods import periods

        self._shutdown = ShutdownManager(
            signals, self._clock, periods(self.config), ending=self,
            running=lambda: [record.current() for record in self._workers.records()],
            changed=self._shutdown_changed,
        )  # fmt: skip
        self._edges.append(self._shutdown)

    def _shutdown_changed(self) -> None:
        from pinnace.kubelet.shutdown.manager import NODE_PROBLEM

        is_shutting_down = self._shutdown is not None and self._shutdown.is_shutting_down
        self.node_agent.set_problem(NODE_PROBLEM if is_shutting_down else "")

    def _assemble(self) -> None:
        shared = Shared(
            client=self._client,
            clock=self._clock,
            config=self.config,
            runtime=self.runtime,
            recorder=self.recorder,
            pleg=self._pleg,
            objects=self._objects,
            writer=self._writer,
            facts=self.facts,
            paths=self.paths,
            cgroups=self.cgroups,
            probes=self._probes,
            http_hooks=self._http,
            services=lambda: self._services.lister,
            admit=self._admit,
            network_problem=lambda: self.node_agent.network_problem,
            network_admits=self._network_admits,
            mirror_of=lambda pod: self._mirrors.mirror_of(pod) if self._mirrors else None,
            csi=self.csi,
            records=self._records,
            others=self._others,
            wake=self._woken,
            devices=self.devices,
        )
        parts = build(shared)
        self._terminator, self._reporter, self._workers = parts.terminator, parts.reporter, parts.workers
        self.housekeeping = parts.housekeeping
        self._mirrors: MirrorPods | None = None
        self._view = PodView(parts.workers)

    async def run(self) -> None:
        """Run this node's pods until cancelled; containers go on when it ends."""
        self.cgroups.prepare(self.facts.all_pods_settings())
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = group
                group.create_task(self.recorder.run())
                group.create_task(self._writer.run())
                group.create_task(self._services.run())
                await self._first_look()
                group.create_task(keep_running("node agent", self.node_agent.run, self._clock))
                group.create_task(self._pleg.run())
                await self._start_static_pods(group)
                group.create_task(keep_running("plugins", self._run_plugins, self._clock))
                for edge in (*self._edges, *([self._probes] if self._probes else [])):
                    group.create_task(keep_running(type(edge).__name__, edge.run, self._clock))
                group.create_task(keep_running("device plugins", self.devices.run, self._clock))
                group.create_task(keep_running("pod resources", self._pod_resources.run, self._clock))
                await self._services.wait_synced()
                await self.csi.adopt()
                self._pods_informer.add_handler(self._pod_changed)
                group.create_task(self._pods_informer.run())
                await self._pods_informer.wait_synced()
                group.create_task(keep_running("housekeeping", self.housekeeping.run, self._clock))
                group.create_task(keep_running("image collection", self.images.run, self._clock))
        finally:
            self._workers.stop()
            self._objects.close()
            self.csi.drivers.close()
            self._tasks = None

    async def _start_static_pods(self, group: asyncio.TaskGroup) -> None:
        """They need no API server, so they come before anything that waits for one."""
        if self.config.static_pod_path is None:
            return
        from pinnace.kubelet.static_pods.directory import ManifestDirectory
        from pinnace.kubelet.static_pods.mirrors import MirrorPods
        from pinnace.kubelet.static_pods.runner import StaticPods

        directory = ManifestDirectory(self.config.static_pod_path, self._clock)
        static = StaticPods(
            directory, self.config.node_name, self._clock, self._workers, self.housekeeping, self._mirror_due
        )
        mirrors = self._mirrors = MirrorPods(
            self._client, self._clock, static=static.get, node=lambda: self.node_agent.node,
            on_mirror=self.probe_changed, forget=self._writer.forget,
        )  # fmt: skip
        group.create_task(keep_running("static pods", static.run, self._clock))
        group.create_task(keep_running("mirror pods", mirrors.run, self._clock))
        await static.has_read.wait()

    def _mirror_due(self, key: tuple[str, str]) -> None:
        if self._mirrors is not None:
            self._mirrors.changed(key)

    async def _first_look(self) -> None:
        """Wait for the runtime: without knowing what runs, containers would be started twice."""
        while True:
            await self.node_agent.check_runtime()
            try:
                return await self._pleg.relist()
            except (CriError, TimeoutError) as error:
                log.warning("the container runtime does not answer yet: %s", error)
                if self._client is not None:
                    await self._post_not_ready()
            await self._clock.sleep(1.0)

    async def _post_not_ready(self) -> None:
        try:
            await self.node_agent.post()
        except Exception as error:
            log.warning("node status not posted: %s", error)

    # -- changes -------------------------------------------------------------------------------------------------
    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if (pod := new or old) is not None and core_pods.is_mirror(pod):
            if self._mirrors is not None:
                self._mirrors.observe(old, new)
            return
        if new is None:
            if old is not None:
                self._workers.remove(old)
            return
        if core_pods.is_static(new):  # only the kubelet says so
            new = {**new, "metadata": {**new["metadata"], "annotations": _as_of_api(new)}}
        if old is not None and meta.uid(old) != meta.uid(new):
            self._workers.remove(old)
        self._workers.update(new)

    async def _run_plugins(self) -> None:
        await self.node_agent.wait_registered()
        await self.csi_nodes.create()
        await self._plugins.run()

    def _driver_came(self, name: str) -> None:
        """Pods whose volumes waited for a driver try again, also those that are gone."""
        self.housekeeping.hurry()
        for record in self._workers.records():
            if any({"csi", "persistentVolumeClaim", "ephemeral"} & set(one)
                   for one in record.pod["spec"].get("volumes") or ()):  # fmt: skip
                self._workers.wake(record.uid)

    def _is_alive(self, uid: str) -> bool:
        return self._workers.is_alive(uid)

    def _living(self) -> list[Object]:
        return [record.pod for record in self._workers.records() if not record.has_ended]

    def _woken(self, uid: str) -> None:
        self._workers.wake(uid)

    async def _admit(self, pod: Object) -> Refusal | None:
        """What is known of the node may be minutes old: a pod that does not fit its labels is judged by fresh ones."""
        if (refused := self._closed_to(pod)) is not None:
            return refused
        refused = await self._without_devices(pod) or self._refusal(pod)
        if refused is not None and refused[0] == "NodeAffinity":
            await self.node_agent.refresh()
            refused = self._refusal(pod)
        if refused is not None and refused[0].startswith("OutOf") and core_pods.is_critical(pod):
            return await self._preempt(pod)
        return refused

    async def _without_devices(self, pod: Object) -> Refusal | None:
        try:
            await self.devices.allocate(pod)
        except AllocationError as error:
            return "UnexpectedAdmissionError", f"Allocate failed due to {error}, which is unexpected"
        return None

    async def _preempt(self, pod: Object) -> Refusal | None:
        """A critical pod is not refused for lack of room while others could go."""
        others = alive(self._others(meta.uid(pod)))
        missing = {one.name: one.missing for one in shortages(pod, others, self.facts.allocatable)}
        try:
            chosen = preemption.victims(pod, others, missing)
        except preemption.NoVictims as error:
            return "UnexpectedAdmissionError", str(error)
        for victim in chosen:
            self.recorder.event(victim, "Warning", preemption.REASON, preemption.MESSAGE)
            condition = disruption_condition(preemption.MESSAGE)
            self._fail(meta.uid(victim), (preemption.REASON, preemption.MESSAGE), None, (condition,))
        while any(self._workers.is_alive(meta.uid(victim)) for victim in chosen):
            await self._clock.sleep(PREEMPTION_POLL_SECONDS)
        return None

    def _closed_to(self, pod: Object) -> Refusal | None:
        """A node that shuts down, or is under pressure, takes in no pod, whatever room there is."""
        if self._shutdown is not None and self._shutdown.is_shutting_down:
            from pinnace.kubelet.shutdown.manager import REFUSAL

            return REFUSAL
        return self._refuses(pod) if self._refuses is not None else None

    def _refusal(self, pod: Object) -> Refusal | None:
        node = self.node_agent.node or {
            "metadata": {"name": self.config.node_name, "labels": node_labels(self.config)}
        }
        abilities = Abilities(
            self.config.allowed_unsafe_sysctls,
            bool(self.node_agent.features.supplemental_groups_policy),
            has_app_armor(),
        )
        return refusal(pod, node, self._others(meta.uid(pod)), self.facts.allocatable, abilities)

    def _others(self, uid: str) -> list[Object]:
        """The pods that take room on this node beside this one, with what they were granted."""
        return [
            record.current()
            for record in self._workers.records()
            if record.uid != uid and record.status is not None
            and not (record.has_ended or record.is_gone_from_api)  # the scheduler has given its room away already
        ]  # fmt: skip

    # -- what the edges may ask (contracts.KubeletHost) ----------------------------------------------------------
    @property
    def pods(self) -> PodView:
        return self._view

    def pod_status(self, uid: str) -> Object | None:
        record = self._workers.record(uid)
        return record.status if record else None

    def containers(self, uid: str) -> list[ContainerStatus]:
        return list(self._pleg.get(uid).containers)

    def sandbox(self, uid: str) -> SandboxStatus | None:
        return self._pleg.get(uid).ready_sandbox

    def container(self, uid: str, name: str, *, previous: bool = False) -> ContainerStatus | None:
        runtime = self._pleg.get(uid)
        return runtime.previous(name) if previous else runtime.newest(name)

    async def claim_usage(self, pod: Object) -> list[ClaimUsage]:
        return await self.claim_stats.of_pod(pod)

    def pod_dir(self, uid: str) -> Path:
        return self.paths.pod(uid)

    def volume_dir(self, uid: str, plugin: str, volume: str) -> Path:
        return self.paths.volume(uid, plugin, volume)

    def log_path(self, pod: Object, container: str, restart_count: int) -> Path:
        return pod_log_dir(self.config.pod_logs_dir, pod) / container / f"{restart_count}.log"

    def pod_cgroup(self, pod: Object) -> str:
        return self.cgroups.path(pod)

    def all_pods_group(self) -> tuple[str, int]:
        return self.cgroups.root, self.facts.all_pods_settings()["memory_limit"]

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
        record = self._workers.record(uid)
        if status is None or record is None or self._tasks is None or status.state != ContainerState.RUNNING:
            return
        log.info("container %s of pod %s: %s", status.name, meta.key_text(record.pod), reason)
        grace = stop_grace(record.pod, status) if grace_period_seconds is None else grace_period_seconds
        self._tasks.create_task(self._stop_container(record, status, message, grace))

    async def _stop_container(
        self, record: PodRecord, status: ContainerStatus, message: str, grace: int
    ) -> None:
        try:
            await self._terminator.stop(
                record.pod, status, self._pleg.get(record.uid), grace=grace, message=message
            )
            await self._pleg.refresh(record.uid)
        except CriError as error:
            log.warning("container %s was not stopped: %s", status.id[:13], error)
        self._workers.wake(record.uid)

    def probe_changed(self, uid: str) -> None:
        record = self._workers.record(uid)
        if record is not None and not record.has_ended:
            self._reporter.report(record, self._pleg.get(uid))
            self._workers.wake(uid)

    async def evict(
        self, uid: str, message: str, *, grace_period_seconds: int = 0, conditions: Iterable[Object] = ()
    ) -> None:
        self._fail(uid, ("Evicted", message), grace_period_seconds, tuple(conditions))

    async def end_pod(
        self, uid: str, reason: str, message: str, *, grace_period_seconds: int, conditions: Iterable[Object]
    ) -> None:
        """Implements `shutdown.manager.Ending`."""
        self._fail(uid, (reason, message), grace_period_seconds, tuple(conditions))
        await self._workers.ended(uid)

    def _fail(
        self, uid: str, why: tuple[str, str], grace: int | None, conditions: tuple[Object, ...]
    ) -> None:
        """End a pod for a reason of the node's own; without `grace` it has the time that its spec gives."""
        record = self._workers.record(uid)
        if record is None:
            return
        record.failed, record.grace_override, record.extra_conditions = why, grace, conditions
        self._reporter.report(record, self._pleg.get(uid))
        self._workers.wake(uid)

    async def reclaim_disk(self) -> None:
        """Before pods are evicted for it: dead containers, then images that nothing uses."""
        await self.housekeeping.remove_dead()
        await self.images.remove_unused()

    def set_node_condition(self, condition: dict[str, Any]) -> None:
        self.node_agent.set_condition(condition)


def _as_of_api(pod: Object) -> dict[str, str]:
    return {**meta.annotations(pod), core_pods.CONFIG_SOURCE: "api"}
