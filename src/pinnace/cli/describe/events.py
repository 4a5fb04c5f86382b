"""The events at the end of a description."""

from typing import Any

from pinnace.cli.ages import age
from pinnace.cli.describe.writer import Writer
from pinnace.cli.errors import ServerError
from pinnace.cli.session import Session

Object = dict[str, Any]


def events_of(session: Session, obj: Object, *, uid: str | None = None) -> list[Object]:
    """`uid` replaces the object's own (nodes' events carry the node's name)."""
    metadata = obj["metadata"]
    selector = {
        "involvedObject.name": metadata["name"],
        "involvedObject.namespace": metadata.get("namespace", ""),
        "involvedObject.uid": metadata.get("uid", "") if uid is None else uid,
    }
    text = ",".join(f"{field}={value}" for field, value in selector.items() if value)
    namespace = metadata.get("namespace")
    path = f"/api/v1/namespaces/{namespace}/events" if namespace else "/api/v1/events"
    try:
        items: list[Object] = session.http.get(path, {"fieldSelector": text}).get("items") or []
    except ServerError:
        return []  # what may not be read is not worth failing for
    return items


def write_events(writer: Writer, events: list[Object]) -> None:
    if not events:
        writer.line("Events:\t<none>")
        return
    writer.flush()
    writer.line("Events:")
    writer.line("Type\tReason\tAge\tFrom\tMessage", 1)
    writer.line("----\t------\t----\t----\t-------", 1)
    for event in sorted(events, key=lambda e: e.get("lastTimestamp") or ""):
        source = (event.get("source") or {}).get("component") or event.get("reportingComponent", "")
        message = event.get("message", "").strip()
        writer.line(f"{event.get('type')}\t{event.get('reason')}\t{_interval(event)}\t{source}\t{message}", 1)


def _interval(event: Object) -> str:
    first = age(event.get("eventTime") or event.get("firstTimestamp"))
    series = event.get("series")
    if series:
        return f"{age(series.get('lastObservedTime'))} (x{series.get('count')} over {first})"
    if (event.get("count") or 0) > 1:
        return f"{age(event.get('lastTimestamp'))} (x{event['count']} over {first})"
    return first
