"""One container's one probe: when it runs, what its results add up to.

The rules are upstream's prober worker: results count once the threshold of equal ones in a row is reached; a new container id
starts from the initial value; liveness and readiness wait for startup; a container whose liveness or startup failed is
left alone until it is replaced.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pinnace.apimachinery.times import parse_time
from pinnace.client.interface import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.probes.spec import Outcome, ProbeKind, ProbeSpec, Result

NOT_RUNNING_SECONDS = 1.0  # how often a worker looks for a container that does not run yet
INITIAL = {
    ProbeKind.LIVENESS: Result.SUCCESS,
    ProbeKind.READINESS: Result.FAILURE,
    ProbeKind.STARTUP: Result.UNKNOWN,
}


def bare_id(container_id: str) -> str:
    """Without the scheme: `containerd://abc` -> `abc`."""
    return container_id.rpartition("://")[2]


def container_status(status: Object | None, name: str) -> dict[str, Any] | None:
    for group in ("containerStatuses", "initContainerStatuses"):
        for entry in (status or {}).get(group) or ():
            if entry.get("name") == name:
                return entry
    return None


@dataclass
class Worker:
    """`check` runs the probe once; `is_started` asks the startup probe; `changed` hears of every change of `result`;
    `failed` hears that liveness or startup has failed for good, with the container's id."""

    pod: Object
    container: dict[str, Any]
    spec: ProbeSpec
    clock: Clock
    status: Callable[[], Object | None]
    check: Callable[["Worker", str], Awaitable[Outcome]]
    is_started: Callable[[str], bool]
    changed: Callable[["Worker"], None]
    failed: Callable[["Worker"], None]
    container_id: str = ""
    result: Result = Result.UNKNOWN
    is_stopping: bool = False  # the pod ends: liveness and startup stop
    _on_hold: bool = False
    _last: Result | None = None
    _run_length: int = 0
    _seen_at: float = 0.0  # monotonic

    @property
    def is_fresh(self) -> bool:
        """Nothing was measured yet in this container: the result is the initial one."""
        return self._last is None

    @property
    def failed_last(self) -> bool:
        return self._last is Result.FAILURE

    async def step(self) -> float | None:
        """Probe if it is time. Seconds until the next step, or None when no work is left for good."""
        period, soon = float(self.spec.period), min(float(self.spec.period), NOT_RUNNING_SECONDS)
        status = self.status()
        if (status or {}).get("phase") in ("Succeeded", "Failed"):
            return None
        entry = container_status(status, self.container["name"])
        if status is None or entry is None or not entry.get("containerID"):
            return soon
        self._observe(bare_id(entry["containerID"]))
        state = entry.get("state") or {}
        if self._on_hold:
            return soon
        if "running" not in state:
            self._set(Result.FAILURE)
            is_over = "terminated" in state and self.pod["spec"].get("restartPolicy") == "Never"
            return None if is_over else soon
        if self.is_stopping and self.spec.kind is not ProbeKind.READINESS:
            self._set(Result.SUCCESS)
            return None
        if (delay := self.spec.initial_delay - self._age(state["running"])) > 0:
            return min(delay, float(self.spec.initial_delay))
        if self.is_started(self.container_id) == (self.spec.kind is ProbeKind.STARTUP):
            return period
        self._count(await self.check(self, status.get("podIP") or ""))
        return period

    def _age(self, running: dict[str, Any]) -> float:
        """At least since it was seen first: a clock that was set back makes no container younger."""
        started_at = running.get("startedAt")
        told = (self.clock.now() - parse_time(started_at)).total_seconds() if started_at else 0.0
        return max(told, self.clock.monotonic() - self._seen_at)

    def _observe(self, container_id: str) -> None:
        if container_id != self.container_id:
            self.container_id, self._seen_at = container_id, self.clock.monotonic()
            self._on_hold, self._last, self._run_length = False, None, 0
            self.result = INITIAL[self.spec.kind]
            self.changed(self)

    def _count(self, outcome: Outcome) -> None:
        """Add one outcome; a probe that could not be run says nothing about the container."""
        if outcome.is_error:
            return
        result = Result.SUCCESS if outcome.result is Result.WARNING else outcome.result
        self._run_length = self._run_length + 1 if result is self._last else 1
        self._last = result
        has_failed = result is Result.FAILURE
        if self._run_length < (self.spec.failure_threshold if has_failed else self.spec.success_threshold):
            return
        self._set(result)
        if has_failed and self.spec.kind is not ProbeKind.READINESS:
            self._on_hold, self._run_length = True, 0
            self.failed(self)

    def _set(self, result: Result) -> None:
        if result is not self.result:
            self.result = result
            self.changed(self)
