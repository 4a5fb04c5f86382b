"""Bringing one pod towards its spec: volumes, sandbox, containers, status. Driven by its worker; the end is in `pod_end`.

Decisions are pure and elsewhere (`pod_actions`, `pod_status`); here they are carried out, each effect in one place.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.kubelet import labels, pod_actions
from pinnace.kubelet.admission import Refusal
from pinnace.kubelet.backoff import Backoff
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.container_start import ContainerStarter, StartContext
from pinnace.kubelet.container_states import Waiting
from pinnace.kubelet.contracts import NetworkAdmission, ProbeManager
from pinnace.kubelet.cri.runtime import Config, ContainerRuntime, ContainerState, ContainerStatus, CriError
from pinnace.kubelet.cri_config import pod_log_dir, sandbox_config
from pinnace.kubelet.images import StartError
from pinnace.kubelet.name_resolution import resolver
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pleg import Pleg
from pinnace.kubelet.pod_record import PodPaths, PodRecord, field_path, format_pod
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.resizer import Resizer
from pinnace.kubelet.runtime_classes import NoHandler, RuntimeClasses
from pinnace.kubelet.status_reporter import StatusReporter
from pinnace.kubelet.termination import Terminator
from pinnace.kubelet.volumes.plugin import CsiMounter, VolumeContext
from pinnace.kubelet.volumes.set import set_up_all

log = logging.getLogger(__name__)

MAX_ROUNDS = 20  # start steps of one sync: sandbox, sidecars one by one, app containers
VOLUME_RETRY_SECONDS = 5.0
ATTACH_RETRY_SECONDS = 0.5  # a node may not watch attachments
SANDBOX_RETRY_SECONDS = 3.0
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


class PodSyncer:
    """Implements `pod_workers.PodSync`."""

    def __init__(
        self,
        *,
        clock: Clock,
        config: KubeletConfig,
        runtime: ContainerRuntime,
        pleg: Pleg,
        starter: ContainerStarter,
        terminator: Terminator,
        reporter: StatusReporter,
        backoff: Backoff,
        objects: ReferencedObjects,
        cgroups: PodCgroups,
        facts: NodeFacts,
        paths: PodPaths,
        probes: ProbeManager | None,
        recorder: EventRecorder,
        admit: Callable[[Object], Awaitable[Refusal | None]],
        network_problem: Callable[[], str],
        runtime_classes: RuntimeClasses,
        resizer: Resizer,
        csi: CsiMounter | None = None,
        network_admits: NetworkAdmission | None = None,
    ) -> None:
        self._csi = csi
        self._clock, self._config, self._runtime = clock, config, runtime
        self._pleg, self._starter, self._terminator, self._reporter = pleg, starter, terminator, reporter
        self._backoff, self._objects, self._cgroups, self._facts = backoff, objects, cgroups, facts
        self._paths, self._probes, self._recorder = paths, probes, recorder
        self._admit, self._network_problem, self._resizer = admit, network_problem, resizer
        self._runtime_classes = runtime_classes
        self._network_admits = network_admits

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
            _soonest(record, retry)
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
            _soonest(record, left)
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
        paths, failures = await set_up_all(self._paths.volumes(record.uid), context)
        news = [failure for failure in failures if failure.is_news]
        for failure in news:
            self._recorder.event(pod, "Warning", failure.reason, failure.event)
        record.volume_failures = record.volume_failures + 1 if news else 0
        if failures:
            doubled = ATTACH_RETRY_SECONDS * 2 ** min(record.volume_failures, 10)
            _soonest(record, min(VOLUME_RETRY_SECONDS, doubled) if news else ATTACH_RETRY_SECONDS)
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
                self._sandbox_changed(pod)
            await self._terminator.end_pod(pod, runtime, pods.grace_period_seconds(pod))
            if not actions.create_sandbox:
                return False
        if actions.restart_all is not None:
            return await self._restart_all(record, actions.restart_all, runtime)
        if actions.create_sandbox:
            return await self._create_sandbox(record, actions.attempt)
        for kill in actions.kill:
            grace = pods.grace_period_seconds(pod)
            await self._terminator.stop(pod, kill.status, runtime, grace=grace, message=kill.message)
        runtime = await self._pleg.refresh(record.uid) if actions.kill else runtime
        context = self._start_context(record, runtime, actions.sandbox_id, volumes)
        self._starter.write_hosts(context)
        progressed = False
        starting = (*actions.start_ephemeral, *actions.start_init, *actions.start)
        if starting and not await self._is_admitted_to_network(record, runtime):
            return False
        for container in starting:
            if container["name"] not in failed and self._may_start(record, container, runtime):
                progressed |= await self._start(record, context, container, failed)
        return progressed

    async def _restart_all(self, record: PodRecord, trigger: ContainerStatus, runtime: PodRuntime) -> bool:
        """Init containers too; sandbox and volumes stay. The one that asked for it is held back as in any crash loop."""
        container = pods.find_container(record.pod, trigger.name)
        if container is None or not self._may_start(record, container, runtime):
            return False
        record.waiting.pop(trigger.name, None)
        await self._terminator.remove_containers(record.pod, runtime, last=trigger)
        return True

    def _sandbox_changed(self, pod: Object) -> None:
        message = "Pod sandbox changed, it will be killed and re-created."
        self._recorder.event(pod, "Normal", "SandboxChanged", message)

    def _sandbox_config(self, pod: Object, attempt: int) -> Config:
        config = self._config
        return sandbox_config(
            pod,
            attempt=attempt,
            logs=config.pod_logs_dir,
            cgroup_parent=self._cgroups.path(pod),
            resolver=resolver(pod, self._facts.resolver(), config.cluster_dns, config.cluster_domain),
            domain=config.cluster_domain,
        )

    async def _create_sandbox(self, record: PodRecord, attempt: int) -> bool:
        pod_log_dir(self._config.pod_logs_dir, record.pod).mkdir(parents=True, exist_ok=True)
        try:
            if missing := unsupported(record.pod):
                raise CriError("UNIMPLEMENTED", missing)
            handler = await self._runtime_classes.handler(record.pod)
            await self._runtime.run_sandbox(self._sandbox_config(record.pod, attempt), handler)
        except (CriError, NoHandler) as error:
            text = f"Failed to create pod sandbox: {error}"
            self._recorder.event(record.pod, "Warning", "FailedCreatePodSandBox", text)
            _soonest(record, SANDBOX_RETRY_SECONDS)
            return False
        return True

    async def _is_admitted_to_network(self, record: PodRecord, runtime: PodRuntime) -> bool:
        """No container runs before the network knows what this pod may send and get."""
        if self._network_admits is None or pods.uses_host_network(record.pod) or not runtime.sandboxes:
            return True
        try:
            await self._network_admits(record.pod, runtime.sandboxes[0].ips)
        except TimeoutError:
            text = "network is not ready: network policies are not in force yet"
            self._recorder.event(record.pod, "Warning", "NetworkNotReady", text)
            _soonest(record, SANDBOX_RETRY_SECONDS)
            return False
        return True

    def _start_context(
        self, record: PodRecord, runtime: PodRuntime, sandbox_id: str, volumes: dict[str, Any]
    ) -> StartContext:
        attempt = runtime.sandboxes[0].attempt if runtime.sandboxes else 0
        return StartContext(
            record.pod, runtime, sandbox_id, self._sandbox_config(record.pod, attempt), volumes
        )

    def _may_start(self, record: PodRecord, container: dict[str, Any], runtime: PodRuntime) -> bool:
        """False while the container is in crash back-off; then the record says when to come back."""
        name, status = container["name"], runtime.newest(container["name"])
        if status is None or status.state != ContainerState.EXITED:
            return True
        key = f"{record.uid}_{name}_{labels.container_hash(container)}"
        ended, now = status.finished_at / 1e9, self._clock.now().timestamp()
        remaining = self._backoff.remaining(key, ended, now)
        if not remaining:
            self._backoff.next(key, ended)
            return True
        wait = go_seconds(self._backoff.wait_of(key))
        pod_name = format_pod(record.pod)
        message = f"back-off {wait} restarting failed container={name} pod={pod_name}"
        record.waiting[name] = Waiting("CrashLoopBackOff", message)
        _soonest(record, remaining)
        text = f"Back-off restarting failed container {name} in pod {pod_name}"
        self._recorder.event(record.pod, "Warning", "BackOff", text, field_path=field_path(record.pod, name))
        return False

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
                _soonest(record, error.retry_after)
            return False
        record.waiting.pop(name, None)
        self._resizer.started(record, container)
        return True


def _soonest(record: PodRecord, seconds: float) -> None:
    record.retry_after = seconds if record.retry_after is None else min(record.retry_after, seconds)


def unsupported(pod: Object) -> str:
    """What the pod asks of its sandbox that this kubelet cannot give; "" when there is nothing."""
    if pod["spec"].get("hostUsers") is False:
        return "user namespaces are not supported by this kubelet"
    if pod["spec"].get("resourceClaims"):
        return "dynamic resources (resourceClaims) are not supported by this kubelet"
    return ""


def go_seconds(seconds: float) -> str:
    """Whole seconds as Go prints a duration: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
