"""Bringing one pod towards its spec: volumes, sandbox, containers, status. Driven by its worker; the end is in `pod_end`.

Decisions are pure and elsewhere (`pod_actions`, `pod_status`); here they are carried out, each effect in one place.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.component.tracing import Span, step
from pinnace.kubelet import pod_actions
from pinnace.kubelet.admission import Refusal
from pinnace.kubelet.container_start import ContainerStarter, StartContext
from pinnace.kubelet.container_states import Waiting
from pinnace.kubelet.contracts import ProbeManager
from pinnace.kubelet.crash_loops import CrashLoops
from pinnace.kubelet.cri.runtime import ContainerStatus
from pinnace.kubelet.images import StartError
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.pod_record import PodPaths, PodRecord
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.resizer import Resizer
from pinnace.kubelet.sandboxes import Sandboxes
from pinnace.kubelet.status_reporter import StatusReporter
from pinnace.kubelet.termination import Terminator
from pinnace.kubelet.volumes.plugin import CsiMounter, VolumeContext
from pinnace.kubelet.volumes.set import set_up_all

MAX_ROUNDS = 20  # start steps of one sync: sandbox, sidecars one by one, app containers
VOLUME_RETRY_SECONDS = 5.0
ATTACH_RETRY_SECONDS = 0.5  # a node may not watch attachments
SANDBOX_CHANGED = "Pod sandbox changed, it will be killed and re-created."
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


class PodSyncer:
    """Implements `pod_workers.PodSync`."""

    def __init__(
        self,
        *,
        clock: Clock,
        pleg: Pleg,
        starter: ContainerStarter,
        terminator: Terminator,
        reporter: StatusReporter,
        sandboxes: Sandboxes,
        crash_loops: CrashLoops,
        objects: ReferencedObjects,
        facts: NodeFacts,
        paths: PodPaths,
        probes: ProbeManager | None,
        recorder: EventRecorder,
        admit: Callable[[Object], Awaitable[Refusal | None]],
        network_problem: Callable[[], str],
        resizer: Resizer,
        csi: CsiMounter | None = None,
    ) -> None:
        self._clock, self._objects, self._facts, self._csi = clock, objects, facts, csi
        self._pleg, self._starter, self._terminator, self._reporter = pleg, starter, terminator, reporter
        self._sandboxes, self._crash_loops = sandboxes, crash_loops
        self._paths, self._probes, self._recorder = paths, probes, recorder
        self._admit, self._network_problem, self._resizer = admit, network_problem, resizer

    async def sync(self, record: PodRecord) -> None:
        runtime = self._pleg.get(record.uid)
        self._resizer.recall(record)
        if runtime.is_empty and record.status is None and await self._is_refused(record):
            return
        self._resizer.admitted(record)
        pod = record.pod
        self._reporter.report(record, runtime)
        if self._is_past_deadline(record) or record.wants_end():
            self._reporter.report(record, runtime)
            return
        if (problem := self._network_problem()) and not pods.uses_host_network(pod):
            self._recorder.event(pod, "Warning", "NetworkNotReady", f"network is not ready: {problem}")
            record.retry_after = VOLUME_RETRY_SECONDS
            return
        self._resizer.prepare_group(record)
        self._paths.pod(record.uid).mkdir(mode=0o750, parents=True, exist_ok=True)
        volumes = await self._set_up_volumes(record, runtime)
        if volumes is None:
            return
        if self._probes is not None:
            self._probes.add_pod(pod, lambda: record.status)
        is_possible = await self._resize(record)
        await self._run_actions(record, volumes)
        if is_possible:
            await self._resize(record)  # what restarted for it has its new size now

    async def _resize(self, record: PodRecord) -> bool:
        """Running containers towards what was granted; those that must restart for it are resized by their restart.

        False when it has to be tried again later."""
        if record.allocation is None or record.allocation.progress is None or record.wants_end():
            return True
        retry = await self._resizer.carry_out(record, self._pleg.get(record.uid))
        if retry is not None:
            record.retry_within(retry)
        self._reporter.report(record, self._pleg.get(record.uid))
        return retry is None

    def room_appeared(self) -> None:
        self._resizer.room_appeared()

    async def _is_refused(self, record: PodRecord) -> bool:
        if (record.pod.get("status") or {}).get("startTime"):
            return False  # admitted before
        refused = await self._admit(record.pod)
        if refused is None:
            return False
        reason, message = refused
        self._recorder.event(record.pod, "Warning", reason, message)
        record.failed = (reason, f"Pod was rejected: {message}")
        self._reporter.report(record, self._pleg.get(record.uid))
        return True

    def _is_past_deadline(self, record: PodRecord) -> bool:
        """activeDeadlineSeconds; also asks to be woken when it will have passed."""
        seconds = record.pod["spec"].get("activeDeadlineSeconds")
        started = (record.current().get("status") or {}).get("startTime")
        if seconds is None or not started:
            return False
        left = seconds - (self._clock.now() - parse_time(started)).total_seconds()
        if left > 0:
            record.retry_within(left)
            return False
        self._recorder.event(record.pod, "Normal", "DeadlineExceeded", DEADLINE_MESSAGE)
        record.failed = ("DeadlineExceeded", DEADLINE_MESSAGE)
        return True

    async def _set_up_volumes(self, record: PodRecord, runtime: PodRuntime) -> dict[str, Any] | None:
        """Paths by volume; None when a volume that containers need is missing."""
        pod = record.pod
        context = VolumeContext(
            pod=pod,
            objects=self._objects.for_pod(pod),
            facts=self._facts.addresses(pod, runtime),
            allocatable={name: str(amount) for name, amount in self._facts.allocatable.items()},
            stamp=self._clock.now().strftime("%Y_%m_%d_%H_%M_%S"),
            node_memory=self._facts.memory_bytes,
            csi=self._csi,
        )
        if record.has_volumes:
            paths, failures = await set_up_all(self._paths.volumes(record.uid), context)
        else:
            names = ", ".join(one["name"] for one in pod["spec"].get("volumes") or ())
            with step("volumes", volumes=names) as span:
                paths, failures = await set_up_all(self._paths.volumes(record.uid), context)
                if failures and isinstance(span, Span):
                    span.facts = {"volumes": names, "error": failures[0].event}
            record.has_volumes = not failures
        news = [failure for failure in failures if failure.is_news]
        for failure in news:
            self._recorder.event(pod, "Warning", failure.reason, failure.event)
        record.volume_failures = record.volume_failures + 1 if news else 0
        if failures:
            doubled = ATTACH_RETRY_SECONDS * 2 ** min(record.volume_failures, 10)
            record.retry_within(min(VOLUME_RETRY_SECONDS, doubled) if news else ATTACH_RETRY_SECONDS)
            if not runtime.running:
                return None
        return dict(paths)

    async def _run_actions(self, record: PodRecord, volumes: dict[str, Any]) -> None:
        """Compute and carry out actions until nothing more can be done at once."""
        failed: set[str] = set()
        for _ in range(MAX_ROUNDS):
            runtime = self._pleg.get(record.uid)
            started = pod_actions.StartedBy(self._reporter.probe_results(record, runtime)[1])
            restart = self._resizer.to_restart(record, runtime)
            actions = pod_actions.compute(record.pod, runtime, started, restart)
            if actions.is_nothing:
                return
            progressed = await self._carry_out(record, actions, volumes, failed)
            self._reporter.report(record, await self._pleg.refresh(record.uid))
            if not progressed or record.wants_end():
                return

    async def _carry_out(
        self, record: PodRecord, actions: pod_actions.PodActions, volumes: dict[str, Any], failed: set[str]
    ) -> bool:
        """One round; False when waiting is all that is left to do."""
        pod, runtime = record.pod, self._pleg.get(record.uid)
        if actions.kill_pod:
            if actions.create_sandbox and runtime.sandboxes:
                self._recorder.event(pod, "Normal", "SandboxChanged", SANDBOX_CHANGED)
            await self._terminator.end_pod(pod, runtime, pods.grace_period_seconds(pod))
            if not actions.create_sandbox:
                return False
        if actions.restart_all is not None:
            return await self._restart_all(record, actions.restart_all, runtime)
        if actions.create_sandbox:
            return await self._sandboxes.create(record, actions.attempt)
        for kill in actions.kill:
            grace = pods.grace_period_seconds(pod)
            await self._terminator.stop(pod, kill.status, runtime, grace=grace, message=kill.message)
        runtime = await self._pleg.refresh(record.uid) if actions.kill else runtime
        context = self._start_context(record, runtime, actions.sandbox_id, volumes)
        self._starter.write_hosts(context)
        progressed = False
        starting = (*actions.start_ephemeral, *actions.start_init, *actions.start)
        if starting and not await self._sandboxes.is_admitted_to_network(record, runtime):
            return False
        for container in starting:
            if container["name"] not in failed and self._crash_loops.may_start(record, container, runtime):
                progressed |= await self._start(record, context, container, failed)
        return progressed

    async def _restart_all(self, record: PodRecord, trigger: ContainerStatus, runtime: PodRuntime) -> bool:
        """Init containers too; sandbox and volumes stay. The one that asked for it is held back as in any crash loop."""
        container = pods.find_container(record.pod, trigger.name)
        if container is None or not self._crash_loops.may_start(record, container, runtime):
            return False
        record.waiting.pop(trigger.name, None)
        await self._terminator.remove_containers(record.pod, runtime, last=trigger)
        return True

    def _start_context(
        self, record: PodRecord, runtime: PodRuntime, sandbox_id: str, volumes: dict[str, Any]
    ) -> StartContext:
        attempt = runtime.sandboxes[0].attempt if runtime.sandboxes else 0
        return StartContext(
            record.pod, runtime, sandbox_id, self._sandboxes.config(record.pod, attempt), volumes
        )

    async def _start(
        self, record: PodRecord, context: StartContext, container: dict[str, Any], failed: set[str]
    ) -> bool:
        name = container["name"]
        try:
            await self._starter.start(context, container)
        except StartError as error:
            failed.add(name)
            record.waiting[name] = Waiting(error.reason, error.message)
            if error.retry_after is not None:
                record.retry_within(error.retry_after)
            return False
        record.waiting.pop(name, None)
        self._resizer.started(record, container)
        return True
