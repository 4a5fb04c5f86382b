"""Schedules in cron's notation: five fields, or `@daily` and the like. Reading them, with upstream's words for what is wrong.

Upstream reads them with https://github.com/robfig/cron (v3): no seconds, Sunday is 0, names of months and days are known.
"""

import re
from dataclasses import dataclass
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


def _is_free(word: str) -> bool:
    return any(part in ("*", "?") for part in word.split(","))


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
