"""Columns of pods; the STATUS and RESTARTS cells follow upstream's printPod step by step, but for Evicted, which stays visible.

https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pinnace.api import conditions
from pinnace.api.columns.table import AGE, NAME, NONE, Cell, Column, TableDef, age, age_of, name, wide
from pinnace.api.core import pods
from pinnace.api.meta import Object

Status = dict[str, Any]


@dataclass(slots=True)
class _Summary:
    """What the containers add up to."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def count_restarts(self, status: Status) -> None:
        self.restarts += status.get("restartCount", 0)
        finished = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.last_restart = max(self.last_restart, finished)


def _ended(terminated: dict[str, Any]) -> str:
    """The reason that the runtime gave, else signal or exit code."""
    if terminated.get("reason"):
        return terminated["reason"]
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _initial_reason(status: Status) -> str:
    gated = any(
        one.get("type") == "PodScheduled" and one.get("reason") == "SchedulingGated"
        for one in status.get("conditions") or ()
    )
    return "SchedulingGated" if gated else status.get("reason") or status.get("phase") or ""


def _init_reason(entry: Status, index: int, total: int) -> str:
    """What an init container that is not done says of the pod."""
    state = entry.get("state") or {}
    waiting = (state.get("waiting") or {}).get("reason")
    if state.get("terminated"):
        return f"Init:{_ended(state['terminated'])}"
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{index}/{total}"


def _initialise(pod: Object, summary: _Summary) -> tuple[bool, _Summary]:
    """Walk the init containers up to the first unfinished one: (whether there is one, restarts of sidecars)."""
    declared = {container.get("name"): container for container in pods.init_containers(pod)}
    sidecars = _Summary("")
    for index, entry in enumerate((pod.get("status") or {}).get("initContainerStatuses") or ()):
        is_sidecar = pods.is_sidecar(declared.get(entry.get("name"), {}))
        summary.count_restarts(entry)
        if is_sidecar:
            sidecars.count_restarts(entry)
        terminated = (entry.get("state") or {}).get("terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if is_sidecar and entry.get("started"):
            summary.ready += bool(entry.get("ready"))
            continue
        summary.reason = _init_reason(entry, index, len(declared))
        return True, sidecars
    return False, sidecars


def _run(pod: Object, summary: _Summary) -> None:
    """Let the app containers speak, the first one last so that it decides."""
    status = pod.get("status") or {}
    running, error = False, ""
    for entry in reversed(status.get("containerStatuses") or []):
        summary.count_restarts(entry)
        state = entry.get("state") or {}
        terminated = state.get("terminated")
        if (state.get("waiting") or {}).get("reason"):
            summary.reason = state["waiting"]["reason"]
        elif terminated is not None:
            summary.reason = _ended(terminated)
            error = summary.reason if terminated.get("exitCode") else error
        elif entry.get("ready") and "running" in state:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and (running or error):
        summary.reason = _not_completed(status, running, error)


def _not_completed(status: Status, running: bool, error: str) -> str:
    """A pod is not Completed while another of its containers runs or has failed."""
    if running and conditions.is_true(status.get("conditions"), "Ready"):
        return "Running"
    return error or "NotReady"


def _summarise(pod: Object) -> _Summary:
    status = pod.get("status") or {}
    summary = _Summary(_initial_reason(status))
    initializing, sidecars = _initialise(pod, summary)
    if not initializing or conditions.is_true(status.get("conditions"), "Initialized"):
        summary.restarts, summary.last_restart = sidecars.restarts, sidecars.last_restart
        _run(pod, summary)
    if status.get("reason") == "Evicted" and pods.is_terminal(pod):
        summary.reason = "Evicted"  # upstream lets the exits of the killed containers ("Error") hide it
    if pods.is_terminating(pod):
        if status.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif not pods.is_terminal(pod):
            summary.reason = "Terminating"
    return summary


def _gates(pod: Object) -> str:
    gates = pod["spec"].get("readinessGates")
    if not gates:
        return NONE
    listed = (pod.get("status") or {}).get("conditions")
    return f"{sum(conditions.is_true(listed, gate.get('conditionType', '')) for gate in gates)}/{len(gates)}"


def _cells(pod: Object, now: datetime) -> list[Cell]:
    summary = _summarise(pod)
    total = len(pods.containers(pod)) + sum(map(pods.is_sidecar, pods.init_containers(pod)))
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{restarts} ({age_of(summary.last_restart, now)} ago)"
    nominated = (pod.get("status") or {}).get("nominatedNodeName")
    return [
        name(pod),
        f"{summary.ready}/{total}",
        summary.reason,
        restarts,
        age(pod, now),
        pods.pod_ip(pod) or NONE,
        pods.node_name(pod) or NONE,
        nominated or NONE,
        _gates(pod),
    ]


def _conditions(pod: Object) -> list[dict[str, str]]:
    """A pod that is over says so, for clients that hide those."""
    phase = (pod.get("status") or {}).get("phase", "")
    message = _COMPLETED.get(phase)
    return (
        []
        if message is None
        else [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
    )


_COMPLETED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}
PODS = TableDef(
    (
        NAME,
        Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
        Column("Status", description="The aggregate status of the containers in this pod."),
        Column(
            "Restarts",
            description="The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        ),
        AGE,
        wide("IP", "The address of the pod in the pod network; empty until the pod has one."),
        wide("Node", "The node that the pod is bound to; empty until it is scheduled."),
        wide("Nominated Node", "The node where the pod will run once the pods that it preempts are gone."),
        wide("Readiness Gates", "Conditions beside those of containers that the pod waits for."),
    ),
    _cells,
    _conditions,
)
