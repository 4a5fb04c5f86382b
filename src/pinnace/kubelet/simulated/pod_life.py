"""The next step of a pod whose containers behave in a told way: its new status, its end, or how long nothing happens. Pure.

Phases, conditions and restarts follow the same functions as the real kubelet's. Probes do not exist: a container is started
when it runs, and ready when its behaviour says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time, parse_time
from pinnace.kubelet.pod_conditions import conditions
from pinnace.kubelet.pod_status import phase_of, same_but_for_times
from pinnace.kubelet.restart_policy import restarts_after
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.kubelet.simulated.fast import container_entry, described

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0  # between restarts
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """`status` is what to write first, if anything; then the pod goes, or is looked at again after `wait` seconds."""

    status: Object | None = None
    leaves: bool = False
    wait: float | None = None


@dataclass(slots=True)
class _Moment:
    """The pod, the time, and the earliest later time at which something happens."""

    pod: Object
    now: datetime
    next: datetime | None = None

    def at(self, due: datetime) -> bool:
        """Whether `due` has come; if not, it is remembered."""
        if self.now >= due:
            return True
        self.next = due if self.next is None else min(self.next, due)
        return False

    @property
    def wait(self) -> float | None:
        return None if self.next is None else (self.next - self.now).total_seconds()


def next_step(pod: Object, behaviour: Behaviour, now: datetime, host_ip: str, pod_ip: str) -> Step:
    moment = _Moment(pod, now)
    if pods.is_terminating(pod):
        grace = pods.grace_period_seconds(pod)
        deleted = parse_time(pod["metadata"]["deletionTimestamp"]) - timedelta(seconds=grace)
        if moment.at(deleted + timedelta(seconds=min(grace, behaviour.leaves_after))):
            return _end(pod, behaviour, now, grace)
    if pods.is_terminal(pod):
        return Step(wait=moment.wait)
    if behaviour.evicted:
        return Step(_failed(pod, "Evicted", behaviour.evicted, now))
    started = (pod.get("status") or {}).get("startTime")
    deadline = pod["spec"].get("activeDeadlineSeconds")
    if started and deadline is not None and moment.at(parse_time(started) + timedelta(seconds=deadline)):
        message = "Pod was active on the node longer than the specified deadline"
        return Step(_failed(pod, "DeadlineExceeded", message, now))
    if not started:
        if pods.is_terminating(pod) or behaviour.starts_after is None:
            return Step(wait=moment.wait)
        if not moment.at(_bound_at(pod) + timedelta(seconds=behaviour.starts_after)):
            return Step(wait=moment.wait)
    status = _status(moment, behaviour, host_ip, pod_ip)
    if started is None and deadline is not None:
        moment.at(now + timedelta(seconds=deadline))
    old = pod.get("status") or {}
    is_same = same_but_for_times({key: old.get(key) for key in status}, status)
    return Step(None if is_same else status, wait=moment.wait)


def _bound_at(pod: Object) -> datetime:
    scheduled = pods.get_condition(pod, "PodScheduled") or {}
    return parse_time(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])


def _status(moment: _Moment, behaviour: Behaviour, host_ip: str, pod_ip: str) -> Object:
    pod, old = moment.pod, moment.pod.get("status") or {}
    now = format_time(moment.now)
    inits, is_initialized = _advance_inits(moment, behaviour)
    apps = []
    for container in pods.containers(pod):
        entry = _entry(pod, container, "ContainerCreating" if is_initialized else "PodInitializing")
        runs = behaviour.runs_of(container["name"], is_init=False)
        apps.append(_advance(moment, container, entry, runs) if is_initialized else entry)
    _end_sidecars(moment, inits, apps)
    status: Object = {
        "phase": phase_of(pod, inits, apps),
        "startTime": old.get("startTime") or now,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "containerStatuses": apps,
    }
    if inits:
        status["initContainerStatuses"] = inits
    if status["phase"] in pods.TERMINAL_PHASES:
        for entry in apps:
            entry["ready"] = False
    status["conditions"] = conditions(
        pod, status, now, has_sandbox=status["phase"] not in pods.TERMINAL_PHASES
    )
    return status


def _advance_inits(moment: _Moment, behaviour: Behaviour) -> tuple[list[Entry], bool]:
    """Init containers run one after the other; whether all are done."""
    pod, entries, is_free = moment.pod, [], True
    for container in pods.init_containers(pod):
        entry = _entry(pod, container, "PodInitializing")
        if is_free:
            is_sidecar = pods.is_sidecar(container)
            runs = behaviour.runs_of(container["name"], is_init=not is_sidecar)
            entry = _advance(moment, container, entry, runs, is_init=not is_sidecar)
            is_free = entry["started"] if is_sidecar else entry["ready"]
        entries.append(entry)
    return entries, is_free


def _entry(pod: Object, container: dict[str, Any], waiting: str) -> Entry:
    """The container's status as it is, with what the spec says now."""
    old = pods.find_container_status(pod, container["name"])
    if old is None:
        fresh = container_entry(container, meta.uid(pod), {"waiting": {"reason": waiting}})
        return {**fresh, "ready": False, "started": False}
    return {**old, **described(container)} if "running" in old["state"] else {**old}


def _advance(
    moment: _Moment, container: dict[str, Any], entry: Entry, runs: tuple[Run, ...], *, is_init: bool = False
) -> Entry:
    """Everything that has happened to the container by now: starts, readiness, ends and restarts."""
    for _ in range(4):  # a run of no length is started, ended and started again within one step
        state, run = entry["state"], runs[min(entry["restartCount"], len(runs) - 1)]
        if "running" in state:
            started = parse_time(state["running"]["startedAt"])
            if run.seconds is None or not moment.at(started + timedelta(seconds=run.seconds)):
                is_ready = run.ready_after is not None and moment.at(
                    started + timedelta(seconds=run.ready_after)
                )
                return {**entry, "ready": is_ready and not is_init}
            entry = _exited(entry, run, moment.now)
        elif "terminated" in state:
            code = state["terminated"]["exitCode"]
            restarts = code != 0 and moment.pod["spec"].get("restartPolicy") != "Never" if is_init else None
            if pods.is_terminating(moment.pod) or not (
                restarts_after(moment.pod, container, code) if restarts is None else restarts
            ):
                return entry
            entry = _to_restart(entry)
        else:
            ended = (entry.get("lastState") or {}).get("terminated")
            if ended is not None and not moment.at(parse_time(ended["finishedAt"]) + _pause(entry)):
                return entry
            entry = _started(entry, moment.now, is_restart=ended is not None)
    return entry


def _started(entry: Entry, now: datetime, *, is_restart: bool) -> Entry:
    count = entry["restartCount"] + is_restart
    return {
        **entry, "state": {"running": {"startedAt": format_time(now)}}, "started": True, "ready": False,
        "restartCount": count, "containerID": f"{entry['containerID'].partition('#')[0]}{f'#{count}' if count else ''}",
    }  # fmt: skip


def _exited(entry: Entry, run: Run, now: datetime) -> Entry:
    ended = {
        "exitCode": run.exit_code, "reason": run.reason or ("Error" if run.exit_code else "Completed"),
        "startedAt": entry["state"]["running"]["startedAt"], "finishedAt": format_time(now),
        "containerID": entry["containerID"],
    }  # fmt: skip
    if run.message:
        ended["message"] = run.message
    # an init container that has done its work is ready, as upstream has it
    return {**entry, "state": {"terminated": ended}, "started": False, "ready": run.exit_code == 0}


def _to_restart(entry: Entry) -> Entry:
    waiting = {
        "reason": "CrashLoopBackOff",
        "message": f"back-off {_pause(entry)} restarting failed container",
    }
    return {**entry, "state": {"waiting": waiting}, "lastState": entry["state"], "ready": False}


def _pause(entry: Entry) -> timedelta:
    """The first restart is immediate; then 10 s, doubling."""
    count = entry["restartCount"]
    return timedelta(seconds=min(FIRST_PAUSE * 2.0 ** min(count - 1, 10), LONGEST_PAUSE) if count else 0)


def _end_sidecars(moment: _Moment, inits: list[Entry], apps: Iterable[Entry]) -> None:
    """Sidecars end when no app container runs or will run again."""
    if any("terminated" not in entry["state"] for entry in apps):
        return
    for number, entry in enumerate(inits):
        if "running" in entry["state"]:
            inits[number] = {**_exited(entry, Run(), moment.now), "ready": False}


# --- how a pod ends


def _end(pod: Object, behaviour: Behaviour, now: datetime, grace: int) -> Step:
    """The containers are stopped, which is reported where somebody holds the pod and may want to know; then it goes."""
    if not pod["metadata"].get("finalizers"):
        return Step(leaves=True)
    already_gone = pod["metadata"].get("deletionGracePeriodSeconds") == 0
    if pods.is_terminal(pod):
        return Step(leaves=not already_gone)
    code = behaviour.killed_exit_code if behaviour.leaves_after < grace or grace == 0 else 137
    return Step(_stopped(pod, now, code), leaves=not already_gone)


def _stopped(pod: Object, now: datetime, code: int) -> Object:
    entries = {field: [_killed(entry, now, code) for entry in (pod.get("status") or {}).get(field) or ()]
               for field in ("initContainerStatuses", "containerStatuses")}  # fmt: skip
    apps = entries["containerStatuses"]
    succeeded = bool(apps) and all(one["state"].get("terminated", {}).get("exitCode") == 0 for one in apps)
    status: Object = {"phase": "Succeeded" if succeeded else "Failed", "containerStatuses": apps}
    inits = pods.init_containers(pod)
    if inits and len(entries["initContainerStatuses"]) == len(inits):
        status["initContainerStatuses"] = entries["initContainerStatuses"]
    if len(apps) == len(pods.containers(pod)) and ("initContainerStatuses" in status or not inits):
        status["conditions"] = conditions(pod, status, format_time(now), has_sandbox=False)
    return status


def _killed(entry: Entry, now: datetime, code: int) -> Entry:
    if "running" not in entry["state"]:
        return {**entry, "ready": False}
    return {**_exited(entry, Run(exit_code=code), now), "ready": False}


def _failed(pod: Object, reason: str, message: str, now: datetime) -> Object:
    """The kubelet itself ended the pod."""
    status = {**_stopped(pod, now, 137), "phase": "Failed", "reason": reason, "message": message}
    status.setdefault("startTime", (pod.get("status") or {}).get("startTime") or format_time(now))
    if reason == "Evicted" and "conditions" in status:
        told = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message,
                "lastTransitionTime": format_time(now)}  # fmt: skip
        status["conditions"] = [*status["conditions"], told]
    return status
