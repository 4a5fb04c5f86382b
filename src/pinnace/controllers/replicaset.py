"""ReplicaSet controller: keep `spec.replicas` active pods under each set.

Pods are created in growing batches, deleted cheapest first, adopted when they match and belong to nobody.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PODS, REPLICA_SETS
from pinnace.apimachinery.selectors import from_map
from pinnace.apimachinery.times import parse_time
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Create,
    Delete,
    RequeueAfter,
    SetStatus,
    World,
    claim,
    conditions,
    gvr_of,
    owned_by,
    pods,
)

BURST = 500  # writes per pass, so that one huge set cannot starve the others
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def reconcile(rs: Object, world: World, unreported: Collection[str] = ()) -> Iterator[Action]:
    """`unreported` names counts that the status of this kind has no field for."""
    owned = claim(rs, PODS, world, adoptable=pods.is_active)
    yield from owned.actions
    active = [pod for pod in owned.kept if pods.is_active(pod)]
    surplus = len(active) - wanted(rs)
    if not meta.is_terminating(rs):
        yield from scale(rs, active, surplus, world)
    is_changing = surplus != 0 and not meta.is_terminating(rs) and world.failure is None
    status = observed_status(rs, owned.kept, active, surplus, world)
    for field in unreported:
        status.pop(field, None)
    if (
        status != rs.get("status") and not is_changing
    ):  # else the next pass, which comes at once, knows better
        yield SetStatus(rs, status)
    yield from recheck_availability(rs, active, world)


def wanted(rs: Object) -> int:
    replicas = rs["spec"].get("replicas")
    return 1 if replicas is None else replicas


def scale(rs: Object, active: list[Object], surplus: int, world: World) -> Iterator[Action]:
    """Create what is missing, or delete the pods that are cheapest to lose."""
    for _ in range(min(-surplus, BURST)):
        yield Create(pods.for_owner(rs["spec"]["template"], rs), about=rs)
    if surplus > 0:
        victims = active
        if surplus < len(active):
            victims = sorted(active, key=deletion_order(related_per_node(rs, world), world.now))
        for pod in victims[: min(surplus, BURST)]:
            yield Delete(pod, about=rs)


def related_per_node(rs: Object, world: World) -> Counter[str]:
    """Active pods per node of all the sets that share this set's controller (a Deployment's old and new sets)."""
    owner = meta.controller_of(rs)
    family = [rs]
    if owner is not None:
        family = [
            other
            for other in world.all(gvr_of(rs), meta.namespace(rs))
            if (meta.controller_of(other) or {}).get("uid") == owner["uid"]
        ]
    return Counter(
        pods.node_name(pod) for member in family for pod in world.pods_of(member) if pods.is_active(pod)
    )


def deletion_order(
    related: Counter[str], now: datetime
) -> Callable[[Object], tuple[bool, int, bool, int, int, int, int, int, str]]:
    """Sort key, first to go first: unassigned, pending, unready, cheap, crowded, recently ready, often restarted, young."""

    def key(pod: Object) -> tuple[bool, int, bool, int, int, int, int, int, str]:
        node, ready = pods.node_name(pod), pods.is_ready(pod)
        created = pod["metadata"].get("creationTimestamp")
        return (
            bool(node),
            _PHASES.get(pods.phase(pod), 0),
            ready,
            deletion_cost(pod),
            -related[node] if node else 0,
            _age_rank(pods.ready_since(pod), now) if ready else 0,
            -pods.restart_count(pod),
            _age_rank(parse_time(created) if created else None, now),
            meta.uid(pod),
        )

    return key


def _age_rank(moment: datetime | None, now: datetime) -> int:
    """Logarithm of an age: pods of about the same age rank alike, and then chance (the uid) decides."""
    if moment is None:
        return 0
    nanoseconds = (now - moment).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds >= 1 else 0


def deletion_cost(pod: Object) -> int:
    text = meta.annotations(pod).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def observed_status(
    rs: Object, owned: list[Object], active: list[Object], surplus: int, world: World
) -> Object:
    template = from_map((rs["spec"]["template"].get("metadata") or {}).get("labels"))
    min_ready = rs["spec"].get("minReadySeconds") or 0
    ready = [pod for pod in active if pods.is_ready(pod)]
    available = len(ready)
    if min_ready > 0:
        available = sum(pods.is_available(pod, min_ready, world.now) for pod in ready)
    counts = {
        "fullyLabeledReplicas": sum(template.matches(meta.labels(pod)) for pod in active),
        "readyReplicas": len(ready),
        "availableReplicas": available,
        "observedGeneration": rs["metadata"].get("generation", 0),
    }
    leaving = sum(meta.is_terminating(pod) and not pods.is_terminal(pod) for pod in owned)
    status: Object = {
        "replicas": len(active),
        "terminatingReplicas": leaving,
        **{name: n for name, n in counts.items() if n},
    }
    if found := failure_conditions(rs, surplus, world):
        status["conditions"] = found
    return status


def failure_conditions(rs: Object, surplus: int, world: World) -> list[Object]:
    """ReplicaFailure is there while the last pass failed to create or delete."""
    before = (rs.get("status") or {}).get("conditions") or []
    if world.failure is None or surplus == 0:
        return conditions.without(before, "ReplicaFailure")
    if conditions.find(before, "ReplicaFailure"):
        return list(before)
    reason = "FailedCreate" if surplus < 0 else "FailedDelete"
    return [
        *before,
        conditions.condition("ReplicaFailure", "True", reason, str(world.failure), world.now),
    ]


def recheck_availability(rs: Object, active: list[Object], world: World) -> Iterator[Action]:
    """Nothing happens when a ready pod has been ready for long enough: look again then."""
    min_ready = rs["spec"].get("minReadySeconds") or 0
    if min_ready <= 0:
        return
    waits = [wait for pod in active if (wait := pods.available_in(pod, min_ready, world.now))]
    if waits:
        yield RequeueAfter(min(waits) + 0.1)


CONTROLLER = Controller(
    name="replicaset",
    source="replicaset-controller",
    primary=REPLICA_SETS,
    reconcile=reconcile,
    watches={PODS: owned_by(REPLICA_SETS, "ReplicaSet")},
    coalesce_seconds=0.05,
    ignores_own_status=True,
)
