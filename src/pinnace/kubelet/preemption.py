"""Which pods make room for a critical pod that this node must run (pure).

As few as possible, best-effort ones before burstable and these before guaranteed ones, those that come nearest to what is missing.
https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/preemption/preemption.go
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object

REASON, MESSAGE = "Preempting", "Preempted in order to admit critical pod"
Missing = Mapping[str, Decimal]


class NoVictims(Exception):
    """Not even all pods that may go would make room."""


def victims(pod: Object, others: Iterable[Object], missing: Missing) -> list[Object]:
    classes: dict[str, list[Object]] = {"BestEffort": [], "Burstable": [], "Guaranteed": []}
    for other in others:
        if may_preempt(pod, other):
            classes[pod_resources.qos_class(other)].append(other)
    best_effort, burstable, guaranteed = classes.values()
    if left := _less(missing, [*best_effort, *burstable, *guaranteed]):
        raise NoVictims(_text(left))
    last = _nearest(guaranteed, _less(missing, [*best_effort, *burstable]))
    middle = _nearest(burstable, _less(missing, [*best_effort, *last]))
    first = _nearest(best_effort, _less(missing, [*middle, *last]))
    return [*first, *middle, *last]


def may_preempt(pod: Object, other: Object) -> bool:
    if pods.is_critical(pod) and not pods.is_critical(other):
        return True
    return pods.priority(pod) > pods.priority(other)


def _request(pod: Object, name: str) -> Decimal:
    return Decimal(1) if name == "pods" else pod_resources.requests(pod).get(name, Decimal(0))


def _less(missing: Missing, gone: Sequence[Object]) -> dict[str, Decimal]:
    left = {
        name: needed - sum((_request(one, name) for one in gone), Decimal(0))
        for name, needed in missing.items()
    }
    return {name: needed for name, needed in left.items() if needed > 0}


def _nearest(candidates: Sequence[Object], missing: Missing) -> list[Object]:
    """One after the other, always the one that leaves least missing; of equals the smaller."""
    rest, chosen = list(candidates), []
    while missing:
        best = min(
            rest, key=lambda one: (_distance(one, missing), _request(one, "memory"), _request(one, "cpu"))
        )
        rest.remove(best)
        chosen.append(best)
        missing = _less(missing, [best])
    return chosen


def _distance(pod: Object, missing: Missing) -> float:
    left = ((needed - _request(pod, name)) / needed for name, needed in missing.items())
    return sum(float(part) ** 2 for part in left if part > 0)


def _text(left: Missing) -> str:
    listed = "".join(
        f"(res: {name}, q: {int(n * (1000 if name == 'cpu' else 1))}), " for name, n in left.items()
    )
    return (
        "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to "
        f"preempt: no set of running pods found to reclaim resources: [{listed}]"
    )
