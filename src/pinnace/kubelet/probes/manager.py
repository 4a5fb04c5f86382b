"""The probe manager (`contracts.ProbeManager`): a worker task per container and probe, and the results by container id.

Failures of liveness and startup go to the core as `restart_container`, changes of readiness and startup as
`probe_changed`. Events are written here, in upstream's words.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from pinnace.api import meta
from pinnace.client.events import EventRecorder
from pinnace.client.interface import Object
from pinnace.component.clock import Clock
from pinnace.component.tracing import happened
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.probes import command, grpc_health, tcp
from pinnace.kubelet.probes.http import HttpHooks, HttpProber, target_of
from pinnace.kubelet.probes.spec import (
    Outcome,
    ProbeKind,
    ProbeSpec,
    Result,
    of_container,
    port_number,
    probed_containers,
)
from pinnace.kubelet.probes.worker import Worker, bare_id

log = logging.getLogger(__name__)

RETRIES = 3  # of a probe that could not be run
MOST_TOLD = 200  # letters of what a probe says, in a trace
Key = tuple[str, str, ProbeKind]  # pod uid, container name, kind


class Probes:
    """`ProbeManager` for the core; `hooks` is its `LifecycleHooks`."""

    def __init__(self, host: KubeletHost, clock: Clock, events: EventRecorder) -> None:
        self._host, self._clock, self._events = host, clock, events
        self._http = HttpProber(clock)
        self.hooks = HttpHooks(self._http, clock)
        self._workers: dict[Key, Worker] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._nudges: dict[Key, asyncio.Event] = {}
        self._by_id: dict[tuple[str, ProbeKind], Worker] = {}

    async def run(self) -> None:
        """Workers run from `add_pod` on; this ends them all when it is cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self._http.close()

    def add_pod(self, pod: Object, status: Callable[[], Object | None]) -> None:
        uid = meta.uid(pod)
        for container in probed_containers(pod):
            for spec in of_container(container):
                key = (uid, container["name"], spec.kind)
                if key not in self._workers:
                    self._start(key, pod, container, spec, status)

    def _start(
        self,
        key: Key,
        pod: Object,
        container: dict[str, Any],
        spec: ProbeSpec,
        status: Callable[[], Object | None],
    ) -> None:
        self._workers[key] = Worker(
            pod, container, spec, self._clock, status,
            check=self._check, is_started=self._has_started, changed=self._changed, failed=self._failed,
        )  # fmt: skip
        self._nudges[key] = asyncio.Event()
        self._tasks[key] = asyncio.create_task(self._work(key))

    def remove_pod(self, uid: str) -> None:
        for key in [key for key in self._workers if key[0] == uid]:
            worker = self._workers.pop(key)
            self._tasks.pop(key).cancel()
            self._nudges.pop(key, None)
            self._by_id.pop((worker.container_id, worker.spec.kind), None)

    def stop_liveness(self, uid: str) -> None:
        for key, worker in self._workers.items():
            if key[0] == uid:
                worker.is_stopping = True

    def is_ready(self, container_id: str) -> bool | None:
        return self._is_success(container_id, ProbeKind.READINESS)

    def is_started(self, container_id: str) -> bool | None:
        return self._is_success(container_id, ProbeKind.STARTUP)

    def _is_success(self, container_id: str, kind: ProbeKind) -> bool | None:
        bare = bare_id(container_id)
        worker = self._by_id.get((bare, kind))
        if worker is not None:
            return worker.result is Result.SUCCESS
        if (key := self._probed(bare, kind)) is None:
            return None
        self._nudges[key].set()  # a container that its worker has not seen yet: look at once
        return False

    def _probed(self, container_id: str, kind: ProbeKind) -> Key | None:
        """The worker that will probe this container once it notices it."""
        for key in self._workers:
            if key[2] is kind:
                for container in self._host.containers(key[0]):
                    if container.id == container_id and container.name == key[1]:
                        return key
        return None

    def _has_started(self, container_id: str) -> bool:
        return self.is_started(container_id) is not False

    async def _work(self, key: Key) -> None:
        worker, nudge = self._workers[key], self._nudges[key]
        while True:
            try:
                pause = await worker.step()
            except Exception:
                log.exception("%s probe of %s/%s", worker.spec.kind, meta.key_text(worker.pod), key[1])
                pause = float(worker.spec.period)
            if pause is None:
                return
            try:
                await self._clock.wait_for(nudge.wait(), pause)
            except TimeoutError:
                continue
            nudge.clear()

    async def _check(self, worker: Worker, pod_ip: str) -> Outcome:
        """Run once, again if the probe itself could not be run; then say what happened in an event."""
        outcome = Outcome(Result.UNKNOWN, is_error=True)
        for _ in range(RETRIES):
            outcome = await self._run(worker, pod_ip)
            if not outcome.is_error:
                break
        self._tell(worker, outcome)
        return outcome

    async def _run(self, worker: Worker, pod_ip: str) -> Outcome:
        action, timeout, container = worker.spec.action, float(worker.spec.timeout), worker.container
        try:
            if execute := action.get("exec"):
                argv = execute.get("command") or []
                return await command.probe(self._host.runtime, worker.container_id, argv, timeout)
            if get := action.get("httpGet"):
                return await self._http.probe(target_of(get, container, pod_ip), timeout)
            if socket := action.get("tcpSocket"):
                number = port_number(socket["port"], container)
                return await tcp.probe(socket.get("host") or pod_ip, number, timeout, self._clock)
            if health := action.get("grpc"):
                return await grpc_health.probe(pod_ip, health["port"], health.get("service") or "", timeout)
        except ValueError as error:
            return Outcome(Result.UNKNOWN, str(error), is_error=True)
        return Outcome(Result.UNKNOWN, "missing probe handler", is_error=True)

    def _tell(self, worker: Worker, outcome: Outcome) -> None:
        kind = worker.spec.kind
        if outcome.is_error:
            reason, text = (
                "Unhealthy",
                f"{kind} probe errored and resulted in {outcome.result} state: {outcome.output}",
            )
        elif outcome.result is Result.FAILURE:
            reason, text = "Unhealthy", f"{kind} probe failed: {outcome.output}"
            if not worker.failed_last:
                name = worker.container["name"]
                happened(
                    f"{kind.lower()} probe", container=name, result=f"failure: {outcome.output[:MOST_TOLD]}"
                )
        elif outcome.result is Result.WARNING:
            reason, text = "ProbeWarning", f"{kind} probe warning: {outcome.output}"
        else:
            return
        self._events.event(worker.pod, "Warning", reason, text, field_path=_field_path(worker))

    def _changed(self, worker: Worker) -> None:
        kind, uid = worker.spec.kind, meta.uid(worker.pod)
        key = (uid, worker.container["name"], kind)
        if key not in self._workers:
            return
        for stale in [
            at for at, other in self._by_id.items() if other is worker and at[0] != worker.container_id
        ]:
            del self._by_id[stale]
        self._by_id[worker.container_id, kind] = worker
        if kind is ProbeKind.STARTUP and worker.result is Result.SUCCESS:
            for other in (ProbeKind.LIVENESS, ProbeKind.READINESS):
                if nudge := self._nudges.get((uid, worker.container["name"], other)):
                    nudge.set()
        if not worker.is_fresh:
            result = str(worker.result)
            if result == Result.FAILURE:
                result = f"failure, {worker.spec.failure_threshold} in a row"
            happened(f"{kind.lower()} probe", container=worker.container["name"], result=result)
        if kind is not ProbeKind.LIVENESS and not worker.is_fresh:
            self._host.probe_changed(uid)

    def _failed(self, worker: Worker) -> None:
        name, kind = worker.container["name"], worker.spec.kind
        message = f"Container {name} failed {kind.lower()} probe, will be restarted"
        self._host.restart_container(
            meta.uid(worker.pod),
            worker.container_id,
            f"{kind}ProbeFailed",
            message,
            grace_period_seconds=worker.spec.action.get("terminationGracePeriodSeconds"),
        )


def _field_path(worker: Worker) -> str:
    group = "containers"
    if worker.container in (worker.pod["spec"].get("initContainers") or ()):
        group = "initContainers"
    return f"spec.{group}{{{worker.container['name']}}}"
