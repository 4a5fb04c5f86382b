"""The arithmetic of a rollout: how large each ReplicaSet may be now. Pure numbers; changes nothing."""

import math
from collections.abc import Sequence
from fractions import Fraction

from pinnace.api import meta
from pinnace.api.apps.deployments import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    is_rolling_update,
    max_surge,
    max_unavailable,
    replicas,
)
from pinnace.api.meta import Object

Sizes = dict[str, int]  # ReplicaSet name -> replicas


def max_pods(deployment: Object) -> int:
    return replicas(deployment) + max_surge(deployment)


def available(rs: Object) -> int:
    """Never more than the set is to keep: a status that has not caught up yet counts pods that are going away (upstream
    counts them, too)."""
    return min((rs.get("status") or {}).get("availableReplicas", 0), replicas(rs))


def total_replicas(sets: Sequence[Object]) -> int:
    return sum(map(replicas, sets))


def annotation_number(rs: Object, key: str) -> int | None:
    text = meta.annotations(rs).get(key, "")
    return int(text) if text.isdecimal() and len(text) <= 10 else None  # anybody may have written it


def new_set_size(deployment: Object, new: Object | None, others: Sequence[Object]) -> int:
    """How large the new set may be while the old ones have their present size."""
    target = replicas(deployment)
    if not is_rolling_update(deployment):
        return target
    now = replicas(new) if new is not None else 0
    room = max_pods(deployment) - total_replicas(others) - now
    return now if room <= 0 else now + min(room, target - now)


def rolled_down(deployment: Object, new: Object, old: Sequence[Object]) -> Sizes:
    """Smaller sizes for old sets: unhealthy pods go first, then as many as availability allows; oldest sets first."""
    floor = replicas(deployment) - max_unavailable(deployment)
    sizes = {meta.name(rs): replicas(rs) for rs in old}
    pending_new = replicas(new) - available(new)
    removable = sum(sizes.values()) + replicas(new) - floor - pending_new
    if removable <= 0 or not any(sizes.values()):
        return {}
    budget = removable
    for rs in old:
        name, unhealthy = meta.name(rs), replicas(rs) - available(rs)
        cut = min(budget, max(0, unhealthy))
        sizes[name] -= cut
        budget -= cut
    spare = sum(map(available, old)) + available(new) - floor
    for rs in old:
        cut = min(sizes[meta.name(rs)], max(0, spare))
        sizes[meta.name(rs)] -= cut
        spare -= cut
    return {meta.name(rs): sizes[meta.name(rs)] for rs in old if sizes[meta.name(rs)] != replicas(rs)}


def is_saturated(deployment: Object, new: Object | None) -> bool:
    """The new set alone already gives everything that is asked for."""
    if new is None:
        return False
    target = replicas(deployment)
    return (
        replicas(new) == target
        and annotation_number(new, DESIRED_REPLICAS) == target
        and available(new) == target
    )


def proportional(deployment: Object, active: Sequence[Object]) -> Sizes:
    """Spread a change of `spec.replicas` over all active sets in proportion to their size; the largest takes the rest."""
    target = replicas(deployment)
    allowed = max_pods(deployment) if target > 0 else 0
    change = allowed - total_replicas(active)
    newest_first = sorted(active, key=_created, reverse=True)
    ordered = sorted(
        newest_first if change > 0 else sorted(active, key=_created), key=lambda rs: -replicas(rs)
    )
    sizes: Sizes = {}
    given = 0
    for rs in ordered:
        share = _share(deployment, rs, change, given) if change else 0
        given += share
        sizes[meta.name(rs)] = replicas(rs) + share
    if ordered and change:
        first = meta.name(ordered[0])
        sizes[first] = max(0, sizes[first] + change - given)
    return sizes


def _created(rs: Object) -> tuple[str, str]:
    return rs["metadata"].get("creationTimestamp", ""), meta.name(rs)


def _share(deployment: Object, rs: Object, change: int, given: int) -> int:
    size, rest = replicas(rs), change - given
    if size == 0 or rest == 0:
        return 0
    fraction = _fraction(deployment, rs)
    return min(fraction, rest) if change > 0 else max(fraction, rest)


def _fraction(deployment: Object, rs: Object) -> int:
    """By how much this set would change if it kept its share of the whole."""
    size = replicas(rs)
    if replicas(deployment) == 0:
        return -size
    before = annotation_number(rs, MAX_REPLICAS) or (deployment.get("status") or {}).get("replicas", 0)
    if not before:
        return 0
    return math.floor(Fraction(size * max_pods(deployment), before) + Fraction(1, 2)) - size
