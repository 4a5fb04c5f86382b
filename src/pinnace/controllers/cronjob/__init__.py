"""CronJob controller: a Job whenever the schedule says so.

A Job's name is that of its moment, and the CronJob's status follows what Jobs there are: a restart between making the one
and writing the other makes nothing twice. The last moment that was served is remembered, should its Job vanish at once.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/cronjob/cronjob_controllerv2.go
"""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime, tzinfo

from pinnace.api import meta
from pinnace.api.batch import schedules
from pinnace.api.batch.job_status import finished_as, is_complete
from pinnace.api.meta import Object
from pinnace.api.resources import CRON_JOBS, JOBS
from pinnace.apimachinery.times import format_time, parse_time
from pinnace.client.informer import Key
from pinnace.controllers.cronjob import jobs
from pinnace.controllers.cronjob.timing import MANY, NeverDue, Timing
from pinnace.controllers.runtime import Action, Controller, Emit, RequeueAfter, SetStatus, World


def reconcile(cron_job: Object, world: World) -> Iterator[Action]:
    yield from Pass(cron_job, world).run()


class Pass:
    def __init__(self, cron_job: Object, world: World) -> None:
        self.world, self.owned = world, world.children(JOBS, cron_job)
        self.cron_job = cron_job
        before = cron_job.get("status") or {}
        self.before, self.status = before, dict(before)
        self.active: list[Object] = list(before.get("active") or [])
        self.events: list[Emit] = []
        self.started = ("started", meta.key(cron_job))

    def run(self) -> Iterator[Action]:
        self._follow_jobs()
        self._recall_start()
        due = None if meta.is_terminating(self.cron_job) else (yield from self._due())
        doomed = jobs.surplus(self.cron_job, self.owned)
        if due is not None and self.cron_job["spec"].get("concurrencyPolicy") == "Replace":
            running = {entry.get("uid") for entry in self.active}
            doomed += [job for job in self.owned if meta.uid(job) in running]
            self.active = []
        yield from self.events
        for job in doomed:
            yield from jobs.remove(self.cron_job, job)
        if due is not None:
            yield from self._start(*due)
        yield from self._write()

    # -- what became of the Jobs
    def _follow_jobs(self) -> None:
        running = {entry.get("uid") for entry in self.active}
        there = {meta.uid(job) for job in self.owned}
        for entry in self.active:
            if entry.get("uid") not in there:
                self._emit("MissingJob", f"Active job went missing: {entry.get('name', '')}")
        self.active = [entry for entry in self.active if entry.get("uid") in there]
        for job in sorted(self.owned, key=meta.name):
            self._follow(job, is_listed=meta.uid(job) in running)

    def _follow(self, job: Object, *, is_listed: bool) -> None:
        end, moment = finished_as(job), jobs.scheduled_at(job)
        if moment is not None:
            self._served(moment)
        if end is None and not is_listed:
            if moment is None:
                text = f"Saw a job that the controller did not create or forgot: {meta.name(job)}"
                self._emit("UnexpectedJob", text, "Warning")
            elif not meta.is_terminating(job):
                self.active.append(meta.object_reference(job))
        elif end is not None and is_listed:
            self.active = [entry for entry in self.active if entry.get("uid") != meta.uid(job)]
            text = f"Saw completed job: {meta.name(job)}, condition: {end['type']}"
            self._emit("SawCompletedJob", text)
        if is_complete(job):
            ended, known = job["status"].get("completionTime"), self.status.get("lastSuccessfulTime")
            if ended and (not known or parse_time(ended) > parse_time(known)):
                self.status["lastSuccessfulTime"] = ended

    def _recall_start(self) -> None:
        """A pass that did not fail made the Job that it was about to make: nothing that may conflict comes before it."""
        known = self.world.recall(self.started)
        self.world.forget(self.started)
        if known is None or known[0][0] != meta.uid(self.cron_job):
            return
        moment = known[0][1]
        name = jobs.name_for(self.cron_job, moment)
        if self.world.failure is None or self.world.get(JOBS, name, meta.namespace(self.cron_job)):
            self._served(moment)

    def _served(self, moment: datetime) -> None:
        last = self.status.get("lastScheduleTime")
        if not last or moment > parse_time(last):
            self.status["lastScheduleTime"] = format_time(moment)

    # -- what to do now
    def _due(self) -> Generator[Action, None, tuple[datetime, tzinfo] | None]:
        """The moment that a Job has to be made for now, if any; and when to look again."""
        spec, now = self.cron_job["spec"], self.world.now
        timing = self._timing()
        if timing is None or spec.get("suspend"):
            return None
        seen = {**self.cron_job, "status": self.status}
        wait = timing.wait(seen, now)
        if wait is not None:
            yield RequeueAfter(max(wait, 0.0))
        try:
            moment, count = timing.missed(seen, now, within_deadline=True)
        except NeverDue as error:
            self._emit("InvalidSchedule", f"invalid schedule: {spec['schedule']} : {error}", "Warning")
            return None
        if moment is None:
            return None
        if count > MANY:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._emit("TooManyMissedTimes", text, "Warning")
        return (moment, timing.zone) if self._may_start(moment) else None

    def _may_start(self, moment: datetime) -> bool:
        spec, now = self.cron_job["spec"], self.world.now
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and (now - moment).total_seconds() > deadline:
            shown = moment.strftime("%a, %d %b %Y %H:%M:%S +0000")
            self._emit("MissSchedule", f"Missed scheduled time to start a job: {shown}", "Warning")
            return False
        name = jobs.name_for(self.cron_job, moment)
        if self.world.get(JOBS, name, meta.namespace(self.cron_job)) is not None:
            return False
        if self.status.get("lastScheduleTime") == format_time(moment):
            return False
        if spec.get("concurrencyPolicy") == "Forbid" and self.active:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._emit("JobAlreadyActive", text)
            return False
        return True

    def _timing(self) -> Timing | None:
        """None when the schedule or its zone cannot be read."""
        spec = self.cron_job["spec"]
        text = spec["schedule"]
        zone = schedules.zone_in(text) or spec.get("timeZone")
        if zone is not None and not schedules.is_known_zone(zone):
            message = f'invalid timeZone: "{zone}": unknown time zone {zone}'
            self._emit("UnknownTimeZone", message, "Warning")
            return None
        if schedules.zone_in(text):
            message = (
                f'CRON_TZ or TZ used in schedule "{text}" is not officially supported, '
                "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )
            self._emit("UnsupportedSchedule", message, "Warning")
        try:
            return Timing(schedules.parse(text), zone_named(zone))
        except schedules.ScheduleError as error:
            self._emit("UnparseableSchedule", f'unparseable schedule: "{text}" : {error}', "Warning")
            return None

    def _start(self, moment: datetime, zone: tzinfo) -> Iterator[Action]:
        job = jobs.job_for(self.cron_job, moment, zone)
        self.world.remember(self.started, (meta.uid(self.cron_job), moment))
        yield jobs.create(self.cron_job, job)

    def _write(self) -> Iterator[Action]:
        status = {**self.status, "active": self.active}
        if not self.active:
            del status["active"]
        if status != self.before:
            yield SetStatus(self.cron_job, status)

    def _emit(self, reason: str, message: str, kind: str = "Normal") -> None:
        self.events.append(Emit(self.cron_job, kind, reason, message))


def zone_named(name: str | None) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name) if name else UTC


def owner_of(old: Object | None, new: Object | None, _: World) -> Iterator[Key]:
    for job in (old, new):
        reference = meta.controller_of(job) if job is not None else None
        if job is not None and reference is not None and reference["kind"] == "CronJob":
            yield meta.namespace(job), reference["name"]


def absent(key: Key, world: World) -> Iterator[Action]:
    world.forget(("started", key))
    yield from ()


CONTROLLER = Controller(
    name="cronjob",
    source="cronjob-controller",
    primary=CRON_JOBS,
    reconcile=reconcile,
    absent=absent,
    watches={JOBS: owner_of},
)
