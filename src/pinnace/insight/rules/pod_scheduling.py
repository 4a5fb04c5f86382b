"""Why a pod has no node: gates, resources with numbers, taints, selectors, ports, volumes, affinity; and what would make it fit."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import node_affinity, nodes, pod_resources, pods
from pinnace.api.core.tolerations import is_tolerated
from pinnace.insight.commands import edit_template, has_template, maker, patch
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
    ready_to_type,
    shown,
)
from pinnace.insight.whatif import preemption
from pinnace.insight.whatif.nearest import Fit, fits, sentences
from pinnace.insight.whatif.obstacles import HARD, amount, taint_text
from pinnace.insight.world import World

_INSUFFICIENT = re.compile(r"(\d+) Insufficient ([^\s,.]+(?:\.[^\s,.]+)*)")
# what the scheduler says of nodes -> what it means; those with numbers of their own have functions below
_COMPUTED = {
    "didn't have free ports": "port",
    "didn't match pod affinity rules": "affinity",
    "didn't match pod anti-affinity rules": "anti-affinity",
    "didn't satisfy existing pods anti-affinity": "others-anti-affinity",
    "didn't match pod topology spread constraints": "spread",
    "didn't match PersistentVolume's node affinity": "volume",
    "had no available volume zone": "volume",
}
_PLAIN = {
    "didn't have free ports": "a host port that the pod wants is taken on every node that it could go to",
    "didn't match pod affinity rules": "spec.affinity.podAffinity asks for nodes near pods that run nowhere it could go",
    "didn't match pod anti-affinity rules": "spec.affinity.podAntiAffinity keeps it away from pods that run on every node it could go to",
    "didn't satisfy existing pods anti-affinity": "pods that run already have an anti-affinity against it",
    "didn't match pod topology spread constraints": "spec.topologySpreadConstraints would be violated on every node it could go to",
    "didn't match PersistentVolume's node affinity": "its volume can only be reached from nodes that it cannot go to",
    "had no available volume zone": "its volume lies in another zone than the nodes it could go to",
    "exceed max volume count": "every node it could go to has as many volumes attached as it can have",
    "bound to non-existent pv": "a claim of it is bound to a volume that is gone",
    "ReadWriteOncePod access mode already in-use": "another pod uses its volume, which only one pod may use",
    "didn't match the requested node name": "it asks for one node by name, which is not there",
    "had no available disk": "its disk is in use on every node it could go to",
    "did not have enough free storage": "no node it could go to has enough free storage for its volumes",
}


def gates(pod: Object, _: World) -> Iterator[Finding]:
    """Scheduling is blocked on purpose."""
    names = [gate["name"] for gate in pod["spec"].get("schedulingGates") or ()]
    if names and not pods.node_name(pod):
        yield finding(
            pod, f"it waits for {shown(names)}: whoever set this scheduling gate has not removed it",
            evidence=[field(pod, "spec.schedulingGates[*].name", names)],
            commands=[patch(pod, {"spec": {"schedulingGates": None}}, "merge")],
        )  # fmt: skip


def unschedulable(pod: Object, world: World) -> Iterator[Finding]:
    """The scheduler found no node."""
    found = pods.get_condition(pod, "PodScheduled") or {}
    if pods.node_name(pod) or pods.is_terminal(pod) or found.get("status") != "False" or pods.is_gated(pod):
        return
    message = str(found.get("message") or "")
    if found.get("reason") == "SchedulerError":
        yield finding(pod, f"the scheduler failed: {message}", evidence=[condition(pod, found)])
        return
    evidence = [_short(condition(pod, found)), *_decision(pod, world)]
    evidence += [
        _short(event(one)) for one in world.events(pod, "FailedScheduling")[:1] if shown(one.get("message")) != shown(message)
    ]  # fmt: skip
    specific = [
        *_no_nodes(pod, message, world),
        *_resources(pod, message, world),
        *_taints(pod, message, world),
    ]
    specific += [*_selector(pod, world), *_cordoned(pod, message, world)]
    nearest = fits(pod, world)
    specific += [
        _plain(pod, meaning, [one for one in nearest if any(o.kind == _COMPUTED.get(text) for o in one.obstacles)], _COMPUTED.get(text, ""))
        for text, meaning in _PLAIN.items() if text in message
    ]  # fmt: skip
    evidence += [Evidence("what if", text) for text in sentences(nearest)]
    if way := preemption.room(pod, nearest, world):
        evidence.append(Evidence("what if", way.text))
    if specific and nearest and len({one.mend for one in nearest[0].obstacles}) > 1:
        evidence += [Evidence("in the way", one.cause) for one in specific]
        specific = [_several(pod, nearest[0])]
    if specific and way:
        specific[0] = specific[0]._replace(
            commands=(*specific[0].commands, *preemption.commands(pod, way, world))
        )
    for at, one in enumerate(specific):
        yield one._replace(evidence=(*one.evidence, *(evidence if at == 0 else evidence[:1])))
    if not specific:
        # what claims lack is told about the claims
        rank = EFFECT if "PersistentVolumeClaim" in message or "persistent volumes" in message else LIKELY
        yield finding(
            pod, f"it cannot be scheduled: {message}", rank=rank, evidence=evidence,
            commands=[ready_to_type("describe", pod)],
        )  # fmt: skip


def _short(one: Evidence) -> Evidence:
    """Without what the scheduler adds about preemption: where that would help, `what if` says so with names."""
    return one._replace(text=re.split(r"\.? (?:no new claims to deallocate|preemption:)", one.text)[0])


def _plain(pod: Object, meaning: str, found: list[Fit], kind: str) -> Finding:
    """What the scheduler's words mean, and what is in the way where it would take least."""
    if not found:
        return finding(pod, f"it cannot be scheduled: {meaning}", commands=[ready_to_type("describe", pod)])
    nearest = [one for one in found[0].obstacles if one.kind == kind]
    texts = dict.fromkeys(o.text for one in found for o in one.obstacles if o.kind == kind)
    return finding(
        pod, f"it cannot be scheduled: {meaning}: {nearest[0].text}",
        evidence=[Evidence("computed from pods and nodes", text) for text in list(texts)[:4]],
        commands=[*nearest[0].commands, ready_to_type("describe", pod)],
    )  # fmt: skip


def _several(pod: Object, nearest: Fit) -> Finding:
    commands = [command for one in nearest.obstacles for command in one.commands]
    return finding(
        pod, f"several things keep it off every node; the least that would do: it fits on {nearest.node} if {nearest.mends}",
        commands=[*commands, ready_to_type("describe", pod)],
    )  # fmt: skip


def unseen_by_scheduler(pod: Object, world: World) -> Iterator[Finding]:
    """Pending, and no scheduler has looked at it."""
    if pods.phase(pod) != "Pending" or pods.node_name(pod) or pods.is_gated(pod) or pods.is_terminating(pod):
        return
    if pods.get_condition(pod, "PodScheduled") or world.events(pod, "FailedScheduling"):
        return
    name = pod["spec"].get("schedulerName") or "default-scheduler"
    if name != "default-scheduler":
        cause = f"no scheduler has looked at it: it asks for {name}, which seems not to run"
        yield finding(
            pod, cause, rank=LIKELY, evidence=[field(pod, "spec.schedulerName", name)],
            commands=["kubectl get pods -A", "kubectl get leases -n kube-system"],
        )  # fmt: skip
    else:
        yield finding(
            pod, "no scheduler has looked at it: none runs, or it is behind", rank=LIKELY,
            evidence=[field(pod, "spec.nodeName", None)], commands=["kubectl get leases -n kube-system"],
        )  # fmt: skip


def _decision(pod: Object, world: World) -> Iterator[Evidence]:
    """The scheduler's own record, where it can be read: which nodes gave which reason."""
    for one in (world.decision(pod) or {}).get("reasons") or ():
        names = one.get("nodes") or []
        more = ", ..." if one.get("count", 0) > len(names) else ""
        yield Evidence("scheduler decision", f"{one.get('reason')}: {shown(names)}{more}")


def _no_nodes(pod: Object, message: str, world: World) -> Iterator[Finding]:
    if "no nodes available" in message or message.startswith("0/0"):
        rank = CAUSE if world.can_list("Node") and not world.every("Node") else LIKELY
        yield finding(pod, "the cluster has no node", rank=rank, commands=["kubectl get nodes"])


class _Room(NamedTuple):
    node: Object
    allocatable: Decimal
    used: Decimal

    @property
    def free(self) -> Decimal:
        return self.allocatable - self.used


def _resources(pod: Object, message: str, world: World) -> Iterator[Finding]:
    for _, resource in _INSUFFICIENT.findall(message):
        wanted = pod_resources.requests(pod).get(resource)
        rooms = [_room(node, resource, world) for node in world.every("Node") if _could_host(pod, node)]
        if wanted is None or not rooms:
            continue
        best = max(rooms, key=lambda room: room.free)
        yield finding(
            pod, _too_little(pod, resource, wanted, rooms, world),
            evidence=[
                Evidence(f"pod/{meta.name(pod)} resources.requests.{resource} (the sum)", amount(wanted)),
                field(best.node, f"status.allocatable[{resource}]", amount(best.allocatable)),
                Evidence(f"node/{meta.name(best.node)} requested by its pods", amount(best.used) if world.can_list("Pod") else "(may not be read)"),
            ],
            commands=[*_smaller(pod, resource, world), *edit_template(pod, world), f"kubectl describe node {meta.name(best.node)}"],
        )  # fmt: skip
    if "Too many pods" in message:
        yield finding(
            pod, "every node that it could go to has as many pods as it may have",
            evidence=[field(node, "status.allocatable[pods]", (node.get("status") or {}).get("allocatable", {}).get("pods"))
                      for node in world.every("Node")[:3]],
            commands=["kubectl get pods -A -o wide"],
        )  # fmt: skip


def _too_little(pod: Object, resource: str, wanted: Decimal, rooms: list[_Room], world: World) -> str:
    largest, best = max(room.allocatable for room in rooms), max(rooms, key=lambda room: room.free)
    asks = f"it asks for {amount(wanted)}"
    if wanted > largest:
        text = f"no node is large enough: {asks} of {resource}, the largest node has {amount(largest)}"
    elif not world.can_list("Pod"):
        return f"no node has enough free {resource}: {asks}, nodes have up to {amount(largest)}, what other pods ask for may not be read"
    else:
        text = f"no node has enough free {resource}: {asks}, the most that is free is {amount(best.free)} on {meta.name(best.node)}"
    others = {name: amount_of for name, amount_of in pod_resources.requests(pod).items() if name != resource}
    fitting = [room.free for room in rooms if _fits(others, room.node, world)]
    enough = max(fitting, default=Decimal(0))
    if enough > 0 and world.can_list("Pod"):
        text += f"; it fits if it asks for at most {amount(enough)}"
    return text


def _room(node: Object, resource: str, world: World) -> _Room:
    used = world.requested_on(meta.name(node)).get(resource, Decimal(0))
    return _Room(node, world.allocatable(node).get(resource, Decimal(0)), used)


def _fits(amounts: dict[str, Decimal], node: Object, world: World) -> bool:
    return all(wanted <= _room(node, name, world).free for name, wanted in amounts.items())


def _could_host(pod: Object, node: Object) -> bool:
    tolerations = pod["spec"].get("tolerations")
    hard = [taint for taint in nodes.taints(node) if taint.get("effect") in HARD]
    return node_affinity.matches(pod, node) and all(is_tolerated(taint, tolerations) for taint in hard)


def _smaller(pod: Object, resource: str, world: World) -> Iterator[str]:
    """Where one container asks for all of it, and nothing else keeps it off the nearest node."""
    made_by, kind = maker(pod, world), f"resource {resource}"
    nearest = next((one for one in fits(pod, world) if [o.kind for o in one.obstacles] == [kind]), None)
    if nearest is None or not has_template(made_by) or len(list(pods.all_containers(pod))) != 1:
        return
    most = nearest.obstacles[0].mend.removeprefix(f"its {resource} request is at most ")
    if most != nearest.obstacles[0].mend:
        yield ready_to_type("set resources", made_by, f"--requests={resource}={most}")


def _taints(pod: Object, message: str, world: World) -> Iterator[Finding]:
    if "untolerated taint" not in message:
        return
    tolerations, by_taint = pod["spec"].get("tolerations"), dict[str, list[str]]()
    wanted = [node for node in world.every("Node") if node_affinity.matches(pod, node)]
    for node in wanted or world.every("Node"):
        for taint in nodes.taints(node):
            if taint.get("effect") in HARD and not is_tolerated(taint, tolerations):
                by_taint.setdefault(taint_text(taint), []).append(meta.name(node))
    for text, names in sorted(by_taint.items()):
        if text.startswith(("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")):
            cause = f"{_nodes(names)} not ready (taint {text})"
            commands = [f"kubectl describe node {names[0]}"]
        elif text.startswith("node.kubernetes.io/unschedulable"):
            cause, commands = f"{_nodes(names)} cordoned", [f"kubectl uncordon {names[0]}"]
        else:
            cause = f"{_nodes(names)} tainted {text}, which it does not tolerate"
            cause += "; it may go there if the taint is tolerated or removed" if wanted else ""
            key, _, effect = text.partition(":")
            commands = [
                f"kubectl taint nodes {names[0]} {key.partition('=')[0]}:{effect}-",
                *edit_template(pod, world),
            ]
        yield finding(
            pod, cause, evidence=[Evidence(f"node/{names[0]} spec.taints", text),
                                  field(pod, "spec.tolerations", [taint_text(one) for one in tolerations or ()])],
            commands=commands,
        )  # fmt: skip


def _nodes(names: list[str]) -> str:
    return (
        f"node {names[0]} is"
        if len(names) == 1
        else f"{len(names)} nodes ({shown(names[:3])}{', ...' if len(names) > 3 else ''}) are"
    )


def _selector(pod: Object, world: World) -> Iterator[Finding]:
    """Also where the scheduler names something else that refused the nodes before: mending only that would not do."""
    wanted = pod["spec"].get("nodeSelector") or {}
    terms = node_affinity.required_terms(pod)
    every = world.every("Node")
    if not every or any(node_affinity.matches(pod, node) for node in every):
        return
    evidence = [field(pod, "spec.nodeSelector", wanted)] if wanted else []
    if terms is not None:
        evidence.append(field(pod, "spec.affinity.nodeAffinity (required)", terms))
    text, commands = (
        "no node matches its node selector or affinity",
        [*edit_template(pod, world), "kubectl get nodes --show-labels"],
    )
    for key, value in wanted.items():
        have = sorted({meta.labels(node)[key] for node in world.every("Node") if key in meta.labels(node)})
        if value not in have:
            others = f"; nodes have {key}={shown(have[:5])}" if have else f"; no node has a label {key}"
            text = f"no node has the label {key}={value} that its nodeSelector asks for{others}"
            if key != "kubernetes.io/hostname":  # it says which node it is
                text_of = f"{key}={value}{' --overwrite' if have else ''}"
                commands.insert(0, f"kubectl label node {_nearest_node(pod, world)} {text_of}")
            break
    else:
        nearest = next(
            (one for fit in fits(pod, world)[:1] for one in fit.obstacles if one.kind == "labels"), None
        )
        if nearest is not None:
            text += f": {nearest.text}"
            commands = [*nearest.commands, *commands]
    yield finding(pod, text, evidence=evidence, commands=commands)


def _nearest_node(pod: Object, world: World) -> str:
    return next((one.node for one in fits(pod, world)), "YOUR_NODE")


def _cordoned(pod: Object, message: str, world: World) -> Iterator[Finding]:
    if "were unschedulable" not in message:
        return
    names = [meta.name(node) for node in world.every("Node") if nodes.is_unschedulable(node)]
    if names:
        yield finding(
            pod, f"{_nodes(names)} cordoned", evidence=[Evidence(f"node/{names[0]} spec.unschedulable", "true")],
            commands=[f"kubectl uncordon {names[0]}"],
        )  # fmt: skip
