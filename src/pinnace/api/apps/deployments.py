"""Deployments: their limits while rolling, their revisions, and which ReplicaSet is theirs."""

import math
from collections.abc import Iterable
from typing import Any

from pinnace.api.apps.templates import template_hash
from pinnace.api.meta import Object

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
CHANGE_CAUSE = "kubernetes.io/change-cause"
TEMPLATE_HASH = "pod-template-hash"

__all__ = ["template_hash"]


def revision(obj: Object) -> int:
    """Of a Deployment or ReplicaSet; 0 where there is none (yet), and where it is no 64-bit number."""
    try:
        number = int((obj["metadata"].get("annotations") or {}).get(REVISION, 0))
    except ValueError:
        return 0
    return number if abs(number) < 2**63 else 0


def int_or_percent(value: int | str | None, total: int, *, round_up: bool) -> int:
    """`3` stays 3; `25%` is that share of `total`; raises ValueError for other text."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value for IntOrString: {value!r} is not a percentage")
    share = int(value[:-1]) * total / 100
    return math.ceil(share) if round_up else math.floor(share)


def is_rolling_update(deployment: Object) -> bool:
    return (deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"


def rolling_limits(deployment: Object) -> tuple[int, int]:
    """(max surge, max unavailable) in pods: surge rounds up, unavailable down; never both zero."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    desired = replicas(deployment)
    surge = int_or_percent(rolling.get("maxSurge"), desired, round_up=True)
    unavailable = int_or_percent(rolling.get("maxUnavailable"), desired, round_up=False)
    return surge, (unavailable if surge or unavailable else 1)


def max_surge(deployment: Object) -> int:
    return rolling_limits(deployment)[0] if is_rolling_update(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """Never more than the replicas that there are to lose."""
    desired = replicas(deployment)
    if not is_rolling_update(deployment) or desired == 0:
        return 0
    return min(rolling_limits(deployment)[1], desired)


def replicas(obj: Object) -> int:
    """`spec.replicas` of whatever has replicas, 1 where it is not given."""
    wanted = obj["spec"].get("replicas")
    return 1 if wanted is None else wanted


def equal_ignoring_hash(one: Object, other: Object) -> bool:
    """Whether two templates differ in nothing but the hash label."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != TEMPLATE_HASH}
    rest = {k: v for k, v in metadata.items() if k not in ("labels", "creationTimestamp")}
    return {**template, "metadata": {**rest, "labels": labels}}


def new_replica_set(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The oldest ReplicaSet that has the deployment's template."""
    template = deployment["spec"]["template"]
    same = [rs for rs in replica_sets if equal_ignoring_hash(rs["spec"].get("template") or {}, template)]
    return min(same, key=_age_then_name, default=None)


def _age_then_name(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]


def is_complete(deployment: Object, status: dict[str, Any]) -> bool:
    """Every wanted replica is of the new template and available, and none of the old ones is left."""
    desired = replicas(deployment)
    return (
        status.get("updatedReplicas", 0) == desired
        and status.get("replicas", 0) == desired
        and status.get("availableReplicas", 0) == desired
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )
