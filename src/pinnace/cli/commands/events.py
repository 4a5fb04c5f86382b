"""`events`: what happened lately, the oldest first, also as it happens and for one object only."""

import re
import sys
from typing import Any

from pinnace.cli import printers
from pinnace.cli.ages import age
from pinnace.cli.command import OUTPUT, Command
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.harmless import escaped
from pinnace.cli.printers.columns_text import ColumnWriter
from pinnace.cli.session import Session, warn
from pinnace.cli.watching import events

Object = dict[str, Any]
_BREAK = re.compile("[\f\n\r]")


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    query = _query(session, flags["for"])
    wanted = {kind.lower() for kind in flags["types"]}
    if not wanted <= {"normal", "warning"}:
        raise CliError("valid --types are Normal or Warning")
    namespace = "" if flags["all-namespaces"] else session.namespace
    path = f"/api/v1/namespaces/{namespace}/events" if namespace else "/api/v1/events"
    show = _shower(flags)
    if flags["watch"]:
        for kind, event in events(session.http, path, query, ""):
            if kind != "DELETED" and _is_wanted(event, wanted):
                show([event])
                sys.stdout.flush()
        return 0
    limit = {"limit": str(flags["chunk-size"])} if flags["chunk-size"] else {}
    listed = session.http.get(path, {**query, **limit})
    found = listed.get("items") or []
    while token := (listed.get("metadata") or {}).get("continue"):
        listed = session.http.get(path, {**query, **limit, "continue": token})
        found += listed.get("items") or []
    found = sorted((event for event in found if _is_wanted(event, wanted)), key=_time)
    if not found:
        warn(f"No events found in {namespace} namespace." if namespace else "No events found.")
        return 0
    if flags["output"] and flags["output"] != "name":
        items = [{"apiVersion": "v1", "kind": "Event", **event} for event in found]
        whole = {"apiVersion": "v1", "kind": "EventList", "metadata": {}, "items": items}
        printers.printer(flags, lambda event: f"event/{event['metadata']['name']}")(whole)
    else:
        show(found)
    return 0


def _query(session: Session, target: str) -> dict[str, str]:
    if not target:
        return {}
    kind, slash, name = target.partition("/")
    if not slash:
        raise CliError("--for must be in resource/name form")
    if "/" in name:
        raise CliError("arguments in resource/name form may not have more than one slash")
    try:
        resource = session.mapper.find(kind)
    except CliError as error:
        raise PlainError(str(error)) from error
    about = {"kind": resource.kind, "apiVersion": resource.api_version, "name": name}
    return {"fieldSelector": ",".join(f"involvedObject.{field}={value}" for field, value in about.items())}


def _is_wanted(event: Object, wanted: set[str]) -> bool:
    return not wanted or event.get("type", "").lower() in wanted


def _time(event: Object) -> str:
    """When it was seen last; timestamps with and without fractions of a second compare as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    text: str = series or event.get("lastTimestamp") or event.get("eventTime") or ""
    return text.removesuffix("Z")


def _shower(flags: Values) -> Any:
    """Shows events in rows below one line of heads, or, while watching, each in the format asked for."""
    if flags["output"]:
        write = printers.printer(flags, lambda event: f"event/{event['metadata']['name']}")
        return lambda found: [write({"apiVersion": "v1", "kind": "Event", **event}) for event in found]
    writer = ColumnWriter()
    spaces = ["NAMESPACE"] if flags["all-namespaces"] else []
    heads = [] if flags["no-headers"] else [[*spaces, "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]]

    def show(found: list[Object]) -> None:
        rows = [_row(event, with_namespace=bool(spaces)) for event in found]
        writer.write([*heads, *rows])
        heads.clear()

    return show


def _row(event: Object, *, with_namespace: bool) -> list[str]:
    about = event.get("involvedObject") or {}
    texts = (event.get("type", ""), event.get("reason", ""))
    return [
        *([event["metadata"].get("namespace", "")] if with_namespace else []), _seen(event), *map(_cell, texts),
        f"{_cell(about.get('kind', ''))}/{_cell(about.get('name', ''))}", _cell(event.get("message", "").strip()),
    ]  # fmt: skip


def _seen(event: Object) -> str:
    """`5m`, or `10s (x3 over 5m)` for what happened several times."""
    first = age(event.get("eventTime") or event.get("firstTimestamp"))
    if series := event.get("series"):
        return f"{age(series.get('lastObservedTime'))} (x{series.get('count', 0)} over {first})"
    if (event.get("count") or 0) > 1:
        return f"{age(event.get('lastTimestamp'))} (x{event['count']} over {first})"
    return first


def _cell(text: str) -> str:
    """One line of it, without what could take over a terminal."""
    if found := _BREAK.search(text):
        text = f"{text[: found.start()]}..."
    return escaped(text)


EVENTS = Command(
    run,
    (
        *OUTPUT,
        Flag("all-namespaces", "A", kind="bool", help="All namespaces."),
        Flag("watch", "w", kind="bool", help="After listing, wait for more."),
        Flag("for", help="Only those about an object, e.g. pod/web."),
        Flag("types", kind="list", help="Only these types: Normal, Warning."),
        Flag("no-headers", kind="bool", help="Do not print headers."),
        Flag("chunk-size", kind="int", default=500, help="Ask for lists in chunks of this size; 0 asks for all at once."),
    ),
    "[(-o|--output=)json|yaml|...] [--for TYPE/NAME] [--watch] [--types=Normal,Warning]",
    "List events.",
)  # fmt: skip
