"""Cron's notation: which values a field has, and upstream's words for what cannot be read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.batch.schedules import ScheduleError, parse, zone_in
from properties import examples


def test_fields_are_sets_of_values():
    schedule = parse("*/20 1-5/2,23 1 jan-mar,12 sun,MON")
    assert schedule.minutes == {0, 20, 40}
    assert schedule.hours == {1, 3, 5, 23}
    assert schedule.days == {1}
    assert schedule.months == {1, 2, 3, 12}
    assert schedule.weekdays == {0, 1}
    assert (schedule.any_day, schedule.any_weekday) == (False, False)


def test_a_step_after_a_single_value_reaches_to_the_end():
    assert parse("40/5 ? * * ?").minutes == {40, 45, 50, 55}
    assert parse("0 0 ? * *").any_day


def test_descriptors():
    assert parse("@weekly") == parse("0 0 * * 0")
    assert parse("@every 1h30m").every_seconds == 5400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert str(caught.value) == message


# -- the next time --------------------------------------------------------------------------------------------------
def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "after", "wanted"),
    [
        ("* * * * *", "2026-01-01 12:00:00", "2026-01-01 12:01:00"),
        ("* * * * *", "2026-01-01 12:00:59.999999", "2026-01-01 12:01:00"),
        ("*/20 * * * *", "2026-01-01 12:45:00", "2026-01-01 13:00:00"),
        ("30 6-16/4 * * 1-5", "2026-01-02 15:00:00", "2026-01-05 06:30:00"),  # Friday: on to Monday
        ("0 0 13 * 5", "2026-01-01 12:00:00", "2026-01-02 00:00:00"),  # either the 13th or a Friday
        ("0 0 */2 * 5", "2026-01-02 12:00:00", "2026-01-03 00:00:00"),  # a step of two is a bound: either
        ("0 0 */1 * 5", "2026-01-02 12:00:00", "2026-01-09 00:00:00"),  # a step of one is none: both
        ("0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00"),
        ("59 23 31 12 *", "2026-12-31 23:59:00", "2027-12-31 23:59:00"),
        ("@every 90s", "2026-01-01 12:00:00.5", "2026-01-01 12:01:30"),
    ],
)
def test_the_next_time(text, after, wanted):
    assert parse(text).next(moment(after)) == moment(wanted)


def test_a_day_that_never_comes_is_not_looked_for_for_ever():
    assert parse("0 0 31 2 *").next(moment("2026-01-01")) is None


def test_times_that_clocks_skip_are_left_out_and_those_they_repeat_come_twice():
    new_york = ZoneInfo("America/New_York")
    skipped = parse("30 2 * * *").next(moment("2026-03-07 12:00"), new_york)
    assert skipped == moment("2026-03-09 06:30")  # on the 8th there is no half past two
    twice = parse("30 1 * * *")
    first = twice.next(moment("2026-10-31 12:00"), new_york)
    assert first == moment("2026-11-01 05:30")
    second = twice.next(first, new_york)
    assert second == moment("2026-11-01 06:30")
    assert twice.next(second, new_york) == moment("2026-11-02 06:30")


FIELD = st.sampled_from(["*", "*/7", "5", "0,20", "10-20/5", "1-3"])


@given(
    minute=FIELD, hour=FIELD, day=st.sampled_from(["*", "1", "*/10", "13,28"]),
    weekday=st.sampled_from(["*", "1-5", "sun"]), zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    minutes=st.integers(0, 30 * 24 * 60),
)  # fmt: skip
@examples(60)
def test_the_next_time_is_the_first_minute_that_fits(minute, hour, day, weekday, zone, minutes):
    """Against counting minutes: every minute whose clock time fits, and no other."""
    schedule, place, begin = (
        parse(f"{minute} {hour} {day} * {weekday}"),
        ZoneInfo(zone),
        moment("2026-03-15") + timedelta(minutes=minutes),
    )
    found = schedule.next(begin, place)
    candidate = begin.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(3 * 24 * 60):
        if _fits(schedule, candidate.astimezone(place)):
            assert found == candidate
            return
        candidate += timedelta(minutes=1)
    assert found is None or found >= candidate


def _fits(schedule, shown):
    number, name = shown.day in schedule.days, shown.isoweekday() % 7 in schedule.weekdays
    free = schedule.any_day or schedule.any_weekday
    on_day = (number and name) if free else (number or name)
    return on_day and shown.hour in schedule.hours and shown.minute in schedule.minutes


def test_a_zone_inside_an_old_schedule():
    assert zone_in("TZ=Asia/Tokyo 0 0 * * *") == "Asia/Tokyo"
    assert zone_in("0 0 * * *") == ""
