"""Timestamps as Kubernetes writes them (RFC 3339, UTC) and durations as people read them."""

import re
from datetime import UTC, datetime

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def format_time(moment: datetime) -> str:
    """metav1.Time: whole seconds, `2026-01-02T03:04:05Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")[:19] + "Z"


def format_micro_time(moment: datetime) -> str:
    """metav1.MicroTime: six decimals, `2026-01-02T03:04:05.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read metav1.Time, MicroTime or RFC 3339 with nanoseconds (cut to microseconds); raises ValueError."""
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    head, dot, rest = text.partition(".")
    if dot:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{head}.{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment


def parse_duration(text: str) -> float:
    """Seconds of a Go duration (`1m30s`, `-1.5h`, `0`); raises ValueError."""
    body = text.lstrip("+-")
    if len(text) - len(body) > 1 or not body:
        raise ValueError(f'time: invalid duration "{text}"')
    if body == "0":
        return 0.0
    if _PART.sub("", body):
        raise ValueError(f'time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(body))
    return -seconds if text.startswith("-") else seconds


def go_duration(seconds: float) -> str:
    """As Go prints a duration: 1m30s, 0s."""
    if seconds < 0:
        return f"-{go_duration(-seconds)}"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def human_duration(seconds: float) -> str:
    """Ages in tables, after upstream's duration.HumanDuration: 5s, 2m3s, 15m, 3h2m, 25h, 2d3h, 9d, 2y34d, 9y."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    total = int(seconds)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 60 * 2:
        return f"{total}s"
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if minutes < 60 * 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = days // 365
    if hours < 24 * 365 * 8:
        rest = days % 365
        return f"{years}y{rest}d" if rest else f"{years}y"
    return f"{years}y"
