"""Rolling update: which pods of older revisions may go now. Upstream's highest ordinal first, not below the partition.

Without `maxUnavailable` the update goes pod by pod, as v1.36 does; with it, as upstream does where its gate
MaxUnavailableStatefulSet is on (v1.36 has it off because of https://issues.k8s.io/137409; this follows the version that mends it).
"""

from collections.abc import Sequence
from datetime import datetime

from pinnace.api import meta
from pinnace.api.apps.deployments import int_or_percent
from pinnace.api.meta import Object
from pinnace.controllers.runtime import pods
from pinnace.controllers.statefulset.slots import Slot


def is_rolling(ss: Object) -> bool:
    return (ss["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"


def partition(ss: Object) -> int | None:
    """How many of the lowest ordinals keep their revision; None where no rolling parameters are given."""
    rolling = (ss["spec"].get("updateStrategy") or {}).get("rollingUpdate")
    return None if rolling is None else rolling.get("partition") or 0


def outdated(ss: Object, slots: Sequence[Slot], update: str, now: datetime) -> list[Object]:
    """Pods to delete now, so that they come back with the revision `update`; `slots` are sorted by ordinal."""
    rolling = (ss["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    min_ready = ss["spec"].get("minReadySeconds") or 0
    moving = list(reversed(slots[partition(ss) or 0 :]))
    if rolling.get("maxUnavailable") is None:
        return _one_by_one(moving, update, min_ready, now)
    budget = _most(rolling["maxUnavailable"], slots) - _unavailable(slots, min_ready, now)
    old = [slot.pod for slot in moving if slot.pod is not None and _is_old(slot, update)]
    if ss["spec"].get("podManagementPolicy") != "Parallel":
        return old[: max(0, budget)]
    broken = [pod for pod in old if not pods.is_available(pod, min_ready, now)]
    working = [pod for pod in old if pods.is_available(pod, min_ready, now)]
    return [*broken, *working[: max(0, budget)]]


def is_violated(ss: Object, slots: Sequence[Slot], now: datetime) -> bool:
    """More pods are unavailable than a `maxUnavailable` that is given allows."""
    most = ((ss["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}).get("maxUnavailable")
    if most is None:
        return False
    return _unavailable(slots, ss["spec"].get("minReadySeconds") or 0, now) > _most(most, slots)


def _most(value: int | str, slots: Sequence[Slot]) -> int:
    return max(1, int_or_percent(value, len(slots), round_up=False))


def _unavailable(slots: Sequence[Slot], min_ready: int, now: datetime) -> int:
    return sum(slot.is_unavailable(min_ready, now) for slot in slots)


def _one_by_one(moving: Sequence[Slot], update: str, min_ready: int, now: datetime) -> list[Object]:
    """The first old pod, unless one before it has yet to become available."""
    for slot in moving:
        if slot.pod is not None and _is_old(slot, update):
            return [slot.pod]
        if slot.is_unavailable(min_ready, now):
            return []
    return []


def _is_old(slot: Slot, update: str) -> bool:
    return slot.pod is not None and slot.revision != update and not meta.is_terminating(slot.pod)
