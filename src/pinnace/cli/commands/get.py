"""`get`: one or many objects, as tables that the server makes, or in any other format."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from pinnace.cli import builder, printers
from pinnace.cli.builder import Selection, items_of, list_query, raise_all, select
from pinnace.cli.command import CHUNK_SIZE, FILES, OUTPUT, SELECTION, Command
from pinnace.cli.errors import CliError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.printers.table import ACCEPT, TablePrinter, plain_table
from pinnace.cli.session import Session

Object = dict[str, Any]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["raw"]:
        return _raw(session, flags["raw"])
    chosen = select(session, arguments, flags)
    if not chosen:
        raise PlainError(
            "You must specify the type of resource to get. "
            f'Use "{session.program} api-resources" for a complete list of supported resources.\n\n'
            "error: Required resource not specified.\n"
            f'Use "{session.program} explain <resource>" for a detailed description of that resource '
            f"(e.g. {session.program} explain pods).\nSee '{session.program} get -h' for help and examples"
        )
    if flags["output-watch-events"] and not (flags["watch"] or flags["watch-only"]):
        raise CliError("--output-watch-events option can only be used with --watch or --watch-only")
    if flags["show-labels"] and flags["output"] not in ("", "wide"):
        raise CliError(
            f"--show-labels option cannot be used with {flags['output'].partition('=')[0]} printer"
        )
    if flags["watch"] or flags["watch-only"]:
        from pinnace.cli.commands.get_watch import watch

        return watch(session, flags, chosen)
    if flags["output"] == "wide" or not (flags["output"] or flags["template"]):
        return _tables(session, flags, chosen)
    return _objects(session, flags, chosen)


def _raw(session: Session, path: str) -> int:
    if not path.startswith(("/", "http://", "https://")):
        raise CliError(f'--raw must be a valid URL path: parse "{path}": invalid URI for request')
    path, _, query = path.partition("?")
    pairs = (
        [tuple(part.split("=", 1)) if "=" in part else (part, "") for part in query.split("&")]
        if query
        else []
    )
    sys.stdout.buffer.write(session.http.raw("GET", path, pairs, accept="application/json, */*"))  # type: ignore[arg-type]
    return 0


def read(
    session: Session, one: Selection, flags: Values, *, accept: str = "application/json", **more: str
) -> Object:
    """One object or one list, its pages put together."""
    subresource = flags.get("subresource") or ""
    if one.name:
        path = one.resource.path(one.namespace, one.name, subresource)
        return session.http.get(path, more, accept=accept)
    first, *others = pages(session, one, flags, accept, more)
    part = "rows" if first.get("kind") == "Table" else "items"
    for further in others:
        first[part] = [*(first.get(part) or ()), *(further.get(part) or ())]
        first["metadata"] = further["metadata"]
    return first


def pages(
    session: Session, one: Selection, flags: Values, accept: str, more: dict[str, str]
) -> Iterator[Object]:
    """A list in parts of --chunk-size."""
    query = {**list_query(flags), **more}
    return builder.pages(session, one, query, accept, chunk=flags["chunk-size"])


# --- tables


def _tables(session: Session, flags: Values, chosen: list[Selection]) -> int:
    errors: list[CliError] = []
    printer, last = None, ""
    more = {"includeObject": "Object"} if flags["sort-by"] else {}
    several = len({one.resource.qualified for one in chosen}) > 1
    pairs: list[tuple[Selection, Object | None]] = [(one, None) for one in chosen]
    if several and all(one.name for one in chosen):  # then only kinds that were found count
        pairs = list(_found(session, flags, chosen, errors))
        several = len({one.resource.qualified for one, _ in pairs}) > 1
    for one, known in pairs:
        everywhere = flags["all-namespaces"] and one.resource.namespaced
        try:
            for table in _parts(session, one, flags, more) if known is None else [known]:
                rows = table.get("rows") or []
                if not rows:
                    continue
                if printer is None or last != one.resource.qualified:
                    if printer is not None:
                        printer.flush()
                        if not flags["no-headers"]:
                            print()
                    prefix = f"{one.resource.shown}/" if several or flags["show-kind"] else ""
                    printer = TablePrinter(flags, with_namespace=everywhere, prefix=prefix)
                    last = one.resource.qualified
                printer.add(table)
        except CliError as error:
            if not (flags["ignore-not-found"] and not_found(error)):
                errors.append(_told(error, one))
    if printer is not None:
        printer.flush()
    if printer is None and not errors and not flags["ignore-not-found"]:
        _nothing(session, flags, chosen)
    raise_all(errors)
    return 0


def _found(
    session: Session, flags: Values, chosen: list[Selection], errors: list[CliError]
) -> Iterator[tuple[Selection, Object]]:
    for one in chosen:
        try:
            yield (
                one,
                as_table(
                    read(session, one, flags, accept=ACCEPT if flags["server-print"] else "application/json")
                ),
            )
        except ServerError as error:
            if not (flags["ignore-not-found"] and not_found(error)):
                errors.append(error)


def _told(error: CliError, one: Selection) -> CliError:
    """What is wrong with the answer to a list stands alone in kubectl."""
    if one.name or isinstance(error, ServerError):
        return error
    return PlainError(error.text().removeprefix("error: "))


def _parts(session: Session, one: Selection, flags: Values, more: dict[str, str]) -> Iterator[Object]:
    """What there is to print of one selection, page after page where the order is the server's."""
    accept = ACCEPT if flags["server-print"] else "application/json"
    if one.name:
        yield as_table(read(session, one, flags, accept=accept, **more))
    elif flags["sort-by"]:
        table = as_table(read(session, one, flags, accept=accept, **more))
        yield {**table, "rows": _sorted(table.get("rows") or [], flags["sort-by"])}
    else:
        for answer in pages(session, one, flags, accept, more):
            yield as_table(answer)


def as_table(answer: Object) -> Object:
    """What the server gave, or a plain table when it knows no tables for this resource."""
    kind = answer.get("kind")
    if kind == "Table":
        return answer
    if not kind:
        raise CliError(f"Object 'Kind' is missing in '{json.dumps(answer) if answer else '{}'}'")
    items = answer.get("items", () if kind.endswith("List") else None)
    return plain_table(list(items or ()) if "items" in answer or items is not None else [answer])


def _nothing(session: Session, flags: Values, chosen: list[Selection]) -> None:
    scoped = any(one.resource.namespaced for one in chosen) and not flags["all-namespaces"]
    where = f" in {session.namespace} namespace" if scoped else ""
    print(f"No resources found{where}" + ("." if scoped else ""), file=sys.stderr)


def _sorted(entries: list[Any], expression: str) -> list[Any]:
    from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError, relaxed

    try:
        path = JsonPath(relaxed(expression))
    except JsonPathError as error:
        raise CliError(f"couldn't parse sort-by field {expression!r}: {error}") from error

    def key(entry: Object) -> tuple[int, Any]:
        found = path.find(entry.get("object", entry))
        if not found or found[0] is None:
            return 0, ""
        value = found[0]
        return (1, value) if isinstance(value, (int, float)) else (2, str(value))

    return sorted(entries, key=key)


# --- other formats


def _objects(session: Session, flags: Values, chosen: list[Selection]) -> int:
    errors: list[CliError] = []
    objects: list[Object] = []
    for one in chosen:
        try:
            found = read(session, one, flags)
        except CliError as error:
            if one.name and len(chosen) == 1 and not isinstance(error, ServerError):
                raise
            if not (flags["ignore-not-found"] and not_found(error)):
                errors.append(error)
            continue
        objects += [found] if one.name else items_of(found, one.resource)
    if flags["sort-by"]:
        objects = _sorted(objects, flags["sort-by"])
    _print(session, flags, objects, single=len(chosen) == 1 and bool(chosen[0].name))
    raise_all(errors)
    return 0


def _print(session: Session, flags: Values, objects: list[Object], *, single: bool) -> None:
    write = printers.printer(flags, lambda obj: name_of(session, obj))
    if flags["output"] == "name" or single:
        for obj in objects:
            write(obj)
    elif objects or not flags["ignore-not-found"]:
        write(printers.as_list(objects))


def name_of(session: Session, obj: Object) -> str:
    resource = session.mapper.of_kind(obj.get("apiVersion", ""), obj.get("kind", ""))
    shown = resource.shown if resource is not None else _shown_kind(obj)
    return f"{shown}/{(obj.get('metadata') or {}).get('name') or '<unknown>'}"


def _shown_kind(obj: Object) -> str:
    """Of a kind that the server does not serve."""
    group = obj.get("apiVersion", "").rpartition("/")[0]
    return ".".join(part for part in (obj.get("kind", "").lower(), group) if part)


GET = Command(
    run,
    (
        *FILES,
        *SELECTION,
        *OUTPUT,
        Flag("watch", "w", kind="bool", help="After listing, watch for changes."),
        Flag("watch-only", kind="bool", help="Watch for changes without listing first."),
        Flag("output-watch-events", kind="bool", help="Show the type of each watch event."),
        Flag("no-headers", kind="bool", help="Do not print headers."),
        Flag("show-labels", kind="bool", help="Show all labels in the last column."),
        Flag("show-kind", kind="bool", help="Put the resource's type before each name."),
        Flag("label-columns", "L", kind="list", help="Labels to show as columns."),
        Flag("sort-by", help="Sort by a field, given as JSONPath."),
        Flag("ignore-not-found", kind="bool", help="Be silent about objects that are not there."),
        Flag("subresource", help="Fetch a subresource, e.g. status or scale."),
        CHUNK_SIZE,
        Flag(
            "server-print",
            kind="bool",
            default=True,
            help="Let the server make the tables; else name and age.",
        ),
        Flag("raw", help="Path to request, printed as it comes."),
    ),
    usage="(TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]",
    summary="Display one or many resources.",
)
