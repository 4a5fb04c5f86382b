"""describe config map, secret, namespace, service account."""

import base64
from typing import Any

from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.session import Session

Object = dict[str, Any]


def _head(obj: Object, writer: Writer) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))


def describe_config_map(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line()
    writer.line("Data")
    writer.line("====")
    for key in sorted(obj.get("data") or {}):
        writer.line(f"{key}:\n----")
        writer.line(obj["data"][key] + "\n")
    writer.line()
    writer.line("BinaryData")
    writer.line("====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        writer.line(f"{key}: {len(base64.b64decode(value))} bytes")
    writer.line()
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_secret(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line()
    writer.line(f"Type:\t{obj.get('type', '')}")
    writer.line()
    writer.line("Data")
    writer.line("====")
    for key, value in sorted((obj.get("data") or {}).items()):
        raw = base64.b64decode(value)
        is_token = key == "token" and obj.get("type") == "kubernetes.io/service-account-token"
        writer.line(f"{key}:\t{raw.decode()}" if is_token else f"{key}:\t{len(raw)} bytes")


def describe_namespace(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Status:\t{(obj.get('status') or {}).get('phase', '')}")
    conditions = (obj.get("status") or {}).get("conditions") or []
    if conditions:
        writer.line("Conditions:")
        writer.line("Type\tStatus\tLastTransitionTime\tReason\tMessage", 1)
        writer.line("----\t------\t------------------\t------\t-------", 1)
    for c in conditions:
        writer.line(
            f"{c['type']}\t{c['status']}\t{c.get('lastTransitionTime')}\t{c.get('reason')}\t{c.get('message')}",
            1,
        )
    writer.line()
    writer.line("No resource quota.")
    writer.line()
    writer.line("No LimitRange resource.")
