"""CronJobs: defaults and validation of schedules, time zones and the template of the Jobs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.batch import schedules
from pinnace.api.batch.job_validation import validate_job_spec
from pinnace.api.batch.jobs import set_failure_policy_defaults
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.core.pod_warnings import POD_NAMES, name_warnings, pod_warnings
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

CONCURRENCY = ("Allow", "Forbid", "Replace")
MAX_NAME = 52  # Jobs append a dash and ten digits, and have 63 at most
_zone_part = re.compile(r"[A-Za-z._0-9+][A-Za-z.\-_0-9+]{0,13}").fullmatch


class CronJobStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", 3)
        spec.setdefault("failedJobsHistoryLimit", 1)
        template = spec.setdefault("jobTemplate", {})
        template.setdefault("metadata", {})
        job = template.setdefault("spec", {})
        set_failure_policy_defaults(job)
        set_template_defaults(job.setdefault("template", {}))

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj) + list(_validate_spec(obj["spec"], None))
        name = obj["metadata"].get("name") or ""
        if len(name) > MAX_NAME:
            why = f"must be no more than {MAX_NAME} characters"
            found.append(fields.invalid("metadata.name", name, why))
        return found

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_spec(new["spec"], old["spec"]))

    def create_warnings(self, obj: Object) -> list[str]:
        return [*super().create_warnings(obj), *name_warnings(obj, POD_NAMES)]

    def warnings(self, obj: Object) -> list[str]:
        path = "spec.jobTemplate.spec.template.spec"
        job = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
        spec = (job.get("template") or {}).get("spec") or {}
        return super().warnings(obj) + list(pod_warnings(spec, path))


def _validate_spec(spec: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        yield fields.required("spec.schedule")
    else:
        had_zone = old is not None and "TZ" in (old.get("schedule") or "")
        yield from _validate_schedule(schedule, zone, had_zone)
    yield from fields.non_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None and (old is None or old.get("timeZone") != zone):
        yield from _validate_zone(zone)
    policy = spec.get("concurrencyPolicy") or ""
    if policy not in CONCURRENCY:
        yield fields.not_supported("spec.concurrencyPolicy", policy, CONCURRENCY)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    yield from validate_job_spec(job, "spec.jobTemplate.spec")
    if (selector := job.get("selector")) is not None:
        why = "`selector` will be auto-generated"
        yield fields.invalid("spec.jobTemplate.spec.selector", selector, why)
    if job.get("manualSelector"):
        yield fields.not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from fields.non_negative(f"spec.{name}", spec.get(name))


def _validate_schedule(schedule: str, zone: str | None, had_zone: bool) -> Iterator[Cause]:
    """A zone inside the schedule is something that only old objects have."""
    try:
        schedules.parse(schedule)
    except schedules.ScheduleError as error:
        yield fields.invalid("spec.schedule", schedule, str(error))
    if "TZ" not in schedule:
        return
    if not had_zone:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield fields.invalid("spec.schedule", schedule, why)
    elif zone is not None:
        why = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        yield fields.invalid("spec.schedule", schedule, why)


def _validate_zone(zone: str) -> Iterator[Cause]:
    path = "spec.timeZone"
    if not zone:
        yield fields.invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    if any(part in (".", "..") or not _zone_part(part) for part in zone.split("/")):
        yield fields.invalid(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield fields.invalid(path, zone, why)
    if not schedules.is_known_zone(zone):
        yield fields.invalid(path, zone, f"unknown time zone {zone}")
