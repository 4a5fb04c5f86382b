"""The places of a StatefulSet: one per ordinal that it should have, with the pod that is there or the one that should be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.controllers.runtime import pods
from pinnace.controllers.statefulset import identity


@dataclass(frozen=True, slots=True)
class Slot:
    ordinal: int
    pod: Object | None
    revision: str  # of the pod, or the one that its pod will be made of

    def is_unavailable(self, min_ready: int, now: datetime) -> bool:
        return self.pod is None or not is_healthy(self.pod, min_ready, now)


def is_healthy(pod: Object, min_ready: int, now: datetime) -> bool:
    """Available, and staying."""
    return pods.is_available(pod, min_ready, now) and not meta.is_terminating(pod)


def is_running_and_ready(pod: Object) -> bool:
    return pods.phase(pod) == "Running" and pods.is_ready(pod)


def by_ordinal(ss: Object, owned: Iterable[Object]) -> tuple[dict[int, Object], list[Object]]:
    """(pods of wanted ordinals, condemned ones with the highest ordinal first). Pods without an ordinal are nobody's business."""
    wanted = identity.ordinals(ss)
    placed: dict[int, Object] = {}
    condemned = []
    for pod in owned:
        ordinal = identity.ordinal_of(pod)
        if ordinal in wanted:
            if ordinal not in placed or meta.name(pod) == identity.pod_name(ss, ordinal):
                placed[ordinal] = pod
        elif ordinal >= 0:
            condemned.append(pod)
    return placed, sorted(condemned, key=identity.ordinal_of, reverse=True)
