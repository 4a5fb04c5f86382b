"""What keeps a pod off one node by the two objects alone: taints, cordons, labels, resources, ports, the number of pods."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import node_affinity, nodes, pod_resources, pods, tolerations
from pinnace.apimachinery import selectors
from pinnace.apimachinery.quantity import format_quantity
from pinnace.insight.findings import Object, shown
from pinnace.insight.world import World

HARD = (tolerations.NO_SCHEDULE, tolerations.NO_EXECUTE)
# taints that the cluster itself sets: what has to happen instead of tolerating them
_OF_THE_NODE = {
    tolerations.NOT_READY: "the node becomes ready",
    tolerations.UNREACHABLE: "the node becomes ready",
    tolerations.MEMORY_PRESSURE: "the node has memory again",
    tolerations.DISK_PRESSURE: "the node has disk space again",
    tolerations.PID_PRESSURE: "the node has process numbers again",
    tolerations.NETWORK_UNAVAILABLE: "the network of the node is set up",
}
_OWN = (
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
)  # labels that say what the node is: its kubelet sets them
_SMALL, _LARGE = 1.0, 5.0  # of changes: one that somebody types, one that somebody has to work for


class Obstacle(NamedTuple):
    kind: str
    text: str  # what stands in the way, with numbers and names
    mend: str  # ends the sentence "it fits if ..."
    cost: float = _SMALL
    commands: tuple[str, ...] = ()


def alone(pod: Object, node: Object, world: World) -> Iterator[Obstacle]:
    """Those that do not depend on where other pods and volumes are."""
    yield from _cordon(pod, node)
    yield from _taints(pod, node)
    yield from _labels(pod, node)
    yield from _resources(pod, node, world)
    yield from _count(node, world)
    yield from _ports(pod, node, world)


def taint_text(taint: Object) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key', '*')}{value}:{taint.get('effect', '*')}"


def amount(value: Decimal) -> str:
    family = "binary" if value >= 1024**2 and value == value.to_integral_value() else "decimal"
    return format_quantity(value, family)


def _cordon(pod: Object, node: Object) -> Iterator[Obstacle]:
    taint = {"key": tolerations.UNSCHEDULABLE, "effect": tolerations.NO_SCHEDULE}
    if nodes.is_unschedulable(node) and not tolerations.is_tolerated(taint, pod["spec"].get("tolerations")):
        name = meta.name(node)
        yield Obstacle(
            "cordon", f"{name} is cordoned", "the node is uncordoned", commands=(f"kubectl uncordon {name}",)
        )


def _taints(pod: Object, node: Object) -> Iterator[Obstacle]:
    for taint in nodes.taints(node):
        key = taint.get("key", "")
        if taint.get("effect") not in HARD or tolerations.is_tolerated(taint, pod["spec"].get("tolerations")):
            continue
        if key == tolerations.UNSCHEDULABLE and nodes.is_unschedulable(node):
            continue  # the same as the cordon
        name, text = meta.name(node), taint_text(taint)
        if key in _OF_THE_NODE:
            yield Obstacle("taint", f"{name} is tainted {text}", _OF_THE_NODE[key], _LARGE)
        else:
            yield Obstacle(
                "taint", f"{name} is tainted {text}", f"the taint {text} is tolerated",
                commands=(f"kubectl taint nodes {name} {key}:{taint['effect']}-",),
            )  # fmt: skip


def _labels(pod: Object, node: Object) -> Iterator[Obstacle]:
    """By the node selector, and by the term of the required affinity that comes nearest."""
    labels, name = meta.labels(node), meta.name(node)
    for key, value in (pod["spec"].get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            has = f"has {key}={labels[key]}" if key in labels else f"has no label {key}"
            yield Obstacle(
                "labels", f"nodeSelector wants {key}={value}, and {name} {has}", f"the node is labelled {key}={value}",
                commands=(f"kubectl label node {name} {key}={value}{' --overwrite' if key in labels else ''}",) if key not in _OWN else (),
            )  # fmt: skip
    terms = node_affinity.required_terms(pod)
    if terms is None or node_affinity.matches_terms(terms, labels, name):
        return
    failing = [(i, _unmet(term, labels, name)) for i, term in enumerate(terms)]
    failing = [one for one in failing if one[1]]  # an empty term matches nothing, and cannot be met
    if not failing:
        yield Obstacle(
            "labels", "its node affinity has only empty terms", "its node affinity has a term", _LARGE
        )
        return
    at, unmet = min(failing, key=lambda one: len(one[1]))
    for expression, has, _ in unmet:
        which = f" (term {at + 1} of {len(terms)}, the nearest)" if len(terms) > 1 else ""
        command = _label_command(name, expression, labels)
        yield Obstacle(
            "labels", f"nodeAffinity wants {_expression(expression)}{which}, and {name} {has}",
            f"the node has a label with {_expression(expression)}", commands=(command,) if command else (),
        )  # fmt: skip


def _unmet(term: node_affinity.Term, labels: dict[str, str], name: str) -> list[tuple[Object, str, str]]:
    found: list[tuple[Object, str, str]] = []
    for one in term.get("matchExpressions") or ():
        if not selectors.node_selector_requirement(one).matches(labels):
            has = (
                f"has {one['key']}={labels[one['key']]}"
                if one["key"] in labels
                else f"has no label {one['key']}"
            )
            found.append((one, has, one["key"]))
    for one in term.get("matchFields") or ():
        if not selectors.node_selector_requirement(one).matches({"metadata.name": name}):
            found.append((one, "is another node", ""))
    return found


def _expression(one: Object) -> str:
    values = one.get("values") or []
    return f"{one['key']} {one['operator']}{f' ({shown(values)})' if values else ''}"


def _label_command(node: str, one: Object, labels: dict[str, str]) -> str:
    key, overwrite = one["key"], " --overwrite" if one["key"] in labels else ""
    if key == "metadata.name" or key in _OWN:
        return ""
    if one["operator"] == "In":
        return f"kubectl label node {node} {key}={one['values'][0]}{overwrite}"
    if one["operator"] == "Exists":
        return f"kubectl label node {node} {key}="
    if one["operator"] in ("NotIn", "DoesNotExist"):
        return f"kubectl label node {node} {key}-"
    return ""


def _resources(pod: Object, node: Object, world: World) -> Iterator[Obstacle]:
    name, used, has = meta.name(node), world.requested_on(meta.name(node)), world.allocatable(node)
    for resource, wanted in pod_resources.requests(pod).items():
        free = has.get(resource, Decimal(0)) - used.get(resource, Decimal(0))
        if wanted <= free:
            continue
        text = f"it asks for {amount(wanted)} of {resource}, and {name} has {amount(max(free, Decimal(0)))} free of {amount(has.get(resource, Decimal(0)))}"
        if free > 0:
            yield Obstacle(
                f"resource {resource}", text, f"its {resource} request is at most {amount(free)}",
                _SMALL + float(1 - free / wanted),
            )  # fmt: skip
        else:
            yield Obstacle(
                f"resource {resource}", text, f"{amount(wanted - free)} of {resource} is freed", _LARGE
            )


def _count(node: Object, world: World) -> Iterator[Obstacle]:
    most = world.allocatable(node).get("pods")
    have = len(world.pods_on(meta.name(node)))
    if most is not None and have + 1 > most:
        yield Obstacle(
            "pods",
            f"{meta.name(node)} has {have} pods, and may have {most}",
            "a pod leaves the node",
            _SMALL * 2,
        )


def _ports(pod: Object, node: Object, world: World) -> Iterator[Obstacle]:
    wanted = list(pods.host_ports(pod))
    if not wanted:
        return
    for other in world.pods_on(meta.name(node)):
        for theirs in pods.host_ports(other):
            for mine in wanted:
                if _collide(mine, theirs):
                    protocol, _, port = mine
                    yield Obstacle(
                        "port", f"host port {port}/{protocol} of {meta.name(node)} is taken by pod {meta.key_text(other)}",
                        f"pod {meta.key_text(other)} leaves the node or uses another host port", _SMALL * 2,
                        (f"kubectl get pod {meta.name(other)} -n {meta.namespace(other)} -o wide",),
                    )  # fmt: skip


def _collide(mine: tuple[str, str, int], theirs: tuple[str, str, int]) -> bool:
    anywhere = ("0.0.0.0", "::")
    same = mine[1] == theirs[1] or mine[1] in anywhere or theirs[1] in anywhere
    return mine[0] == theirs[0] and mine[2] == theirs[2] and same
