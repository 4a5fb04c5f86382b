"""How Go prints JSON values inside messages about patches."""

from typing import Any


def go_text(value: Any) -> str:
    """A JSON value as Go prints a map: `map[spec:map[replicas:3]]`."""
    match value:
        case dict():
            return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(go_text, value)) + "]"
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
    return str(value)
