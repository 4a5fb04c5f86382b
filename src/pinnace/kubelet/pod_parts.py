"""Puts together what works on pods: starting, ending, reporting, tidying, all on the same few shared things."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.kubelet.admission import Refusal
from pinnace.kubelet.backoff import Backoff
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.container_start import ContainerStarter
from pinnace.kubelet.contracts import LifecycleHooks, NetworkAdmission, ProbeManager
from pinnace.kubelet.counts import Counts
from pinnace.kubelet.crash_loops import CrashLoops
from pinnace.kubelet.cri.runtime import ContainerRuntime
from pinnace.kubelet.csi.volumes import CsiVolumes
from pinnace.kubelet.devices.manager import DeviceManager
from pinnace.kubelet.housekeeping import Housekeeping
from pinnace.kubelet.image_records import ImageRecords
from pinnace.kubelet.image_volumes import ImageVolumes
from pinnace.kubelet.images import Images
from pinnace.kubelet.lifecycle_hooks import HookRunner
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.pod_end import PodEnder
from pinnace.kubelet.pod_record import PodPaths
from pinnace.kubelet.pod_sync import PodSyncer
from pinnace.kubelet.pod_workers import PodWorkers
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.resizer import Resizer
from pinnace.kubelet.runtime_classes import RuntimeClasses
from pinnace.kubelet.sandboxes import Sandboxes
from pinnace.kubelet.status_reporter import StatusReporter
from pinnace.kubelet.status_writer import StatusWriter
from pinnace.kubelet.termination import Terminator


@dataclass(frozen=True, slots=True)
class Shared:
    """`services` lists every Service; `mirror_of` gives the API's picture of a static pod; `admit` refuses pods; `others` are those that
    take room beside one; `network_problem` is why the pod network does not work, or ""."""

    client: Client
    clock: Clock
    config: KubeletConfig
    runtime: ContainerRuntime
    recorder: EventRecorder
    pleg: Pleg
    objects: ReferencedObjects
    writer: StatusWriter
    facts: NodeFacts
    paths: PodPaths
    cgroups: PodCgroups
    probes: ProbeManager | None
    http_hooks: LifecycleHooks | None
    services: Callable[[], Iterable[Object]]
    admit: Callable[[Object], Awaitable[Refusal | None]]
    network_problem: Callable[[], str]
    network_admits: NetworkAdmission | None
    mirror_of: Callable[[Object], Object | None]
    csi: CsiVolumes
    records: ImageRecords
    others: Callable[[str], list[Object]]
    wake: Callable[[str], None]
    devices: DeviceManager
    counts: Counts
    tracer: Tracer | None


@dataclass(frozen=True, slots=True)
class PodParts:
    terminator: Terminator
    reporter: StatusReporter
    workers: PodWorkers
    housekeeping: Housekeeping


def build(on: Shared) -> PodParts:
    hooks = HookRunner(on.runtime, on.clock, on.http_hooks)
    images = Images(on.runtime, on.recorder, on.clock, on.records, parallel_pulls=on.config.parallel_pulls)
    image_volumes = ImageVolumes(on.runtime, images, on.paths)
    terminator = Terminator(on.runtime, hooks, on.recorder, on.clock)
    backoff = Backoff(longest=on.config.max_container_restart_seconds)
    reporter = StatusReporter(
        on.config, on.writer, on.probes, on.paths, on.clock, on.mirror_of, on.devices.health
    )
    starter = ContainerStarter(
        runtime=on.runtime, images=images, image_volumes=image_volumes, objects=on.objects, hooks=hooks,
        recorder=on.recorder, facts=on.facts, paths=on.paths, services=on.services, rules=on.cgroups.rules,
        devices=on.devices,
    )  # fmt: skip
    resizer = Resizer(
        clock=on.clock, runtime=on.runtime, cgroups=on.cgroups, facts=on.facts, paths=on.paths, recorder=on.recorder,
        others=on.others, wake=on.wake, counts=on.counts,
    )  # fmt: skip
    sandboxes = Sandboxes(
        config=on.config, runtime=on.runtime, runtime_classes=RuntimeClasses(on.client), cgroups=on.cgroups,
        facts=on.facts, recorder=on.recorder, network_admits=on.network_admits,
    )  # fmt: skip
    syncer = PodSyncer(
        clock=on.clock, pleg=on.pleg, starter=starter, terminator=terminator, reporter=reporter, sandboxes=sandboxes,
        crash_loops=CrashLoops(backoff, on.clock, on.recorder), objects=on.objects, facts=on.facts, paths=on.paths,
        probes=on.probes, recorder=on.recorder, admit=on.admit, network_problem=on.network_problem, resizer=resizer,
        csi=on.csi,
    )  # fmt: skip
    ender = PodEnder(
        client=on.client, config=on.config, runtime=on.runtime, pleg=on.pleg, terminator=terminator,
        reporter=reporter, images=images, backoff=backoff, objects=on.objects, cgroups=on.cgroups,
        paths=on.paths, probes=on.probes, recorder=on.recorder, image_volumes=image_volumes, csi=on.csi,
    )  # fmt: skip
    workers = PodWorkers(syncer, ender, on.clock, on.config.sync_frequency_seconds, on.tracer)
    housekeeping = Housekeeping(
        config=on.config, clock=on.clock, runtime=on.runtime, pleg=on.pleg, workers=workers, ender=ender,
        terminator=terminator, cgroups=on.cgroups, paths=on.paths, csi=on.csi,
    )  # fmt: skip
    return PodParts(terminator, reporter, workers, housekeeping)
