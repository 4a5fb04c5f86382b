"""Schedules in cron's notation: five fields, or `@daily` and the like. Reading them, with upstream's words for what is wrong.

Upstream reads them with https://github.com/robfig/cron (v3): no seconds, Sunday is 0, names of months and days are known.
Where clocks are put forward, times that do not exist are skipped; where they are put back, times that exist twice count twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple


class ScheduleError(ValueError):
    """Text that is no schedule."""


class _Bounds(NamedTuple):
    lowest: int
    highest: int
    names: tuple[str, ...] = ()  # in order, from `lowest`


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (_Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31), _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _DAYS))
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MIDNIGHT = time(0)
YEARS = 5  # how far ahead a fitting day is looked for
_EVERY = "@every "
_DURATION = re.compile(r"([0-9]*\.?[0-9]+|[0-9]+\.)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values that each field may have. Days count when either field names them, unless one of the two is free (`*`)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    every_seconds: int = 0  # of `@every 90s`; the sets are empty then

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first moment after `after` (both in UTC) whose time in `zone` fits; None if there is none within five years."""
        if self.every_seconds:
            return after.replace(microsecond=0) + timedelta(seconds=self.every_seconds)
        today = after.astimezone(zone).date()
        for day in self._days(today, today.year + YEARS):
            moment = self._first(day, after, zone)
            if moment is not None:
                return moment
        return None

    def _days(self, first: date, last_year: int) -> Iterator[date]:
        year, month = first.year, first.month
        while year <= last_year:
            if month in self.months:
                for number in sorted(self.days if self.any_weekday else range(1, 32)):
                    day = _day(year, month, number)
                    if day is not None and day >= first and self._has(day):
                        yield day
            year, month = year + month // 12, month % 12 + 1

    def _has(self, day: date) -> bool:
        by_number, by_name = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_number and by_name
        return by_number or by_name

    def _first(self, day: date, after: datetime, zone: tzinfo) -> datetime | None:
        """The first moment of `day` after `after`, in UTC."""
        offsets = {
            datetime.combine(one, _MIDNIGHT, zone).utcoffset() for one in (day, day + timedelta(days=1))
        }
        shown = after.astimezone(zone)
        begin = (shown.hour, shown.minute) if shown.date() == day else (-1, -1)
        if len(offsets) > 1:  # clocks change on this day: a later time may come earlier
            return min((moment for moment in self._moments(day, zone) if moment > after), default=None)
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes) if hour >= begin[0] else ():
                if (hour, minute) > begin:
                    return datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
        return None

    def _moments(self, day: date, zone: tzinfo) -> Iterator[datetime]:
        """All of a day, in UTC: what does not exist left out, what exists twice there twice."""
        for hour in self.hours:
            for minute in self.minutes:
                shown = datetime.combine(day, time(hour, minute))
                for fold in (0, 1):
                    moment = shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                    if moment.astimezone(zone).replace(tzinfo=None) == shown:
                        yield moment


def parse(text: str) -> Schedule:
    """Raises ScheduleError. A leading `TZ=ZONE` or `CRON_TZ=ZONE` is left out of account."""
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = text.partition(" ")[2].strip()
    if text.startswith(_EVERY):
        return _every(text)
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    words = text.split()
    if len(words) != len(_FIELDS):
        shown = " ".join(words)
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(words)}: [{shown}]")
    minutes, hours, days, months, weekdays = (
        _values(word, bounds) for word, bounds in zip(words, _FIELDS, strict=True)
    )
    return Schedule(minutes, hours, days, months, weekdays, _is_free(words[2]), _is_free(words[4]))


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def zone_in(text: str) -> str:
    """The zone that a schedule from before the field timeZone names itself; "" when it names none."""
    head = text.partition(" ")[0]
    return head.partition("=")[2] if head.startswith(("TZ=", "CRON_TZ=")) else ""


def is_known_zone(zone: str) -> bool:
    """Whether the time zone database (the system's, else that of the package tzdata) has it."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # unknown; malformed; a directory of zones
        return False
    return True


def _is_free(word: str) -> bool:
    """Some part of it has no bounds: `*`, also `*/1`, but not `*/2`."""
    for part in word.split(","):
        ends, _, step = part.partition("/")
        if ends.split("-")[0] in ("*", "?") and step in ("", "1"):
            return True
    return False


def _every(text: str) -> Schedule:
    given = text.removeprefix(_EVERY)
    parts = _DURATION.findall(given)
    if not parts or "".join(number + unit for number, unit in parts) != given:
        raise ScheduleError(f'failed to parse duration {text}: time: invalid duration "{given}"')
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    none: frozenset[int] = frozenset()
    return Schedule(none, none, none, none, none, False, False, max(1, int(seconds)))


def _values(word: str, bounds: _Bounds) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        if part:
            found |= _range(part, bounds)
    return frozenset(found)


def _range(text: str, bounds: _Bounds) -> set[int]:
    """`*`, `5`, `5-9`, each with an optional `/step`."""
    ends, *steps = text.split("/")
    first, *others = ends.split("-")
    if first in ("*", "?"):
        start, end = bounds.lowest, bounds.highest
    else:
        if len(others) > 1:
            raise ScheduleError(f"too many hyphens: {text}")
        start = _number(first, bounds)
        end = _number(others[0], bounds) if others else start
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    step = 1
    if steps:
        step = _number(steps[0], _Bounds(0, 0))
        if first not in ("*", "?") and not others:
            end = bounds.highest
    if start < bounds.lowest:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.lowest}): {text}")
    if end > bounds.highest:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.highest}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return set(range(start, end + 1, step))


def _number(text: str, bounds: _Bounds) -> int:
    if text.lower() in bounds.names:
        return bounds.lowest + bounds.names.index(text.lower())
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdecimal()):
        raise ScheduleError(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
