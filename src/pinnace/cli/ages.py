"""Timestamps as ages: `5m`, `<unknown>`, and as `describe` writes them."""

from datetime import UTC, datetime

from pinnace.apimachinery.times import human_duration, parse_time
from pinnace.cli import clock


def seconds_since(text: str) -> float:
    return clock.now() - parse_time(text).timestamp()


def age(text: str | None) -> str:
    return human_duration(seconds_since(text)) if text else "<unknown>"


def rfc1123(text: str | None) -> str:
    """`Mon, 23 Nov 2026 08:00:00 +0000`, in the local time zone."""
    if not text:
        return "<unset>"
    return parse_time(text).astimezone().strftime("%a, %d %b %Y %H:%M:%S %z")


def utc_now() -> str:
    return datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
