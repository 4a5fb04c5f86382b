"""Containers that end when they should not: their exit code, memory, a probe that kills them, and what they said last."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.apimachinery.quantity import parse
from pinnace.insight.commands import edit_template, has_template, maker
from pinnace.insight.findings import (
    CAUSE,
    Evidence,
    Finding,
    Object,
    event,
    finding,
    in_namespace,
    ready_to_type,
    word,
)
from pinnace.insight.pod_state import crashed_lately
from pinnace.insight.rules.jobs import is_over
from pinnace.insight.whatif.obstacles import amount
from pinnace.insight.world import World

LOG_LINES = 5
SIGNALS = {1: "SIGHUP", 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
_MEANING = {
    6: " (it ended itself: an assertion, or an uncaught error)",
    9: " (killed at once: by the end of its grace, or by the node that ran out of memory)",
    11: " (it used memory that is not its own: an error of the program)",
    15: " (somebody asked it to end)",
}
_CODES = {
    126: "its command is there but cannot be executed (no permission, or for another kind of machine)",
    127: "its command, or one that it calls, is not in the image",
}


def crash(pod: Object, world: World) -> Iterator[Finding]:
    if pods.is_terminating(pod) or _is_told_otherwise(pod, world):
        return
    for status in pods.container_statuses(pod):
        ended = _ended(pod, status, world.now)
        if ended is None:
            continue
        is_previous = "terminated" not in (status.get("state") or {})
        yield _explain(pod, status, ended, is_previous, world)


def _is_told_otherwise(pod: Object, world: World) -> bool:
    """It failed as a whole, which `pod-failed` tells, or nobody wants to know any more."""
    return pods.is_terminal(pod) and (bool(pod["status"].get("reason")) or is_over(pod, world))


def _ended(pod: Object, status: Object, now: float) -> Object | None:
    """How the container ended, where that is what is wrong; None otherwise."""
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
    if (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff":
        return last or {}
    if terminated := state.get("terminated"):
        bad = terminated.get("exitCode") or pods.find_container(pod, status["name"]) in pods.containers(pod)
        keeps = pod["spec"].get("restartPolicy", "Always") == "Always"
        if terminated.get("exitCode") or (bad and keeps and not pods.is_terminal(pod)):
            return dict(terminated)
        return None
    if last and (crashed_lately(status, now) or (not status.get("ready") and status.get("restartCount"))):
        return dict(last)
    return None


def _explain(pod: Object, status: Object, ended: Object, is_previous: bool, world: World) -> Finding:
    name, code = status["name"], ended.get("exitCode")
    log = f"kubectl logs {meta.name(pod)} -c {name}{' --previous' if is_previous else ''}{in_namespace(pod)}"
    evidence = [Evidence(f"pod/{meta.name(pod)} status.containerStatuses[{name}]", _state(status, ended))]
    killed = [one for one in world.events(pod, "Killing") if _is_probe(one, name)]
    cause, rank, commands = f"container {name} {_why(ended)}", CAUSE - 5, [log]
    if ended.get("reason") == "OOMKilled":
        limit = _amount(pod, name, "limits")
        text = f"its limit is {limit}" if limit else "it has no limit of its own: the node ran out of memory"
        cause, rank = f"container {name} used more memory than it may have ({text})", CAUSE
        commands = [*_more_memory(pod, name, limit, world), log, ready_to_type("describe", pod)]
    elif killed and code in (137, 143, 0, None, 1, 2):
        probe = [
            one for one in world.events(pod, "Unhealthy") if "Readiness" not in (one.get("message") or "")
        ]
        cause, rank = f"container {name} is killed because its {_which(killed[0])} probe fails", CAUSE
        evidence += [event(one) for one in (*probe[:1], killed[0])]
        commands = [*edit_template(pod, world), log, ready_to_type("describe", pod)]
    times = status.get("restartCount") or 0
    if times:
        cause += f"; it was restarted {times} time{'s' if times > 1 else ''}"
    if ended.get("message"):
        evidence.append(Evidence("termination message", " ".join(ended["message"].split())))
    evidence += [
        Evidence(f"log of {name}", line)
        for line in world.log(pod, name, previous=is_previous)[-LOG_LINES:]
        if line.strip()
    ]
    return finding(pod, cause, rank=rank, evidence=evidence, commands=commands)


def _more_memory(pod: Object, container: str, limit: str, world: World) -> list[str]:
    """Twice as much: a limit, or else a request, so that a node is found that has it."""
    made_by, now = maker(pod, world), limit or _amount(pod, container, "requests")
    if not now or not has_template(made_by):
        return edit_template(pod, world) if limit else []
    which = "limits" if limit else "requests"
    return [
        ready_to_type(
            "set resources", made_by, f"-c {word(container)} --{which}=memory={amount(parse(now) * 2)}"
        )
    ]


def _why(ended: Object) -> str:
    code, reason = ended.get("exitCode"), ended.get("reason")
    if reason in ("StartError", "ContainerCannotRun"):
        return "cannot be started: its command is not in the image, or cannot be executed"
    if reason == "ContainerStatusUnknown":
        return "was lost: its node does not know how it ended (it was restarted, or the runtime lost it)"
    if code is None:
        return "ends again and again"
    if code == 0:
        return "ends by itself with exit code 0, but restartPolicy: Always wants it to keep running"
    if code in _CODES:
        return f"ends with exit code {code}: {_CODES[code]}"
    if code > 128 and (code - 128) in SIGNALS:
        return f"ends with exit code {code}: it got {SIGNALS[code - 128]}{_MEANING.get(code - 128, '')}"
    return f"ends with exit code {code}: its own error"


def _state(status: Object, ended: Object) -> str:
    waiting = (status.get("state") or {}).get("waiting") or {}
    parts = [waiting.get("reason", ""), f"restarts {status.get('restartCount', 0)}"]
    if ended:
        parts.append(f"ended: {ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}")
    return "; ".join(part for part in parts if part)


def _is_probe(one: Object, container: str) -> bool:
    message = one.get("message") or ""
    return container in message and "failed" in message and "probe" in message


def _which(one: Object) -> str:
    return "startup" if "startup" in (one.get("message") or "") else "liveness"


def _amount(pod: Object, name: str, which: str) -> str:
    container = pods.find_container(pod, name) or {}
    return str(((container.get("resources") or {}).get(which) or {}).get("memory", ""))
