"""A Deployment's status: counts over its sets, and the conditions Available, Progressing and ReplicaFailure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pinnace.api import meta
from pinnace.api.apps.deployments import is_complete, max_unavailable, replicas
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time, parse_time
from pinnace.controllers.deployment.sizes import total_replicas
from pinnace.controllers.runtime import conditions

NO_DEADLINE = 2**31 - 1


def deadline_of(deployment: Object) -> int | None:
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds is None or seconds == NO_DEADLINE else seconds


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """Deployment conditions also say when they were last confirmed."""
    moment = format_time(now)
    return {
        "type": kind, "status": status, "lastUpdateTime": moment, "lastTransitionTime": moment,
        "reason": reason, "message": message,
    }  # fmt: skip


def with_condition(found: Sequence[Object], new: Object) -> list[Object]:
    """Unchanged when status and reason are the same (the message may differ), as upstream."""
    old = conditions.find(found, new["type"])
    if old is not None and (old["status"], old.get("reason")) == (new["status"], new["reason"]):
        return list(found)
    if old is not None and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old.get("lastTransitionTime", new["lastTransitionTime"])}
    return [*conditions.without(found, new["type"]), new]


def counts(deployment: Object, sets: Sequence[Object], new: Object | None) -> Object:
    """The numbers; those that are zero are left out, as upstream's encoding does, except of pods that leave."""

    def total(field: str) -> int:
        return sum((rs.get("status") or {}).get(field, 0) for rs in sets)

    available = total("availableReplicas")
    numbers = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": total("replicas"),
        "updatedReplicas": (new.get("status") or {}).get("replicas", 0) if new is not None else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total_replicas(sets) - available),
        "collisionCount": (deployment.get("status") or {}).get("collisionCount", 0),
    }
    shown = {name: number for name, number in numbers.items() if number}
    leaving = [(rs.get("status") or {}).get("terminatingReplicas") for rs in sets]
    return shown if None in leaving else {**shown, "terminatingReplicas": sum(leaving)}


def availability(deployment: Object, numbers: Object, now: datetime) -> Object:
    enough = numbers.get("availableReplicas", 0) >= replicas(deployment) - max_unavailable(deployment)
    if enough:
        return condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    return condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now
    )  # fmt: skip


def is_progressing(before: Object, numbers: Object) -> bool:
    def old_pods(status: Object) -> int:
        return status.get("replicas", 0) - status.get("updatedReplicas", 0)

    return (
        numbers.get("updatedReplicas", 0) > before.get("updatedReplicas", 0)
        or old_pods(numbers) < old_pods(before)
        or any(numbers.get(f, 0) > before.get(f, 0) for f in ("readyReplicas", "availableReplicas"))
    )


def time_left(deployment: Object, progressing: Object | None, now: datetime) -> float | None:
    """Seconds until the progress deadline passes (0: it has); None when nothing is being waited for."""
    deadline = deadline_of(deployment)
    if (
        deadline is None
        or progressing is None
        or progressing.get("reason")
        in (
            "NewReplicaSetAvailable",
            "ProgressDeadlineExceeded",
        )
    ):
        return None
    since = progressing.get("lastUpdateTime") or progressing.get("lastTransitionTime")
    if not since:
        return None
    return max(0.0, (parse_time(since) + timedelta(seconds=deadline) - now).total_seconds())


@dataclass(slots=True)
class Progress:
    """Works out the Progressing condition of a rollout from the status before and the counts now."""

    deployment: Object
    numbers: Object
    new: Object | None
    now: datetime

    def apply(self, found: list[Object]) -> list[Object]:
        if deadline_of(self.deployment) is None:
            return conditions.without(found, "Progressing")
        current = conditions.find(found, "Progressing")
        if (
            self.numbers.get("replicas", 0) == self.numbers.get("updatedReplicas", 0)
            and current is not None
            and current.get("reason") == "NewReplicaSetAvailable"
        ):
            return found
        if is_complete(self.deployment, self.numbers):
            return with_condition(
                found, self._make("True", "NewReplicaSetAvailable", "has successfully progressed.")
            )
        if is_progressing(self.deployment.get("status") or {}, self.numbers):
            fresh = self._make("True", "ReplicaSetUpdated", "is progressing.")
            if current is not None and current["status"] == "True":
                fresh["lastTransitionTime"] = current.get("lastTransitionTime", fresh["lastTransitionTime"])
            return [*conditions.without(found, "Progressing"), fresh]
        if time_left(self.deployment, current, self.now) == 0.0:
            return with_condition(
                found, self._make("False", "ProgressDeadlineExceeded", "has timed out progressing.")
            )
        return found

    def _make(self, status: str, reason: str, what: str) -> Object:
        subject = (
            f'ReplicaSet "{meta.name(self.new)}"'
            if self.new is not None
            else f'Deployment "{meta.name(self.deployment)}"'
        )
        return condition("Progressing", status, reason, f"{subject} {what}", self.now)


def replica_failure(sets: Sequence[Object], new: Object | None) -> Object | None:
    """The new set's failure, else any set's, as a condition of the Deployment."""
    for rs in [new, *sets] if new is not None else sets:
        found = meta.find_condition(rs, "ReplicaFailure")
        if found is not None:
            return {**found, "lastUpdateTime": found.get("lastTransitionTime", "")}
    return None
