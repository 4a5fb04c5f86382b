"""describe for every kind that has no description of its own: all fields, in words."""

import re
from typing import Any

from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.session import Session

Object = dict[str, Any]
HIDDEN = frozenset({"managedFields", "name", "namespace", "labels", "annotations"})


def describe(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata.get('namespace', '')}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    shown = {**obj, "metadata": {k: v for k, v in metadata.items() if k not in HIDDEN}}
    _fields(writer, shown, 0)
    if show_events:
        write_events(writer, events_of(session, obj))


def _fields(writer: Writer, fields: Object, level: int) -> None:
    for key in sorted(fields):
        value, title = fields[key], smart_label(key)
        if isinstance(value, dict):
            writer.line(f"{title}:", level)
            _fields(writer, value, level + 1)
        elif isinstance(value, list):
            writer.line(f"{title}:", level)
            for item in value:
                if isinstance(item, dict):
                    _fields(writer, item, level + 1)
                else:
                    writer.line(_scalar(item), level + 1)
        else:
            writer.line(f"{title}:\t{_scalar(value)}", level)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


_ACRONYMS = {"api": "API", "url": "URL", "uid": "UID", "osb": "OSB", "guid": "GUID"}


def smart_label(field: str) -> str:
    """`creationTimestamp` -> `Creation Timestamp`."""
    if not field.replace("-", "").isalpha():
        return field
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])|[^A-Za-z0-9]+", field)
    return " ".join(_ACRONYMS.get(part.lower(), part[:1].upper() + part[1:]) for part in parts)
