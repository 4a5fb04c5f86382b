"""Computes a pod's status from all that is known, remembers it in its record, and has it written."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time
from pinnace.component.clock import Clock
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.container_states import Observed
from pinnace.kubelet.contracts import ProbeManager
from pinnace.kubelet.cri.runtime import ContainerState
from pinnace.kubelet.cri_config import pod_log_dir
from pinnace.kubelet.pod_conditions import OWN_CONDITIONS
from pinnace.kubelet.pod_record import PodPaths, PodRecord
from pinnace.kubelet.pod_runtime import PodRuntime, restart_count
from pinnace.kubelet.pod_status import StatusInputs, pod_status
from pinnace.kubelet.status_writer import StatusWriter
from pinnace.kubelet.termination import termination_message
from pinnace.kubelet.tracing import told_ready


class StatusReporter:
    def __init__(
        self,
        config: KubeletConfig,
        writer: StatusWriter,
        probes: ProbeManager | None,
        paths: PodPaths,
        clock: Clock,
        mirror_of: Callable[[Object], Object | None],
        device_health: Callable[[str], Mapping[str, list[Object]]],
    ) -> None:
        self._mirror_of = mirror_of
        self._config, self._writer, self._probes = config, writer, probes
        self._paths, self._clock, self._device_health = paths, clock, device_health

    def report(self, record: PodRecord, runtime: PodRuntime) -> None:
        if pods.is_terminal(record.pod) and record.failed is None:
            return  # the API has the final status already; one that we failed still has containers that end
        self._collect_messages(record, runtime)
        if record.adopted is None:
            record.adopted = self._adopted(record.pod)
        unready, unstarted = self.probe_results(record, runtime)
        observed = Observed(
            waiting=record.waiting,
            unready=unready,
            unstarted=unstarted,
            messages=record.messages,
            device_health=self._device_health(record.uid),
            is_ending=record.is_ending,
            has_ended=record.has_ended,
            in_force=record.allocation.in_force if record.allocation else {},
            pod_in_force=record.allocation.pod_in_force if record.allocation else None,
        )
        given = StatusInputs(
            now=format_time(self._clock.now()),
            host_ips=self._config.node_ips,
            observed=observed,
            failed=record.failed,
            extra_conditions=record.extra_conditions,
            resize_conditions=record.allocation.conditions() if record.allocation else None,
        )
        record.status = pod_status(_with_newest_status(record), runtime, given)
        if record.span is not None and pods.is_ready({"status": record.status}):
            told_ready(record.span)
        if (shown := self._mirror_of(record.pod) if record.is_static else record.pod) is not None:
            self._writer.set(shown, record.status)

    async def flush(self, record: PodRecord) -> None:
        """Return when the status is written; the API may be away for long, and a static pod does not wait for it."""
        if not record.is_static:
            await self._writer.flush(record.uid)

    def forget(self, uid: str) -> None:
        self._writer.forget(uid)

    def probe_results(self, record: PodRecord, runtime: PodRuntime) -> tuple[frozenset[str], frozenset[str]]:
        """Ids of running containers that are not ready, and of those whose startup probe has not passed."""
        unready, unstarted = set(), set()
        probes = self._probes
        for container in pods.all_containers(record.pod):
            status = runtime.newest(container["name"])
            if status is None or status.state != ContainerState.RUNNING or probes is None:
                continue
            if container.get("readinessProbe") and not self._passed(record, status.id, probes.is_ready):
                unready.add(status.id)
            if container.get("startupProbe") and not self._passed(record, status.id, probes.is_started):
                unstarted.add(status.id)
        return frozenset(unready), frozenset(unstarted)

    def _passed(self, record: PodRecord, container_id: str, result: Callable[[str], bool | None]) -> bool:
        """What the probe says; for a container that was ready before this kubelet started, also what it was."""
        if result(container_id):
            return True
        return (record.adopted or {}).get(container_id, 0.0) > self._clock.monotonic()

    def _adopted(self, pod: Object) -> dict[str, float]:
        """Containers that an earlier kubelet reported ready keep that until their probes had time to say otherwise."""
        now, found = self._clock.monotonic(), {}
        for entry in pods.container_statuses(pod):
            container = pods.find_container(pod, entry["name"])
            if not entry.get("ready") or not entry.get("containerID") or container is None:
                continue
            probe = container.get("readinessProbe") or container.get("startupProbe") or {}
            patience = (probe.get("periodSeconds") or 10) * (probe.get("failureThreshold") or 3) + 1
            found[entry["containerID"].rpartition("://")[2]] = now + patience
        return found

    def _collect_messages(self, record: PodRecord, runtime: PodRuntime) -> None:
        for status in runtime.containers:
            if status.state != ContainerState.EXITED or status.id in record.messages:
                continue
            file = self._paths.message(runtime.uid, status.name, restart_count(status))
            record.messages[status.id] = termination_message(status, file, self._log_file(record.pod, status.name, restart_count(status)))  # fmt: skip
        alive = {status.id for status in runtime.containers}
        for gone in record.messages.keys() - alive:
            del record.messages[gone]

    def _log_file(self, pod: Object, name: str, attempt: int) -> Path:
        return pod_log_dir(self._config.pod_logs_dir, pod) / name / f"{attempt}.log"


def _with_newest_status(record: PodRecord) -> Object:
    """Our own last status, with the conditions that others have set in the API since."""
    if record.status is None:
        return record.pod
    in_api = (record.pod.get("status") or {}).get("conditions") or ()
    own = [one for one in record.status["conditions"] if one["type"] in OWN_CONDITIONS]
    others = [one for one in in_api if one["type"] not in OWN_CONDITIONS]
    return {**record.pod, "status": {**record.status, "conditions": [*own, *others]}}
