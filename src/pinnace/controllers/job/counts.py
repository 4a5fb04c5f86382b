"""What is counted of Jobs, from the difference between two states of their status: upstream's `job_controller_*`.

Left out: terminated_pods_tracking_finalizer_total and job_pods_creation_total, which tell of single writes. A pass that waits until
its own writes are seen is none here, so `reconciling` is no action.
"""

from collections.abc import Iterator, Mapping

from pinnace.api import conditions
from pinnace.api.batch.indexes import IndexSet
from pinnace.api.batch.job_status import is_finished, is_managed_elsewhere
from pinnace.api.meta import Object
from pinnace.client.informer import Key
from pinnace.component.metrics import exponential
from pinnace.controllers.runtime import Count
from pinnace.controllers.runtime.measures import Measure, Passes

FINISHED = Measure(
    "job_controller_jobs_finished_total",
    "The number of finished jobs",
    ("completion_mode", "result", "reason"),
)
PODS = Measure(
    "job_controller_job_pods_finished_total",
    "The number of finished Pods that are fully tracked",
    ("completion_mode", "result"),
)
INDEXES = Measure(
    "job_controller_job_finished_indexes_total",
    "The number of finished indexes, by status and whether the back-off limit is per index or global",
    ("status", "backoffLimit"),
)
HANDLED = Measure(
    "job_controller_pod_failures_handled_by_failure_policy_total",
    "The number of failed Pods handled by failure policy with respect to the action of the rule that matched",
    ("action",),
)
ELSEWHERE = Measure(
    "job_controller_jobs_by_external_controller_total",
    "The number of Jobs managed by an external controller",
    ("controller_name",),
)


def mode(job: Object) -> str:
    return job["spec"].get("completionMode") or "NonIndexed"


def _measured(job: Object) -> tuple[str, ...] | None:
    return None if is_finished(job) or is_managed_elsewhere(job) else (mode(job),)


_LABELS = ("completion_mode", "result", "action")
PASSES = Passes(
    Measure("job_controller_job_syncs_total", "The number of job syncs", _LABELS),
    Measure(
        "job_controller_job_sync_duration_seconds",
        "The time it took to sync a job",
        _LABELS,
        exponential(0.004, 2, 15),
    ),
    _measured,
)


def elsewhere_fact(key: Key) -> tuple[str, Key]:
    """Under which it is remembered that a Job of another controller was counted."""
    return "managed elsewhere", key


def written(job: Object, old: Object, new: Object) -> Iterator[Count]:
    """What a new status tells."""
    is_indexed = mode(job) == "Indexed"
    succeeded = _grown(job, old, new, "completedIndexes") if is_indexed else _more(old, new, "succeeded")
    for result, number in (("succeeded", succeeded), ("failed", _more(old, new, "failed"))):
        if number > 0:
            yield Count(PODS, (mode(job), result), number)
    if is_indexed:
        limit = "global" if job["spec"].get("backoffLimitPerIndex") is None else "perIndex"
        failed = _grown(job, old, new, "failedIndexes")
        for result, number in (("succeeded", succeeded), ("failed", failed)):
            if number > 0:
                yield Count(INDEXES, (result, limit), number)
    for kind, result in (("Complete", "succeeded"), ("Failed", "failed")):
        now = conditions.find(new.get("conditions"), kind)
        if now is not None and now["status"] == "True":
            yield Count(FINISHED, (mode(job), result, now.get("reason", "") if kind == "Failed" else ""))


def handled(actions: Mapping[str, int]) -> Iterator[Count]:
    """`actions` of a podFailurePolicy -> the pods they were applied to."""
    for action, number in actions.items():
        yield Count(HANDLED, (action,), number)


def _more(old: Object, new: Object, field: str) -> int:
    more: int = (new.get(field) or 0) - (old.get(field) or 0)
    return more


def _grown(job: Object, old: Object, new: Object, field: str) -> int:
    completions = job["spec"].get("completions") or 0
    before, after = (len(IndexSet.parse(status.get(field) or "", completions)) for status in (old, new))
    return after - before
