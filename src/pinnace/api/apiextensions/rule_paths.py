"""The paths of rules (`fieldPath`): named fields and quoted keys that must exist in the schema."""

import re

from pinnace.apimachinery.structural.node import Structural

_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\['((?:[^'\\]|\\.)*)'\]")
_ESCAPE = re.compile(r"\\(.)")


def normalized(node: Structural, text: str) -> str | None:
    """The path as findings show it; None when it leads nowhere."""
    found, position, current = "", 0, node
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            return None
        name = match[1] if match[1] is not None else _ESCAPE.sub(r"\1", match[2])
        child = current.properties.get(name)
        if child is None and current.additional is not None:
            child, found = current.additional, f"{found}[{name}]"
        elif child is not None:
            found = f"{found}.{name}" if found else name
        else:
            return None
        current, position = child, match.end()
    return found or None
