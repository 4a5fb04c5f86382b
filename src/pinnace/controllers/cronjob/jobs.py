"""The Jobs of a CronJob: making one for a moment, and sweeping old ones away."""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from pinnace.api import meta
from pinnace.api.batch.job_status import SCHEDULED_AT, finished_as
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time
from pinnace.controllers.runtime import Action, Create, Delete
from pinnace.controllers.runtime.actions import Wording


def name_for(cron_job: Object, moment: datetime) -> str:
    """One name for one moment: a second Job for it cannot be made."""
    return f"{meta.name(cron_job)}-{int(moment.timestamp()) // 60}"


def job_for(cron_job: Object, moment: datetime, zone: tzinfo) -> Object:
    template = cron_job["spec"]["jobTemplate"]
    source, shown = template.get("metadata") or {}, moment.astimezone(zone).isoformat(timespec="seconds")
    annotations = {**(source.get("annotations") or {}), SCHEDULED_AT: shown.replace("+00:00", "Z")}
    metadata: Object = {
        "name": name_for(cron_job, moment),
        "namespace": meta.namespace(cron_job),
        "annotations": annotations,
        "ownerReferences": [meta.owner_reference(cron_job)],
    }
    if source.get("labels"):
        metadata["labels"] = dict(source["labels"])
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": meta.mutable_copy(template["spec"]),
    }  # fmt: skip


def create(cron_job: Object, job: Object) -> Create:
    done, failed = (
        ("SuccessfulCreate", f"Created job {meta.name(job)}"),
        ("FailedCreate", "Error creating job: "),
    )
    return Create(job, about=cron_job, may_exist=True, wording=Wording(done, (failed,)))


def scheduled_at(job: Object) -> datetime | None:
    """For which moment the controller made this Job; None for one that came otherwise."""
    text = meta.annotations(job).get(SCHEDULED_AT)
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None


def surplus(cron_job: Object, owned: Iterable[Object]) -> list[Object]:
    """Finished Jobs beyond the limits of the history, oldest first."""
    found: list[Object] = []
    by_end: dict[str, list[Object]] = {"Complete": [], "Failed": []}
    for job in owned:
        if (condition := finished_as(job)) is not None:
            by_end[condition["type"]].append(job)
    for end, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = cron_job["spec"].get(field)
        if limit is not None and len(by_end[end]) > limit:
            ordered = sorted(by_end[end], key=_start)
            found += ordered[: len(ordered) - limit]
    return [job for job in found if not meta.is_terminating(job)]


def _start(job: Object) -> tuple[bool, str, str]:
    begun = (job.get("status") or {}).get("startTime")
    return not begun, begun or "", meta.name(job)


def remove(cron_job: Object, job: Object) -> Iterator[Action]:
    done, failed = ("SuccessfulDelete", f"Deleted job {meta.name(job)}"), ("FailedDelete", "Deleted job: ")
    yield Delete(job, about=cron_job, propagation_policy="Background", wording=Wording(done, (failed,)))
