"""Pods that run and are not ready: probes, readiness gates, init containers that do not end."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight.commands import edit_template, patch
from pinnace.insight.findings import (
    CAUSE,
    EFFECT,
    LIKELY,
    Evidence,
    Finding,
    Object,
    condition,
    event,
    field,
    finding,
    in_namespace,
    ready_to_type,
)
from pinnace.insight.world import World

STARTS_SECONDS = 10  # probes fail while an application starts


def not_ready(pod: Object, world: World) -> Iterator[Finding]:
    found = pods.get_condition(pod, "Ready") or {}
    if pods.phase(pod) != "Running" or found.get("status") == "True" or pods.is_terminating(pod):
        return
    probes = world.events(pod, "Unhealthy")
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status.get("ready") or "running" not in (status.get("state") or {}):
            continue
        container = pods.find_container(pod, status["name"]) or {}
        which = "startup" if container.get("startupProbe") and not status.get("started") else "readiness"
        probe = container.get(f"{which}Probe")
        if probe is None:
            continue
        seen = [one for one in probes if which in (one.get("message") or "").lower()]
        said = f": {' '.join(seen[0]['message'].split())}" if seen else ""
        yield finding(
            pod, f"container {status['name']} runs, but its {which} probe ({probe_text(probe)}) does not succeed{said}",
            rank=CAUSE if seen and world.age(pod) > STARTS_SECONDS else LIKELY,
            evidence=[field(pod, f"spec.containers[{status['name']}].{which}Probe", probe_text(probe)), condition(pod, found), *map(event, seen[:1])],
            commands=[*edit_template(pod, world), f"kubectl logs {meta.name(pod)} -c {status['name']}{in_namespace(pod)}", ready_to_type("describe", pod)],
        )  # fmt: skip
    yield from _gates(pod)
    if found.get("reason") not in ("ContainersNotReady", "ReadinessGatesNotReady") and found:
        yield finding(
            pod,
            "it runs, but its node says that it is not ready",
            rank=EFFECT,
            evidence=[condition(pod, found)],
        )


def _gates(pod: Object) -> Iterator[Finding]:
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        found = pods.get_condition(pod, kind)
        if (found or {}).get("status") != "True":
            yield finding(
                pod, f"it waits for the readiness gate {kind}: whoever watches over it has not set this condition to True",
                evidence=[condition(pod, found) if found else field(pod, f"status.conditions[{kind}]", None)],
                commands=[_open(pod, kind), ready_to_type("describe", pod)],
            )  # fmt: skip


def _open(pod: Object, kind: str) -> str:
    """Says in place of whoever watches over the gate that all is well; a controller that is alive sets it back."""
    body = {"status": {"conditions": [{"type": kind, "status": "True"}]}}
    return f"{patch(pod, body)} --subresource=status"


def init_runs(pod: Object, world: World) -> Iterator[Finding]:
    """An init container that neither fails nor ends keeps all others waiting."""
    if pods.phase(pod) != "Pending":
        return
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        container = pods.find_container(pod, status["name"]) or {}
        if "running" in (status.get("state") or {}) and not pods.is_sidecar(container):
            lines = world.log(pod, status["name"])[-3:]
            yield finding(
                pod, f"init container {status['name']} still runs; the others start when it has ended", rank=LIKELY,
                evidence=[
                    Evidence(f"pod/{meta.name(pod)} status.initContainerStatuses[{status['name']}].state", "running"),
                    *[Evidence(f"log of {status['name']}", line) for line in lines if line.strip()],
                ],
                commands=[f"kubectl logs {meta.name(pod)} -c {status['name']}{in_namespace(pod)}"],
            )  # fmt: skip


def probe_text(probe: Object) -> str:
    if get := probe.get("httpGet"):
        return f"GET {(get.get('scheme') or 'HTTP').lower()}://:{get.get('port')}{get.get('path') or '/'}"
    if tcp := probe.get("tcpSocket"):
        return f"connect to port {tcp.get('port')}"
    if grpc := probe.get("grpc"):
        return f"gRPC health on port {grpc.get('port')}"
    return "run " + " ".join((probe.get("exec") or {}).get("command") or ())
