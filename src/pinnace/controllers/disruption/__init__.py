"""PodDisruptionBudget status: how many pods are healthy, how many must be, and so how many may be evicted now.

`scales` finds out how many pods there should be; `stale` takes back what was said of pods that were not disrupted after all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pinnace.api import meta
from pinnace.api.apps.deployments import int_or_percent
from pinnace.api.meta import Object
from pinnace.api.resources import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Key
from pinnace.controllers.disruption import scales
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

_EMPTY = {"currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
DELETION_TIMEOUT = 120.0  # seconds in which an evicted pod should have got its deletionTimestamp


@dataclass(frozen=True, slots=True)
class Demand:
    """`expected` pods should exist, `healthy` of them must be."""

    expected: int
    healthy: int


def reconcile(pdb: Object, world: World) -> Iterator[Action]:
    selector = selector_of(pdb)
    exact = (pdb["spec"].get("selector") or {}).get("matchLabels") or {}
    found = world.pods_labelled(meta.namespace(pdb), exact)  # not all of the namespace's
    matching = [pod for pod in found if selector.matches(meta.labels(pod))]
    if not matching:
        yield Emit(pdb, "Normal", "NoPods", "No matching pods found")
    yield from several_budgets(pdb, matching, world)
    try:
        needed = demand(pdb, matching, world)
    except scales.UnknownYetError as unknown:
        if world.failure is not None:
            yield from fail_safe(pdb, str(world.failure), world)
        yield unknown.fetch
        return
    except scales.UncountableError as error:
        yield from fail_safe(pdb, str(error), world)
        return
    if counts_controllers(pdb) and any(meta.controller_of(pod) is None for pod in matching):
        yield Emit(pdb, "Warning", "UnmanagedPods",
                   f"Pods selected by this PodDisruptionBudget (selector: {shown(pdb['spec'].get('selector'))}) were found to be "
                   "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined "
                   'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.')  # fmt: skip
    disrupted, recheck = still_disrupted(pdb, matching, world)
    for pod in given_up(pdb, matching, disrupted):
        message = f"Pod was expected by PDB {meta.key_text(pdb)} to be deleted but it wasn't"
        yield Emit(pod, "Warning", "NotDeleted", message)
    healthy = sum(
        pods.is_ready(pod) and not meta.is_terminating(pod) and meta.name(pod) not in disrupted
        for pod in matching
    )
    status = observed(pdb, needed, healthy, disrupted, world)
    if status != pdb.get("status"):
        yield SetStatus(pdb, status)
    if recheck is not None:
        yield RequeueAfter(recheck)


def counts_controllers(pdb: Object) -> bool:
    """Whether the budget is a share of what the pods' controllers are asked for, and not of the pods that there are."""
    return pdb["spec"].get("maxUnavailable") is not None or isinstance(pdb["spec"].get("minAvailable"), str)


def demand(pdb: Object, matching: list[Object], world: World) -> Demand:
    spec = pdb["spec"]
    if spec.get("maxUnavailable") is not None:
        expected = scales.expected(matching, world)
        return Demand(
            expected, max(0, expected - int_or_percent(spec["maxUnavailable"], expected, round_up=True))
        )
    least = spec.get("minAvailable")
    if isinstance(least, str):
        expected = scales.expected(matching, world)
        return Demand(expected, int_or_percent(least, expected, round_up=True))
    return Demand(len(matching), 0 if least is None else least)


def several_budgets(pdb: Object, matching: list[Object], world: World) -> Iterator[Action]:
    """Pods that another budget selects too cannot be evicted; each is told once."""
    others = [
        p for p in world.all(POD_DISRUPTION_BUDGETS, meta.namespace(pdb)) if meta.uid(p) != meta.uid(pdb)
    ]
    selectors = [selector_of(other) for other in others]
    for pod in matching if others else ():
        fact = ("several-budgets", meta.uid(pod))
        if not world.remembers(fact) and any(s.matches(meta.labels(pod)) for s in selectors):
            world.remember(fact)
            message = (
                f'Pod "{meta.namespace(pod)}"/"{meta.name(pod)}" matches multiple PodDisruptionBudgets.  '
                f'Chose "{meta.name(pdb)}" arbitrarily.'
            )
            yield Emit(pod, "Warning", "MultiplePodDisruptionBudgets", message)


def fail_safe(pdb: Object, why: str, world: World) -> Iterator[Action]:
    """What cannot be counted must not be disrupted."""
    message = f"Failed to calculate the number of expected pods: {why}"
    yield Emit(pdb, "Warning", "CalculateExpectedPodCountFailed", message)
    before = pdb.get("status") or {}
    failed = conditions.condition("DisruptionAllowed", "False", "SyncFailed", why, world.now)
    failed["observedGeneration"] = before.get("observedGeneration", 0)
    found = conditions.with_condition(before.get("conditions") or [], failed)
    status = {**_EMPTY, **before, "disruptionsAllowed": 0, "conditions": found}
    if status != before:
        yield SetStatus(pdb, status)


def shown(selector: Object | None) -> str:
    """A label selector as Go prints it."""
    labels = "".join(
        f"{key}: {value}," for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())
    )
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{rule['key']},Operator:{rule['operator']},"
        f"Values:[{' '.join(rule.get('values') or ())}],}},"
        for rule in (selector or {}).get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )


def given_up(pdb: Object, matching: list[Object], kept: dict[str, str]) -> list[Object]:
    """Pods whose eviction was granted and that are still here, two minutes later."""
    known = (pdb.get("status") or {}).get("disruptedPods") or {}
    return [
        p
        for p in matching
        if meta.name(p) in known and meta.name(p) not in kept and not meta.is_terminating(p)
    ]


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
    if new is None:
        world.forget(("several-budgets", meta.uid(pod)))
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
        **dict.fromkeys((*scales.SCALED.values(), DEPLOYMENTS), budgets_of_namespace),
    },
    coalesce_seconds=0.1,
)
