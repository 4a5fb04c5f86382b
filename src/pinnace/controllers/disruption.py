"""PodDisruptionBudget status: how many pods are healthy, how many must be, and so how many may be evicted now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pinnace.api import meta
from pinnace.api.apps.deployments import int_or_percent
from pinnace.api.meta import Object
from pinnace.api.resources import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from pinnace.apimachinery.selectors import to_text
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Key
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Emit,
    RequeueAfter,
    SetStatus,
    World,
    conditions,
    pods,
    selector_of,
)

DELETION_TIMEOUT = 120.0  # seconds in which an evicted pod should have got its deletionTimestamp

SCALED = {
    "ReplicaSet": REPLICA_SETS,
    "ReplicationController": REPLICATION_CONTROLLERS,
    "StatefulSet": STATEFUL_SETS,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """`expected` pods should exist, `healthy` of them must be."""

    expected: int
    healthy: int


def reconcile(pdb: Object, world: World) -> Iterator[Action]:
    selector = selector_of(pdb)
    matching = [p for p in world.all(PODS, meta.namespace(pdb)) if selector.matches(meta.labels(p))]
    if not matching:
        yield Emit(pdb, "Normal", "NoPods", "No matching pods found")
    unmanaged = [pod for pod in matching if meta.controller_of(pod) is None]
    if unmanaged:
        text = to_text(pdb["spec"].get("selector"))
        yield Emit(pdb, "Warning", "UnmanagedPods",
                   f"Pods selected by this PodDisruptionBudget (selector: {text}) were found to be unmanaged. As a result, "
                   "the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account "
                   'for these pods please set ".spec.minAvailable" field of the PDB to an integer value.')  # fmt: skip
    needed = demand(pdb, matching, world)
    disrupted, recheck = still_disrupted(pdb, matching, world)
    healthy = sum(
        pods.is_ready(pod) and not meta.is_terminating(pod) and meta.name(pod) not in disrupted
        for pod in matching
    )
    status = observed(pdb, needed, healthy, disrupted, world)
    if status != pdb.get("status"):
        yield SetStatus(pdb, status)
    if recheck is not None:
        yield RequeueAfter(recheck)


def demand(pdb: Object, matching: list[Object], world: World) -> Demand:
    spec = pdb["spec"]
    if spec.get("maxUnavailable") is not None:
        expected = expected_scale(matching, world)
        return Demand(
            expected, max(0, expected - int_or_percent(spec["maxUnavailable"], expected, round_up=True))
        )
    least = spec.get("minAvailable")
    if isinstance(least, str):
        expected = expected_scale(matching, world)
        return Demand(expected, int_or_percent(least, expected, round_up=True))
    return Demand(len(matching), 0 if least is None else least)


def expected_scale(matching: list[Object], world: World) -> int:
    """The sum of the replicas that the pods' controllers are asked for; each controller counts once."""
    scales: dict[str, int] = {}
    for pod in matching:
        reference = meta.controller_of(pod)
        gvr = SCALED.get(reference["kind"]) if reference is not None else None
        if reference is None or gvr is None:
            continue
        scaled = world.get(gvr, reference["name"], meta.namespace(pod))
        if scaled is None or meta.uid(scaled) != reference["uid"]:
            continue
        owner = meta.controller_of(scaled)
        if owner is not None and owner["kind"] == "Deployment":
            deployment = world.get(DEPLOYMENTS, owner["name"], meta.namespace(pod))
            if deployment is not None and meta.uid(deployment) == owner["uid"]:
                scaled = deployment
        replicas = scaled["spec"].get("replicas")
        scales[meta.uid(scaled)] = 1 if replicas is None else replicas
    return sum(scales.values())


def still_disrupted(pdb: Object, matching: list[Object], world: World) -> tuple[dict[str, str], float | None]:
    """Evictions that were granted but do not show yet, and the seconds until the first of them is given up."""
    known = (pdb.get("status") or {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    waits = []
    for pod in matching:
        granted = known.get(meta.name(pod))
        if granted is None or meta.is_terminating(pod):
            continue
        left = (parse_time(granted) + timedelta(seconds=DELETION_TIMEOUT) - world.now).total_seconds()
        if left > 0:
            kept[meta.name(pod)] = granted
            waits.append(left)
    return kept, min(waits, default=None)


def observed(pdb: Object, needed: Demand, healthy: int, disrupted: dict[str, str], world: World) -> Object:
    allowed = max(0, healthy - needed.healthy) if needed.expected > 0 else 0
    before = (pdb.get("status") or {}).get("conditions") or []
    generation = pdb["metadata"].get("generation", 0)
    new = conditions.condition(
        "DisruptionAllowed",
        "True" if allowed else "False",
        "SufficientPods" if allowed else "InsufficientPods",
        "",
        world.now,
    )
    new["observedGeneration"] = generation
    status: Object = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": needed.healthy,
        "expectedPods": needed.expected,
        "observedGeneration": generation,
        "conditions": conditions.with_condition(before, new),
    }
    return {**status, "disruptedPods": disrupted} if disrupted else status


def budgets_of_pod(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    pod = new if new is not None else old
    if pod is None:
        return
    for pdb in world.all(POD_DISRUPTION_BUDGETS, meta.namespace(pod)):
        selector = selector_of(pdb)
        if any(selector.matches(meta.labels(state)) for state in (old, new) if state is not None):
            yield meta.key(pdb)


def budgets_of_namespace(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A change of the replicas that are asked for."""
    changed = new if new is not None else old
    if changed is None or (old and new and old["spec"].get("replicas") == new["spec"].get("replicas")):
        return
    for pdb in world.all(POD_DISRUPTION_BUDGETS, meta.namespace(changed)):
        yield meta.key(pdb)


CONTROLLER = Controller(
    name="disruption",
    source="controllermanager",
    primary=POD_DISRUPTION_BUDGETS,
    reconcile=reconcile,
    watches={
        PODS: budgets_of_pod,
        **dict.fromkeys((*SCALED.values(), DEPLOYMENTS), budgets_of_namespace),
    },
    coalesce_seconds=0.1,
)
