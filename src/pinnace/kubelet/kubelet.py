"""The kubelet put together: what runs, in which order it starts, and who hears of which change.

Start: look at the runtime (so that running containers are adopted, not restarted), then take pods from the API.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.core import pods as core_pods
from pinnace.api.meta import Object
from pinnace.api.resources import PODS, SERVICES
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.component.tracing import Tracer
from pinnace.kubelet.admission import Refusal
from pinnace.kubelet.cgroups.hierarchy import Hierarchy, detect
from pinnace.kubelet.cgroups.pods import PodCgroups, node_rules
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.contracts import LifecycleHooks, NetworkAdmission, NodeEdge, ProbeManager
from pinnace.kubelet.counts import Counts
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError
from pinnace.kubelet.csi.drivers import CsiDrivers
from pinnace.kubelet.csi.node_objects import CsiNodeObjects
from pinnace.kubelet.csi.volumes import CsiVolumes
from pinnace.kubelet.devices.manager import DeviceManager
from pinnace.kubelet.devices.pod_resources import PodResources
from pinnace.kubelet.host import Host
from pinnace.kubelet.image_collection import ImageCollector
from pinnace.kubelet.image_records import ImageRecords
from pinnace.kubelet.node_agent import NodeAgent
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.plugin_registration import PluginRegistration
from pinnace.kubelet.pod_admission import PodAdmission
from pinnace.kubelet.pod_parts import Shared, build
from pinnace.kubelet.pod_record import PodPaths
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.stats.claims import ClaimStats
from pinnace.kubelet.status_writer import StatusWriter

if TYPE_CHECKING:
    from pinnace.kubelet.shutdown.manager import ShutdownSignals
    from pinnace.kubelet.static_pods.mirrors import MirrorPods

log = logging.getLogger(__name__)


class Kubelet:
    """Edges are built with its `host` and handed in through `attach` before `run`."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: KubeletConfig,
        runtime: ContainerRuntime,
        *,
        hierarchy: Hierarchy | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.config, self.runtime = config, runtime
        self._client, self._clock, self._tracer = client, clock, tracer
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
        self._plugins = PluginRegistration(
            config.root_dir / "plugins_registry", clock, {"CSIPlugin": self.csi.drivers}
        )
        self.devices = DeviceManager(
            config.root_dir / "device-plugins", clock, changed=self.node_agent.resources_changed, wake=self._woken,
            is_alive=self._is_alive,
        )  # fmt: skip
        self._pod_resources = PodResources(config.root_dir / "pod-resources", self.devices, self._living)
        self.node_agent.extended = self.devices.amounts
        self._counts = Counts()
        self._probes: ProbeManager | None = None
        self._edges: list[NodeEdge] = []
        self._http: LifecycleHooks | None = None
        self._network_admits: NetworkAdmission | None = None
        self._records = ImageRecords(
            config.root_dir, config.image_verification_policy, config.preloaded_images_allowlist
        )
        self.images = ImageCollector(
            config, clock, runtime, self.recorder, self.node_agent.reference(), self._records
        )
        self.host = Host(
            config=config, runtime=runtime, pleg=self._pleg, paths=self.paths, cgroups=self.cgroups, facts=self.facts,
            claim_stats=ClaimStats(clock, self.csi, self._objects.bound), node_agent=self.node_agent,
            parts=lambda: self._parts, counts=self._counts,
        )  # fmt: skip
        self._admission = PodAdmission(
            clock=clock, config=config, facts=self.facts, node_agent=self.node_agent, devices=self.devices,
            recorder=self.recorder, host=self.host, workers=lambda: self._parts.workers,
        )  # fmt: skip
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
        self._probes, self._http, self._admission.refuses = probes, http_hooks, refuses
        self._edges.extend(edges)
        self._assemble()

    def handle_shutdown(self, signals: "ShutdownSignals") -> None:
        """Before `run`: end pods gracefully, as the configuration says, when `signals` tells of a shutdown of the node."""
        from pinnace.kubelet.shutdown.manager import NODE_PROBLEM, ShutdownManager
        from pinnace.kubelet.shutdown.periods import periods

        def changed() -> None:
            self.node_agent.set_problem(NODE_PROBLEM if shutdown.is_shutting_down else "")

        shutdown = ShutdownManager(
            signals, self._clock, periods(self.config), ending=self.host,
            running=lambda: [record.current() for record in self._parts.workers.records()],
            changed=changed,
        )  # fmt: skip
        self._admission.shutdown = shutdown
        self._edges.append(shutdown)

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
            admit=self._admission.admit,
            network_problem=lambda: self.node_agent.network_problem,
            network_admits=self._network_admits,
            mirror_of=lambda pod: self._mirrors.mirror_of(pod) if self._mirrors else None,
            csi=self.csi,
            records=self._records,
            others=self._admission.others,
            wake=self._woken,
            devices=self.devices,
            counts=self._counts,
            tracer=self._tracer,
        )
        self._parts = build(shared)
        self.housekeeping = self._parts.housekeeping
        self._mirrors: MirrorPods | None = None

    async def run(self) -> None:
        """Run this node's pods until cancelled; containers go on when it ends."""
        self.cgroups.prepare(self.facts.all_pods_settings())
        try:
            async with asyncio.TaskGroup() as group:
                self.host.tasks = group
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
            self._parts.workers.stop()
            self._objects.close()
            self.csi.drivers.close()
            self.host.tasks = None

    async def _start_static_pods(self, group: asyncio.TaskGroup) -> None:
        """They need no API server, so they come before anything that waits for one."""
        if self.config.static_pod_path is None:
            return
        from pinnace.kubelet.static_pods.directory import ManifestDirectory
        from pinnace.kubelet.static_pods.mirrors import MirrorPods
        from pinnace.kubelet.static_pods.runner import StaticPods

        directory = ManifestDirectory(self.config.static_pod_path, self._clock)
        static = StaticPods(
            directory,
            self.config.node_name,
            self._clock,
            self._parts.workers,
            self.housekeeping,
            self._mirror_due,
        )
        mirrors = self._mirrors = MirrorPods(
            self._client, self._clock, static=static.get, node=lambda: self.node_agent.node,
            on_mirror=self.host.probe_changed, forget=self._writer.forget,
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
                self._parts.workers.remove(old)
            return
        if core_pods.is_static(new):  # only the kubelet says so
            new = {**new, "metadata": {**new["metadata"], "annotations": _as_of_api(new)}}
        if old is not None and meta.uid(old) != meta.uid(new):
            self._parts.workers.remove(old)
        self._parts.workers.update(new)

    async def _run_plugins(self) -> None:
        await self.node_agent.wait_registered()
        await self.csi_nodes.create()
        await self._plugins.run()

    def _driver_came(self, name: str) -> None:
        """Pods whose volumes waited for a driver try again, also those that are gone."""
        self.housekeeping.hurry()
        for record in self._parts.workers.records():
            if any({"csi", "persistentVolumeClaim", "ephemeral"} & set(one)
                   for one in record.pod["spec"].get("volumes") or ()):  # fmt: skip
                self._parts.workers.wake(record.uid)

    def _is_alive(self, uid: str) -> bool:
        return self._parts.workers.is_alive(uid)

    def _living(self) -> list[Object]:
        return [record.pod for record in self._parts.workers.records() if not record.has_ended]

    def _woken(self, uid: str) -> None:
        self._parts.workers.wake(uid)

    async def reclaim_disk(self) -> None:
        """Before pods are evicted for it: dead containers, then images that nothing uses."""
        await self.housekeeping.remove_dead()
        await self.images.remove_unused()


def _as_of_api(pod: Object) -> dict[str, str]:
    return {**meta.annotations(pod), core_pods.CONFIG_SOURCE: "api"}
