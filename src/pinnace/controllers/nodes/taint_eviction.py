"""Taint eviction: pods leave a node with a NoExecute taint that they do not tolerate, or no longer."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pinnace.api import meta
from pinnace.api.core import nodes, tolerations
from pinnace.api.meta import Object
from pinnace.api.resources import NODES, PODS
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Key
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Delete,
    Emit,
    Patch,
    RequeueAfter,
    World,
    conditions,
    pods,
)

AGES = 10**10  # seconds: nobody waits for longer, and dates reach no further than 64-bit numbers do


def reconcile(pod: Object, world: World) -> Iterator[Action]:
    planned = ("eviction", meta.key(pod))
    due = evict_at(pod, world)
    if meta.is_terminating(pod) or due is None:
        if world.forget(planned) is not None and not meta.is_terminating(pod):
            message = f"Cancelling deletion of Pod {meta.key_text(pod)}"
            yield Emit(pod, "Normal", "TaintManagerEviction", message)
        return
    if world.now < due:
        world.remember(planned, due)
        yield RequeueAfter((due - world.now).total_seconds())
        return
    world.forget(planned)
    yield Emit(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {meta.key_text(pod)}")
    yield Patch(pod, {"status": farewell(pod, world)}, subresource="status")
    yield Delete(pod)


def absent(key: Key, world: World) -> Iterator[Action]:
    """Nothing to do for a pod that is gone but to forget it."""
    world.forget(("eviction", key))
    yield from ()


def evict_at(pod: Object, world: World) -> datetime | None:
    """When the pod must go; None when it may stay."""
    node = world.get(NODES, pods.node_name(pod))
    if node is None:
        return None
    held = pod["spec"].get("tolerations") or []
    moments = []
    for taint in nodes.taints(node):
        if taint["effect"] != "NoExecute":
            continue
        first = next((t for t in held if tolerations.tolerates(t, taint)), None)  # the others do not count
        if first is None:
            return world.now
        limit = first.get("tolerationSeconds")
        if limit is not None:
            moments.append(_since(taint, node, world) + timedelta(seconds=min(max(0, limit), AGES)))
    return min(moments, default=None)


def _since(taint: Object, node: Object, world: World) -> datetime:
    """Since when the taint is there: as it says, else since this controller first saw it."""
    if taint.get("timeAdded"):
        return parse_time(taint["timeAdded"])
    return world.now - world.age(_fact(node, taint))


def _fact(node: Object, taint: Object) -> tuple[str, ...]:
    return "taint", meta.uid(node), taint["key"], taint.get("value") or ""


def farewell(pod: Object, world: World) -> Object:
    """The condition that says why the pod goes."""
    found = (pod.get("status") or {}).get("conditions") or []
    target = conditions.condition(
        "DisruptionTarget", "True", "DeletionByTaintManager",
        "Taint manager: deleting due to NoExecute taint", world.now,
    )  # fmt: skip
    return {"conditions": conditions.with_condition(found, target)}


def pods_of_node(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A change of a node's NoExecute taints concerns every pod on it; a taint that went and comes again starts anew."""

    def strict(node: Object | None) -> list[Object]:
        return [t for t in nodes.taints(node) if t["effect"] == "NoExecute"] if node else []

    if old is not None:
        kept = {_fact(old, taint) for taint in strict(new)}
        for taint in strict(old):
            if _fact(old, taint) not in kept:
                world.forget(_fact(old, taint))
    if strict(old) != strict(new) and new is not None:
        for pod in world.pods_on(meta.name(new)):
            yield meta.key(pod)


def newly_bound(old: Object | None, new: Object) -> bool:
    if not pods.node_name(new):
        return False
    return (
        old is None
        or not pods.node_name(old)
        or old["spec"].get("tolerations") != new["spec"].get("tolerations")
    )


CONTROLLER = Controller(
    name="taint-eviction",
    source="taint-eviction-controller",
    primary=PODS,
    reconcile=reconcile,
    absent=absent,
    concerns=newly_bound,
    watches={NODES: pods_of_node},
)
