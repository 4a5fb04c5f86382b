"""Decisions of resizing in place (pure): does it fit, who is first, what must change in which order, and the words.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/1287-in-place-update-pod-resources
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.kubelet.admission import Refusal, alive, shortages
from pinnace.kubelet.allocation import Allocation, resizable, resources_of
from pinnace.kubelet.resources import NodeRules, may_swap

INFEASIBLE, DEFERRED = "Infeasible", "Deferred"
PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
STATIC = "In-place resize of static-pods is not supported"
SOURCE = "kubernetes.io/config.source"
SWAP = "In-place resize of containers with swap is not supported."


def swap_refusal(pod: Object, allocation: Allocation, rules: NodeRules) -> Refusal | None:
    """The share of swap goes by the memory request: what may swap does not get another while it runs."""
    for container in resizable(pod):
        before = {
            **container,
            "resources": allocation.granted.get(container["name"], resources_of(container)),
        }
        change = Change(container, resources_of(before), resources_of(container))
        if _amount(change.before, "requests", "memory") == _amount(change.after, "requests", "memory"):
            continue
        if change.policy("memory") == "RestartContainer":
            continue
        if may_swap(pod, before, rules) or may_swap(pod, container, rules):
            return INFEASIBLE, SWAP
    return None


def refusal(pod: Object, others: Iterable[Object], allocatable: Mapping[str, Decimal]) -> Refusal | None:
    """Why the node cannot grant what the pod asks for now: never (Infeasible), or not yet (Deferred)."""
    if meta.annotations(pod).get(SOURCE) not in (None, "api"):
        return INFEASIBLE, STATIC
    asked = pod_resources.requests(pod)
    for name, scale in (("memory", 1), ("cpu", 1000)):
        if asked.get(name, Decimal(0)) > allocatable[name]:
            figures = f"requested: {int(asked[name] * scale)}, capacity: {int(allocatable[name] * scale)}"
            return INFEASIBLE, f"Node didn't have enough capacity: {name}, {figures}"
    short = next(shortages(pod, alive(others), allocatable), None)
    return (DEFERRED, short.as_refusal()[1]) if short else None


def detail(why: str) -> str:
    """Upstream's word for the kind of an infeasible resize."""
    return {STATIC: "static_pod", SWAP: "swap_limitation"}.get(why, "insufficient_node_allocatable")


def operations(before: Object, after: Object) -> Iterator[tuple[str, str, str]]:
    """(resource, requirement, operation) of each amount that is another one, container by container."""
    old = {one["name"]: resources_of(one) for one in resizable(before)}
    for container in resizable(after):
        was, now = old.get(container["name"], {}), resources_of(container)
        for resource in ("cpu", "memory"):
            for side in ("limits", "requests"):
                pair = tuple((one.get(side) or {}).get(resource) for one in (was, now))
                if operation := _operation(*pair):
                    yield resource, side, operation


def _operation(old: str | None, new: str | None) -> str:
    if old is None or new is None:
        return "" if old is new else "add" if old is None else "remove"
    less, more = quantity.parse(old), quantity.parse(new)
    return "" if less == more else "increase" if more > less else "decrease"


def order(pod: Object, allocation: Allocation) -> tuple[bool, int, bool, str]:
    """Sort key of waiting resizes: those that need no more first, then by priority, guaranteed ones, the longest waiting."""
    before, after = pod_resources.requests(allocation.applied_to(pod)), pod_resources.requests(pod)
    more = any(after.get(name, Decimal(0)) > before.get(name, Decimal(0)) for name in ("cpu", "memory"))
    since = (allocation.pending or {}).get("lastTransitionTime") or "~"
    return more, -pods.priority(pod), pod_resources.qos_class(pod) != "Guaranteed", since


# -- what a running container needs -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Change:
    """From the resources in force to those that were granted, of one container."""

    container: Object
    before: Object
    after: Object

    @property
    def needs_restart(self) -> bool:
        return any(self.step(name) and self.policy(name) == "RestartContainer" for name in ("memory", "cpu"))

    def policy(self, name: str) -> str:
        listed = self.container.get("resizePolicy") or ()
        return next((one["restartPolicy"] for one in listed if one["resourceName"] == name), "NotRequired")

    def step(self, name: str) -> int:
        """-1 down, 0 the same, 1 up: by the limit first; a memory request means nothing to a running container."""
        sides = ("limits",) if name == "memory" else ("limits", "requests")
        for side in sides:
            old, new = _amount(self.before, side, name), _amount(self.after, side, name)
            if old != new:
                return 1 if new > old else -1
        return 0

    def with_only(self, name: str, applied: Object) -> Object:
        """The container with `applied` resources, but for the new amounts of one resource."""
        mixed: Object = {}
        for side in ("limits", "requests"):
            both = {**(applied.get(side) or {})}
            both.pop(name, None)
            if name in (self.after.get(side) or {}):
                both[name] = self.after[side][name]
            mixed[side] = both
        return {**self.container, "resources": mixed}


def changes(pod: Object, allocation: Allocation, running: Iterable[str]) -> list[Change]:
    """Of running containers whose resources in force are not those granted. `pod` has the granted ones."""
    names = set(running)
    return [
        Change(one, allocation.in_force[one["name"]], resources_of(one))
        for one in resizable(pod)
        if one["name"] in names
        and allocation.in_force.get(one["name"], resources_of(one)) != resources_of(one)
    ]


def _amount(resources: Object, side: str, name: str) -> Decimal:
    value = (resources.get(side) or {}).get(name)
    if value is None:
        return Decimal("Infinity") if side == "limits" else Decimal(0)
    return quantity.parse(value)


# -- words --------------------------------------------------------------------------------------------------------
def message(prefix: str, pod: Object, generation: int, error: str = "") -> str:
    """An event's text: what all containers are to have, as JSON, in upstream's order of keys."""
    summary: dict[str, Any] = {}
    for key, listed in (("initContainers", pods.init_containers(pod)), ("containers", pods.containers(pod))):
        if listed:
            summary[key] = [{"name": one["name"], "resources": _ordered(resources_of(one))} for one in listed]
    summary["generation"] = generation
    if error:
        summary["error"] = error
    return f"Pod resize {prefix}: {json.dumps(summary, separators=(',', ':'))}"


def _ordered(resources: Object) -> Object:
    return {
        side: {name: quantity.canonical(amount) for name, amount in sorted(resources[side].items())}
        for side in ("limits", "requests")
        if resources.get(side)
    }


def condition(kind: str, generation: int, reason: str = "", text: str = "") -> Object:
    found: Object = {"type": kind, "status": "True", "observedGeneration": generation}
    if reason:
        found["reason"] = reason
    if text:
        found["message"] = text
    return found


def below_usage(found: Iterable[tuple[str, int, int]]) -> str:
    """Why memory limits cannot go down: (what, limit, usage) of the pod and of containers; "" when they can."""
    errors = [
        f"attempting to set {what} memory limit ({limit}) below current usage ({used})"
        for what, limit, used in found
        if used >= limit
    ]
    if not errors:
        return ""
    text = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    return f"cannot decrease memory limits: {text}"
