"""Jobs that failed or wait, and cron jobs that start none."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from pinnace.api import meta
from pinnace.api.batch.schedules import ScheduleError, is_known_zone, parse
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import (
    CAUSE,
    EFFECT,
    LIKELY,
    NOTE,
    Finding,
    Object,
    condition,
    event,
    field,
    finding,
    in_namespace,
    ready_to_type,
)
from pinnace.insight.world import World

_FAILED = {
    "BackoffLimitExceeded": "its pods failed more often than backoffLimit allows",
    "DeadlineExceeded": "it ran longer than activeDeadlineSeconds allows",
    "PodFailurePolicy": "a pod failed in a way for which its podFailurePolicy says: FailJob",
    "MaxFailedIndexesExceeded": "more indexes failed than maxFailedIndexes allows",
    "FailedIndexes": "some of its indexes failed",
}


def job_failed(job: Object, world: World) -> Iterator[Finding]:
    found = meta.find_condition(job, "Failed") or meta.find_condition(job, "FailureTarget")
    if not found or found.get("status") != "True":
        return
    reason = found.get("reason", "")
    rank = CAUSE if reason == "DeadlineExceeded" else EFFECT
    if _is_history(job, world):
        rank = NOTE
    yield finding(
        job, f"it failed: {_FAILED.get(reason, found.get('message') or reason)}", rank=rank,
        evidence=[condition(job, found), field(job, "status.failed", (job.get("status") or {}).get("failed", 0))],
        commands=[f"kubectl logs job/{meta.name(job)}{in_namespace(job)}", ready_to_type("describe", job)],
    )  # fmt: skip


def _is_history(job: Object, world: World) -> bool:
    """A later job of the same cron job is there."""
    owner = meta.controller_of(job)
    if owner is None or owner["kind"] != "CronJob" or world.is_asked(job):
        return False
    others = [
        one
        for one in world.every("Job", meta.namespace(job))
        if (meta.controller_of(one) or {}).get("uid") == owner.get("uid")
    ]
    return any(_began(one) > _began(job) for one in others)


def _began(job: Object) -> str:
    return str(job["metadata"].get("creationTimestamp", ""))


def is_over(pod: Object, world: World) -> bool:
    """A pod whose job succeeded all the same, or was followed by a later one: what it died of is of no interest any more."""
    reference = meta.controller_of(pod)
    if reference is None or reference["kind"] != "Job" or world.is_asked(pod):
        return False
    job = world.get("Job", meta.namespace(pod), reference["name"])
    return job is not None and (meta.condition_is_true(job, "Complete") or _is_history(job, world))


def suspended(job: Object, world: World) -> Iterator[Finding]:
    """A Job, or a CronJob."""
    if job["spec"].get("suspend") and not (job.get("status") or {}).get("completionTime"):
        yield finding(
            job, "it is suspended", rank=CAUSE if world.is_asked(job) else NOTE, evidence=[field(job, "spec.suspend", True)],
            commands=[ready_to_type("patch", job, "-p '{\"spec\":{\"suspend\":false}}'")],
        )  # fmt: skip


def job_waits(job: Object, _: World) -> Iterator[Finding]:
    status = job.get("status") or {}
    if (
        status.get("active")
        and not status.get("ready")
        and not status.get("terminating")
        and not status.get("succeeded")
    ):
        yield finding(
            job, f"{status['active']} of its pods are there, and none runs", rank=EFFECT,
            evidence=[field(job, "status.active", status["active"]), field(job, "status.ready", status.get("ready", 0))],
            commands=[ready_to_type("describe", job)],
        )  # fmt: skip


def schedule(cron_job: Object, world: World) -> Iterator[Finding]:
    texts = {
        "UnparseableSchedule": "its schedule cannot be read",
        "UnknownTimeZone": "its time zone is not known",
        "TooManyMissedTimes": "it missed more than 100 times to start: set startingDeadlineSeconds, or check the clock",
        "MissSchedule": "it missed a time to start, and startingDeadlineSeconds is over",
        "FailedCreate": "its job cannot be created",
    }
    for reason, text in texts.items():
        for one in world.events(cron_job, reason)[:1]:
            yield finding(
                cron_job, text, rank=CAUSE if reason.startswith("Un") else LIKELY,
                evidence=[event(one), field(cron_job, "spec.schedule", cron_job["spec"].get("schedule"))],
                commands=[ready_to_type("edit", cron_job)],
            )  # fmt: skip
    yield from _overdue(cron_job, world)
    active = (cron_job.get("status") or {}).get("active") or []
    if (
        active
        and cron_job["spec"].get("concurrencyPolicy") == "Forbid"
        and world.events(cron_job, "JobAlreadyActive")
    ):
        yield finding(
            cron_job, f"it starts no further job while {active[0].get('name')} runs (concurrencyPolicy: Forbid)",
            evidence=[*map(event, world.events(cron_job, "JobAlreadyActive")[:1])],
            commands=[f"kubectl describe job {active[0].get('name')}{in_namespace(cron_job)}"],
        )  # fmt: skip


OVERDUE_SECONDS = 120


def _overdue(cron_job: Object, world: World) -> Iterator[Finding]:
    """A time to start went by, and nothing says that anybody noticed."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    since = status.get("lastScheduleTime") or cron_job["metadata"].get("creationTimestamp")
    zone = spec.get("timeZone") or "UTC"
    if spec.get("suspend") or status.get("active") or not since or not is_known_zone(zone):
        return
    try:
        due = parse(spec["schedule"]).next(parse_time(since), ZoneInfo(zone))
    except ScheduleError:
        return
    late = world.now - due.timestamp() if due else 0
    if due and late > OVERDUE_SECONDS:
        yield finding(
            cron_job, f"it should have started a job {late:.0f} s ago, and has not: does the CronJob controller run?", rank=LIKELY,
            evidence=[field(cron_job, "status.lastScheduleTime", status.get("lastScheduleTime")), field(cron_job, "spec.schedule", spec["schedule"])],
            commands=["kubectl get leases -n kube-system", ready_to_type("describe", cron_job)],
        )  # fmt: skip
