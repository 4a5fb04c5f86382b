"""What decoding does upstream: null counts as absent, times are whole UTC seconds."""

from datetime import UTC
from typing import Any

from pinnace.apimachinery import times

# Upstream writes these even when they are empty; it leaves every other empty list out.
_KEPT_LISTS = frozenset(
    ("containers", "endpoints", "rules", "nodeSelectorTerms", "addresses", "items", "data")
)
# Maps of text and of quantities, which it leaves out when empty; `{}` elsewhere is a structure and means something.
_TEXT_MAPS = frozenset(
    ("labels", "annotations", "nodeSelector", "matchLabels", "limits", "requests", "binaryData", "stringData")
)

_WRITTEN_ANEW = "managedFields"  # read and written again by whoever keeps these books; a tree of empty maps


def drop_absent(value: Any) -> None:
    """Remove from maps, in place and at every depth, what upstream does not keep: nulls, empty lists, empty text maps."""
    if isinstance(value, dict):
        gone = []
        for key, entry in value.items():
            if entry:
                if (entry.__class__ is dict or entry.__class__ is list) and key != _WRITTEN_ANEW:
                    drop_absent(entry)
            elif entry is None or _is_left_out(key, entry):
                gone.append(key)
        for key in gone:
            del value[key]
    else:
        for entry in value:
            if entry.__class__ is dict or entry.__class__ is list:
                drop_absent(entry)


def _is_left_out(key: str, entry: Any) -> bool:
    if entry.__class__ is list:
        return key not in _KEPT_LISTS
    return entry.__class__ is dict and key in _TEXT_MAPS


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
