"""Pod garbage collector: pods that nobody else will ever remove.

Pods of vanished nodes, deleted pods that never had a node, deleted pods on out-of-service nodes, and finished pods beyond
a threshold, oldest first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.api.resources import NODES, PODS
from pinnace.controllers.nodes import taints
from pinnace.controllers.runtime import Action, Delete, Patch, World, conditions, pods
from pinnace.controllers.runtime.sweep import Sweep


@dataclass(frozen=True, slots=True)
class PodGCConfig:
    terminated_pod_threshold: int = 12500  # 0 keeps all
    period: float = 20.0  # seconds
    quarantine: float = 40.0  # seconds that a node must be gone before its pods are


def sweep(config: PodGCConfig) -> Sweep:
    def reconcile(world: World) -> Iterator[Action]:
        everything = world.all(PODS)
        yield from finished(everything, config.terminated_pod_threshold)
        yield from of_vanished_nodes(everything, world, config.quarantine)
        yield from never_placed(everything)
        yield from out_of_service(everything, world)

    return Sweep(
        name="pod-garbage-collector",
        source="pod-garbage-collector",
        period=config.period,
        reads=(PODS, NODES),
        reconcile=reconcile,
    )


def finished(everything: Iterable[Object], threshold: int) -> Iterator[Action]:
    over = [pod for pod in everything if pods.is_terminal(pod) and not meta.is_terminating(pod)]
    if 0 < threshold < len(over):
        over.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), meta.name(pod)))
        for pod in over[: len(over) - threshold]:
            yield from remove(pod, None)


def of_vanished_nodes(everything: Iterable[Object], world: World, quarantine: float) -> Iterator[Action]:
    for pod in everything:
        node = pods.node_name(pod)
        if not node:
            continue
        fact = ("vanished", node)
        if world.get(NODES, node) is not None:
            world.forget(fact)
        elif world.age(fact).total_seconds() >= quarantine:
            target = conditions.condition(
                "DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists", world.now
            )
            yield from remove(pod, target)


def never_placed(everything: Iterable[Object]) -> Iterator[Action]:
    for pod in everything:
        if meta.is_terminating(pod) and not pods.node_name(pod):
            yield from remove(pod, None)


def out_of_service(everything: Iterable[Object], world: World) -> Iterator[Action]:
    for pod in everything:
        if not meta.is_terminating(pod):
            continue
        node = world.get(NODES, pods.node_name(pod))
        if node is not None and taints.has(node, taints.OUT_OF_SERVICE) and not nodes.is_ready(node):
            yield from remove(pod, None)


def remove(pod: Object, target: Object | None) -> Iterator[Action]:
    """Delete without grace; a pod that has not finished is marked Failed first, so that its controller counts it right."""
    if not pods.is_terminal(pod):
        status: Object = {"phase": "Failed"}
        if target is not None:
            found = (pod.get("status") or {}).get("conditions") or []
            status["conditions"] = conditions.with_condition(found, target)
        yield Patch(pod, {"status": status}, subresource="status")
    yield Delete(pod, grace_period_seconds=0)
