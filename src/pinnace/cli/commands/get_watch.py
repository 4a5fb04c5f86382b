"""`get --watch`: the list, then a row (or an object) for every change, until interrupted."""

import sys
from typing import Any

from pinnace.cli import printers
from pinnace.cli.builder import Selection, items_of, list_query
from pinnace.cli.commands import get
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values
from pinnace.cli.printers.table import ACCEPT, TablePrinter
from pinnace.cli.session import Session
from pinnace.cli.watching import events

Object = dict[str, Any]


def watch(session: Session, flags: Values, chosen: list[Selection]) -> int:
    if len({one.resource.qualified for one in chosen}) != 1 or len(chosen) != 1:
        raise CliError("you may only specify a single resource type")
    (one,) = chosen
    as_table = flags["output"] in ("", "wide")
    accept = ACCEPT if as_table and flags["server-print"] else "application/json"
    listed = get.read(session, one, flags, accept=accept)
    write = _table_writer(flags, one) if as_table else _object_writer(session, flags, one)
    try:
        return _follow(session, flags, one, listed, write, accept)
    except KeyboardInterrupt:
        return 1


def _follow(session: Session, flags: Values, one: Selection, listed: Object, write: Any, accept: str) -> int:
    if not flags["watch-only"]:
        write(listed, "ADDED")
    version = (listed.get("metadata") or {}).get("resourceVersion", "")
    if one.name and listed.get("kind") == "Table":
        version = listed["rows"][0]["object"]["metadata"]["resourceVersion"]
    query = list_query(flags)
    if one.name:
        query["fieldSelector"] = f"metadata.name={one.name}"
    path = one.resource.path(one.namespace)
    for kind, obj in events(session.http, path, query, version, accept=accept):
        write(obj, kind)
        sys.stdout.flush()
    return 0


def _table_writer(flags: Values, one: Selection) -> Any:
    everywhere = flags["all-namespaces"] and one.resource.namespaced
    prefix = f"{one.resource.shown}/" if flags["show-kind"] else ""
    printer = TablePrinter(flags, with_namespace=everywhere, prefix=prefix)

    def write(answer: Object, kind: str) -> None:
        table = get.as_table(answer)
        rows = table.get("rows") or []
        if rows:
            printer.print(table, [kind.ljust(8)] * len(rows) if flags["output-watch-events"] else None)
            sys.stdout.flush()

    return write


def _object_writer(session: Session, flags: Values, one: Selection) -> Any:
    printer = printers.printer(flags, lambda obj: get.name_of(session, obj))

    def write(obj: Object, kind: str) -> None:
        for item in items_of(obj, one.resource) if isinstance(obj.get("items"), list) else [obj]:
            printer({"type": kind, "object": item} if flags["output-watch-events"] else item)
        sys.stdout.flush()

    return write
