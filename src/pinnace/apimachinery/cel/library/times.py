"""Parts of timestamps, also in a time zone, and of durations."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.values import Duration, Timestamp

_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-/]{0,60}")


def _zone(name: str) -> tzinfo:
    match = _OFFSET.fullmatch(name)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset < timedelta(hours=24):
            return timezone(-offset if match[1] == "-" else offset)
    elif name in ("", "UTC"):
        return UTC
    elif _ZONE.fullmatch(name) and ".." not in name:
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass
    raise EvaluationError(f"unknown time zone {name}")


_PARTS: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "getFullYear": ("year", lambda at: at.year),
    "getMonth": ("month", lambda at: at.month - 1),
    "getDayOfYear": ("day_of_year", lambda at: at.timetuple().tm_yday - 1),
    "getDayOfMonth": ("day_of_month", lambda at: at.day - 1),
    "getDate": ("day_of_month_1_based", lambda at: at.day),
    "getDayOfWeek": ("day_of_week", lambda at: at.isoweekday() % 7),
    "getHours": ("hours", lambda at: at.hour),
    "getMinutes": ("minutes", lambda at: at.minute),
    "getSeconds": ("seconds", lambda at: at.second),
    "getMilliseconds": ("milliseconds", lambda at: at.microsecond // 1000),
}


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    def run(moment: Timestamp, zone: str = "UTC") -> int:
        try:
            return read(moment.at(_zone(zone)))
        except OverflowError:
            raise EvaluationError("timestamp overflow") from None

    return run


def _in_units(nanos: int) -> Callable[[Duration], int]:
    def run(length: Duration) -> int:
        return length.nanos // nanos if length.nanos >= 0 else -(-length.nanos // nanos)

    return run


def _milliseconds(length: Duration) -> int:
    return int(_in_units(10**6)(length))


_UNITS: dict[str, tuple[str, Callable[..., Any]]] = {
    "getHours": ("hours", _in_units(3600 * 10**9)),
    "getMinutes": ("minutes", _in_units(60 * 10**9)),
    "getSeconds": ("seconds", _in_units(10**9)),
    "getMilliseconds": ("milliseconds", _milliseconds),
}

ROWS: tuple[Row, ...] = (
    *(
        row
        for name, (word, read) in _PARTS.items()
        for row in (
            (name, f"timestamp_to_{word}", "timestamp.() -> int", _part(read)),
            (name, f"timestamp_to_{word}_with_tz", "timestamp.(string) -> int", _part(read)),
        )
    ),
    *((name, f"duration_to_{word}", "duration.() -> int", run) for name, (word, run) in _UNITS.items()),
)
