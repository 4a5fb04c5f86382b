"""Whether a Job has come to its end, and why: failure policies, limits, the deadline, success policies, completions."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import conditions
from pinnace.api.batch.indexes import IndexSet
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time
from pinnace.controllers.job.snapshot import Snapshot
from pinnace.controllers.runtime.conditions import condition


def new_condition(seen: Snapshot, kind: str, reason: str, message: str, status: str = "True") -> Object:
    made = condition(kind, status, reason, message, seen.now)
    return {**made, "lastProbeTime": made["lastTransitionTime"]}


def decided(seen: Snapshot) -> Object | None:
    """The condition FailureTarget or SuccessCriteriaMet: no further pods, and the active ones go. What was said stays said."""
    known = seen.status.get("conditions") or []
    for kind in ("SuccessCriteriaMet", "FailureTarget"):
        if conditions.is_true(known, kind):
            return conditions.find(known, kind)
    return _failed(seen) or _met_policy(seen)


def _failed(seen: Snapshot) -> Object | None:
    for pod in seen.pods if seen.failure_policy is not None else ():
        if seen.is_failed(pod) and (message := seen.judged(pod).message):
            return new_condition(seen, "FailureTarget", "PodFailurePolicy", message)
    if seen.failed > seen.spec.get("backoffLimit", 6) or _restarted_too_often(seen):
        return _failure(seen, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = until_deadline(seen)
    if left is not None and left <= 0:
        return _failure(seen, "DeadlineExceeded", "Job was active longer than specified deadline")
    return _failed_indexes(seen)


def _failed_indexes(seen: Snapshot) -> Object | None:
    if not seen.failed_indexes:
        return None
    limit, failed = seen.spec.get("maxFailedIndexes"), len(seen.failed_indexes)
    if limit is not None and failed > limit:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return _failure(seen, "MaxFailedIndexesExceeded", message)
    if failed + len(seen.succeeded_indexes) >= (seen.completions or 0):
        return _failure(seen, "FailedIndexes", "Job has failed indexes")
    return None


def _failure(seen: Snapshot, reason: str, message: str) -> Object:
    return new_condition(seen, "FailureTarget", reason, message)


def _restarted_too_often(seen: Snapshot) -> bool:
    """Containers that the kubelet restarts count as failures, too."""
    if seen.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        status.get("restartCount", 0)
        for pod in seen.pods
        if pods.phase(pod) in ("Running", "Pending")
        for part in ("initContainerStatuses", "containerStatuses")
        for status in pod["status"].get(part) or ()
    )
    return restarts >= max(seen.spec.get("backoffLimit", 6), 1)


def until_deadline(seen: Snapshot) -> float | None:
    """Seconds until the Job has been active for too long; None without a deadline, and while it is suspended.

    The time starts anew when the Job is resumed: one whose status still says Suspended begins now.
    """
    limit, begun = seen.spec.get("activeDeadlineSeconds"), seen.status.get("startTime")
    if limit is None or seen.is_suspended:
        return None
    if not begun or conditions.is_true(seen.status.get("conditions"), "Suspended"):
        return float(limit)
    return float(limit) - (seen.now - parse_time(begun)).total_seconds()


def _met_policy(seen: Snapshot) -> Object | None:
    rules = (seen.spec.get("successPolicy") or {}).get("rules") or ()
    if not seen.is_indexed or not rules or not seen.succeeded_indexes:
        return None
    for at, rule in enumerate(rules):
        if _meets(rule, seen.succeeded_indexes, seen.completions or 0):
            return new_condition(seen, "SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {at}")
    return None


def _meets(rule: Mapping[str, Any], succeeded: IndexSet, completions: int) -> bool:
    wanted, named = rule.get("succeededCount"), rule.get("succeededIndexes")
    if named is None:
        return wanted is not None and len(succeeded) >= wanted
    required = IndexSet.parse(named, completions)
    if not required:
        return False
    done = required.overlap(succeeded)
    return done == len(required) or (wanted is not None and done >= wanted)


def completed(seen: Snapshot) -> Object | None:
    """SuccessCriteriaMet for a Job that has as many successes as it needs, and nothing active any more."""
    needed = 1 if seen.completions is None else seen.completions
    if seen.succeeded < needed or seen.active:
        return None
    return new_condition(
        seen, "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
    )
