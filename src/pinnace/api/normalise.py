"""What decoding does upstream: null counts as absent, times are whole UTC seconds."""

from datetime import UTC
from typing import Any

from pinnace.apimachinery import times


def drop_nulls(value: Any) -> None:
    """Remove, in place and at every depth, the entries of maps that are null."""
    if isinstance(value, dict):
        if None in value.values():
            for key in [key for key, entry in value.items() if entry is None]:
                del value[key]
        for entry in value.values():
            if entry.__class__ is dict or entry.__class__ is list:
                drop_nulls(entry)
    elif isinstance(value, list):
        for entry in value:
            if entry.__class__ is dict or entry.__class__ is list:
                drop_nulls(entry)


def drop_empty(container: dict[str, Any], *keys: str) -> None:
    """Remove these keys where they hold nothing: upstream's `omitempty`."""
    for key in keys:
        if key in container and not container[key]:
            del container[key]


def time_text(text: str) -> str:
    """metav1.Time in canonical form; text that is no time stays, for validation to reject."""
    if len(text) == 20 and text[-1] == "Z":
        return text
    try:
        return times.format_time(times.parse_time(text))
    except ValueError:
        return text


def micro_time_text(text: str) -> str:
    if len(text) == 27 and text[-1] == "Z":
        return text
    try:
        return times.format_micro_time(times.parse_time(text).astimezone(UTC))
    except ValueError:
        return text


def times_in(container: dict[str, Any] | None, *keys: str) -> None:
    """Rewrite these entries of a map as metav1.Time."""
    if container:
        for key in keys:
            if key in container:
                container[key] = time_text(container[key])


def conditions(status: dict[str, Any] | None) -> None:
    """Rewrite the times of `status.conditions`."""
    for condition in (status or {}).get("conditions") or ():
        times_in(condition, "lastTransitionTime", "lastProbeTime", "lastUpdateTime", "lastHeartbeatTime")
