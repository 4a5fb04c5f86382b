"""When a CronJob is due: the last time that was missed, and the next one.

Missed times are estimated from the distance of the first two, so that a CronJob that slept for years costs no more than others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from pinnace.api.batch.schedules import Schedule
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time

MANY = 100  # missed times, beyond which users are warned
LATE = 0.1  # seconds after the minute: a timer that fires early would find nothing to do


class NeverDue(ValueError):
    """The schedule can be read but names no time twice, like the 31st of February."""


@dataclass(frozen=True, slots=True)
class Timing:
    schedule: Schedule
    zone: tzinfo = UTC

    def missed(
        self, cron_job: Object, now: datetime, *, within_deadline: bool
    ) -> tuple[datetime | None, int]:
        """(the latest time until now at which a Job was due, about how many there were since the last one that was met)."""
        earliest = self._earliest(cron_job, now, within_deadline=within_deadline)
        first = self.schedule.next(earliest, self.zone)
        if first is not None and now < first:
            return None, 0
        second = self.schedule.next(first, self.zone) if first is not None else None
        if first is not None and second is not None and now < second:
            return first, 1
        if first is None or second is None or (second - first).total_seconds() < 1:
            raise NeverDue("time difference between two schedules is less than 1 second")
        period = round((second - first).total_seconds())
        count = int((now - first).total_seconds()) // period + 1
        latest, moment = None, self.schedule.next(first + timedelta(seconds=(count - 2) * period), self.zone)
        while moment is not None and moment <= now:
            latest, moment = moment, self.schedule.next(moment, self.zone)
        return latest, count

    def wait(self, cron_job: Object, now: datetime) -> float | None:
        """Seconds until the next time; None when there is none."""
        try:
            latest, count = self.missed(cron_job, now, within_deadline=False)
        except NeverDue:
            latest, count = None, 1
        if latest is None:
            latest = now if count else self._earliest(cron_job, now, within_deadline=False)
        due = self.schedule.next(latest, self.zone)
        return None if due is None else (due - now).total_seconds() + LATE

    def _earliest(self, cron_job: Object, now: datetime, *, within_deadline: bool) -> datetime:
        last = (cron_job.get("status") or {}).get("lastScheduleTime")
        earliest = parse_time(last or cron_job["metadata"]["creationTimestamp"])
        deadline = cron_job["spec"].get("startingDeadlineSeconds")
        if within_deadline and deadline is not None and deadline < (now - earliest).total_seconds():
            earliest = now - timedelta(seconds=deadline)
        return earliest
