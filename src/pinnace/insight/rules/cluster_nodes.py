"""Nodes that are not ready, short of something, cordoned."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import nodes
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import (
    CAUSE,
    NOTE,
    Finding,
    Object,
    condition,
    event,
    field,
    finding,
)
from pinnace.insight.world import World

_PRESSURE = {
    "MemoryPressure": "it is short of memory: it takes no more pods without requests, and evicts some",
    "DiskPressure": "it is short of disk: it takes no more pods, removes images, and evicts pods",
    "PIDPressure": "it is short of process numbers: it takes no more pods",
    "NetworkUnavailable": "its network is not set up",
}


def not_ready(node: Object, world: World) -> Iterator[Finding]:
    found = nodes.get_condition(node, "Ready")
    if found and found.get("status") == "True":
        return
    name = meta.name(node)
    if found is None:
        yield finding(node, "its kubelet has never said anything", evidence=[field(node, "status.conditions", [])], commands=[f"kubectl describe node {name}"])  # fmt: skip
        return
    commands = [
        f"kubectl describe node {name}",
        f"kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ]
    if found.get("status") == "Unknown":
        cause = "its kubelet is silent: the machine is off, cut off from the API server, or the kubelet does not run"
        lease = world.get("Lease", "kube-node-lease", name)
        renewed = ((lease or {}).get("spec") or {}).get("renewTime")
        evidence = [condition(node, found)]
        if renewed:
            ago = world.now - parse_time(renewed).timestamp()
            evidence.append(field(node, "(its lease in kube-node-lease)", f"last renewed {ago:.0f} s ago"))
        yield finding(node, cause, evidence=evidence, commands=commands)
        return
    message = " ".join((found.get("message") or "").split())
    cause = f"its kubelet says that it is not ready: {message}"
    if "cni" in message.lower() or "network not ready" in message.lower():
        cause = f"its pod network is not ready (no CNI configuration, or the plugin fails): {message}"
    elif "PLEG" in message:
        cause = f"its container runtime is too slow or hangs: {message}"
    elif "runtime is down" in message or "container runtime" in message.lower():
        cause = f"its container runtime does not answer: {message}"
    yield finding(
        node,
        cause,
        evidence=[condition(node, found), *map(event, world.events(node, "NodeNotReady")[:1])],
        commands=commands,
    )


def pressure(node: Object, world: World) -> Iterator[Finding]:
    if not nodes.is_ready(node):
        return
    for kind, text in _PRESSURE.items():
        found = nodes.get_condition(node, kind)
        if found and found.get("status") == "True":
            seen = world.events(node, "EvictionThresholdMet", "FreeDiskSpaceFailed", "ImageGCFailed")
            yield finding(node, text, rank=CAUSE - 5, evidence=[condition(node, found), *map(event, seen[:1])],
                          commands=[f"kubectl describe node {meta.name(node)}"])  # fmt: skip


def cordoned(node: Object, _: World) -> Iterator[Finding]:
    if nodes.is_unschedulable(node):
        yield finding(
            node, "it is cordoned: no new pods go there", rank=NOTE, evidence=[field(node, "spec.unschedulable", True)],
            commands=[f"kubectl uncordon {meta.name(node)}"],
        )  # fmt: skip
