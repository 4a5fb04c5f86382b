"""Columns of Jobs and CronJobs."""

from datetime import datetime

from pinnace.api import conditions, meta
from pinnace.api.columns.table import AGE, NAME, NONE, Cell, Column, TableDef, age, age_of, name, number
from pinnace.api.columns.workloads import CONTAINERS, IMAGES, SELECTOR, template_cells
from pinnace.api.meta import Object
from pinnace.apimachinery import times


def _job(obj: Object, now: datetime) -> list[Cell]:
    cells = _completions(obj), _duration(obj, now)
    return [name(obj), _state(obj), *cells, age(obj, now), *template_cells(obj)]


def _state(job: Object) -> str:
    listed = (job.get("status") or {}).get("conditions")
    for kind in ("Complete", "Failed"):
        if conditions.is_true(listed, kind):
            return kind
    if meta.is_terminating(job):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if conditions.is_true(listed, kind):
            return kind
    return "Running"


def _completions(job: Object) -> str:
    spec, done = job.get("spec") or {}, (job.get("status") or {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    status = job.get("status") or {}
    begun, ended = status.get("startTime"), status.get("completionTime")
    if not begun:
        return ""
    try:
        end = times.parse_time(ended) if ended else now
        return times.human_duration((end - times.parse_time(begun)).total_seconds())
    except ValueError:
        return ""


def _cron_job(obj: Object, now: datetime) -> list[Cell]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    last = status.get("lastScheduleTime")
    return [
        name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        age_of(last, now) if last else NONE,
        age(obj, now),
        *template_cells(spec.get("jobTemplate") or {}),
    ]


JOBS = TableDef(
    (
        NAME,
        Column("Status", description="What has become of the job."),
        Column("Completions", description="Pods that succeeded, of those that must."),
        Column("Duration", description="How long it ran, or has been running."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _job,
)
CRON_JOBS = TableDef(
    (
        NAME,
        Column("Schedule", description="When jobs are started, in cron's notation."),
        Column("Timezone", description="The time zone in which the schedule is read."),
        Column("Suspend", description="Whether no more jobs are started for now."),
        number("Active", "How many of its jobs run."),
        Column("Last Schedule", description="How long ago a job was started last."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _cron_job,
)
