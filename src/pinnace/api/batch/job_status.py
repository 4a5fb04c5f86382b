"""What a Job's status says about its end, and the names that Jobs and their pods carry."""

from datetime import datetime

from pinnace.api import conditions
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time

TRACKING = "batch.kubernetes.io/job-tracking"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
OWN_CONTROLLER = "kubernetes.io/job-controller"


def finished_as(job: Object) -> Object | None:
    """The condition Complete or Failed of a Job that has come to its end."""
    listed = (job.get("status") or {}).get("conditions")
    for condition in listed or ():
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return condition
    return None


def is_finished(job: Object) -> bool:
    return finished_as(job) is not None


def is_complete(job: Object) -> bool:
    return conditions.is_true((job.get("status") or {}).get("conditions"), "Complete")


def finished_at(job: Object) -> datetime | None:
    condition = finished_as(job)
    moment = condition.get("lastTransitionTime") if condition is not None else None
    return parse_time(moment) if moment else None


def is_managed_elsewhere(job: Object) -> bool:
    """`spec.managedBy` names another controller than the built-in one."""
    return (job["spec"].get("managedBy") or OWN_CONTROLLER) != OWN_CONTROLLER


def is_tracked(pod: Object) -> bool:
    """It has not been counted yet: what removes it has to wait for the Job controller."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())
