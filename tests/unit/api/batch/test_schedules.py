"""Cron's notation: which values a field has, and upstream's words for what cannot be read."""

import pytest

from pinnace.api.batch.schedules import ScheduleError, parse


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
