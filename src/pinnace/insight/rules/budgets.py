"""PodDisruptionBudgets that let no pod go: drains and evictions hang."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import nodes, pods
from pinnace.insight.commands import patch
from pinnace.insight.findings import (
    CAUSE,
    EFFECT,
    NOTE,
    Finding,
    Object,
    field,
    finding,
    in_namespace,
    ready_to_type,
)
from pinnace.insight.world import World


def _is_drained(budget: Object, world: World) -> bool:
    """Somebody waits: one of its pods is on a node that is cordoned."""
    names = {
        pods.node_name(one)
        for one in world.pods_matching(meta.namespace(budget), budget["spec"].get("selector"))
    }
    return any(nodes.is_unschedulable(node) for node in world.every("Node") if meta.name(node) in names)


def _one_may_go(budget: Object, expected: int) -> str:
    if "minAvailable" in budget["spec"]:
        return patch(budget, {"spec": {"minAvailable": expected - 1}}, "merge")
    return patch(budget, {"spec": {"maxUnavailable": 1}}, "merge")


def overlap(budget: Object, world: World) -> Iterator[Finding]:
    """The API refuses every eviction of a pod that two budgets select."""
    namespace = meta.namespace(budget)
    mine = {meta.name(one) for one in world.pods_matching(namespace, budget["spec"].get("selector"))}
    for other in world.every("PodDisruptionBudget", namespace):
        if meta.name(other) <= meta.name(budget) and not (
            world.is_asked(budget) and meta.name(other) != meta.name(budget)
        ):
            continue
        both = sorted(
            mine & {meta.name(one) for one in world.pods_matching(namespace, other["spec"].get("selector"))}
        )
        if both:
            yield finding(
                budget, f"budget {meta.name(other)} selects the same pods ({', '.join(both[:3])}): no pod with two budgets can be evicted",
                evidence=[field(budget, "spec.selector", budget["spec"].get("selector")), field(other, "spec.selector", other["spec"].get("selector"))],
                commands=[ready_to_type("delete", other), ready_to_type("edit", budget)],
            )  # fmt: skip


def blocks(budget: Object, world: World) -> Iterator[Finding]:
    status, spec = budget.get("status") or {}, budget["spec"]
    allowed, healthy = status.get("disruptionsAllowed"), status.get("currentHealthy") or 0
    wanted, expected = status.get("desiredHealthy") or 0, status.get("expectedPods") or 0
    rule = field(budget, "spec.minAvailable", spec["minAvailable"]) if "minAvailable" in spec else field(
        budget, "spec.maxUnavailable", spec.get("maxUnavailable"))  # fmt: skip
    numbers = field(
        budget, "status", f"healthy {healthy}, needed {wanted}, expected {expected}, may go {allowed}"
    )
    if allowed is None:
        yield finding(
            budget,
            "no controller has looked at it yet: evictions are refused until then",
            rank=EFFECT,
            evidence=[rule],
        )
    elif not expected and not world.pods_matching(meta.namespace(budget), spec.get("selector")):
        yield finding(
            budget, "its selector finds no pod: it protects nothing", rank=NOTE, evidence=[field(budget, "spec.selector", spec.get("selector"))],
            commands=[f"kubectl get pods{in_namespace(budget)} --show-labels"],
        )  # fmt: skip
    elif allowed == 0 and 0 < expected <= wanted:
        yield finding(
            budget, f"no pod may ever be evicted: it wants {wanted} of {expected} pods healthy, so drains hang",
            rank=CAUSE if world.is_asked(budget) or _is_drained(budget, world) else NOTE,
            evidence=[rule, numbers], commands=[_one_may_go(budget, expected)],
        )  # fmt: skip
    elif allowed == 0:
        yield finding(
            budget, f"no pod may be evicted now: {healthy} pods are healthy, {wanted} must be", rank=EFFECT, is_progress=not expected,
            evidence=[rule, numbers], commands=[f"kubectl get pods{in_namespace(budget)}", ready_to_type("describe", budget)],
        )  # fmt: skip
