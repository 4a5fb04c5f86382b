"""`wait`: until a condition, a JSONPath value, creation or deletion."""

import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

from pinnace.cli import clock, printers
from pinnace.cli.builder import Selection, from_files_alone, has_files, raise_all, resolve, select
from pinnace.cli.command import OUTPUT, PLAIN_FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session
from pinnace.cli.waiting_line import waiting
from pinnace.cli.watching import events

Object = dict[str, Any]
Holds = Callable[[Object], bool]
CREATED_EVERY_SECONDS = 0.1
FORMAT = "--for=jsonpath='{.status.readyReplicas}'=3"
PATH = re.compile(r"\{\.?[^{}]+\}|\.?[^{}]+")


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    wanted = flags["for"]
    if not wanted:
        raise CliError('unrecognized condition: ""')
    timeout = flags["timeout"] if flags["timeout"] >= 0 else 7 * 86400.0
    end = clock.monotonic() + timeout
    if flags["local"]:
        return _judge_files(flags, wanted)
    if wanted.lower() == "create":
        try:
            return _until_created(session, flags, arguments, end)
        except KeyboardInterrupt:
            return -signal.SIGINT  # the only wait that kubectl leaves to the signal
    until = _until_gone if wanted.lower() == "delete" else _until_holds(_test(wanted))
    errors: list[CliError] = []
    found = False
    for one, obj in _objects(session, arguments, flags, errors):
        found = True
        try:
            with waiting(f"{one.shown} to go" if wanted.lower() == "delete" else one.shown):
                last = until(session, one, obj, end if timeout else None)
        except CliError as error:
            errors.append(error)
        else:
            _print(flags, one, last)
    raise_all(errors)
    if not found and wanted.lower() != "delete":
        raise CliError("no matching resources found")
    return 0


def _objects(
    session: Session, arguments: list[str], flags: Values, errors: list[CliError]
) -> Iterator[tuple[Selection, Object]]:
    """What is to be waited for; when all is to go, what is not there is no error."""
    for words in _one_by_one(arguments):
        try:
            yield from resolve(session, words, flags)
        except ServerError as error:
            if not (flags["for"].lower() == "delete" and not_found(error)):
                errors.append(error)


def _one_by_one(arguments: list[str]) -> list[list[str]]:
    """So that what is said about one stands before what is said about the next."""
    if arguments and all("/" in word for word in arguments):
        return [[word] for word in arguments]
    if len(arguments) > 2 and not any("/" in word or "," in word for word in arguments):
        return [[arguments[0], name] for name in arguments[1:]]
    return [arguments]


def _print(flags: Values, one: Selection, obj: Object) -> None:
    printers.printer(flags, lambda _: one.shown, "condition met")(obj)


def _judge_files(flags: Values, wanted: str) -> int:
    """`--local`: the objects as the files have them, which no waiting changes."""
    if not has_files(flags):
        raise CliError(
            "you must specify resources by --filename when --local is set.\n"
            "Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'"
        )
    if wanted.lower() == "delete":
        raise CliError("--local cannot tell whether something is deleted")
    holds = (lambda _: True) if wanted.lower() == "create" else _test(wanted)
    for one in from_files_alone(flags):
        obj = one.manifest or {}
        if not holds(obj):
            raise CliError(f"condition not met for {one.shown}")
        _print(flags, one, obj)
    return 0


def _test(wanted: str) -> Holds:
    kind, _, rest = wanted.partition("=")
    if kind.lower() == "condition" and "=" in wanted:
        name, equals, value = rest.partition("=")
        return lambda obj: _condition(obj, name.lower(), value.lower() if equals else "true")
    if kind.lower() == "jsonpath":
        return _jsonpath(rest)
    raise CliError(f"unrecognized condition: {wanted!r}".replace("'", '"'))


def _condition(obj: Object, name: str, value: str) -> bool:
    status = obj.get("status") or {}
    generation = (obj.get("metadata") or {}).get("generation")
    for condition in status.get("conditions") or ():
        if condition["type"].lower() == name:
            seen = condition.get("observedGeneration") or status.get("observedGeneration")
            if generation and seen and seen < generation:
                return False
            return bool(condition["status"].lower() == value)
    return False


def _jsonpath(text: str) -> Holds:
    from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError, relaxed

    parts = re.split(r"(?<!=)=(?!=)", text)  # `==` is the expression's own
    if len(parts) > 2:
        raise CliError(f"jsonpath wait format must be {FORMAT} or {FORMAT[:-2]}")
    expression, wanted = parts[0], (parts[1].strip("'\"") if len(parts) == 2 else None)
    if not expression:
        raise CliError("jsonpath expression cannot be empty")
    if not PATH.fullmatch(expression):
        raise CliError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
        )
    if wanted == "":
        raise CliError(f"jsonpath wait has to have a value after equal sign, like {FORMAT}")
    try:
        path = JsonPath(relaxed(expression))
    except JsonPathError as error:
        raise CliError(f"error parsing jsonpath {expression}, {error}") from error

    def holds(obj: Object) -> bool:
        found = path.find(obj)
        if len(found) > 1:
            raise CliError("given jsonpath expression matches more than one value")
        if wanted is None or not found:
            return bool(found)
        if isinstance(found[0], dict | list):
            raise CliError("jsonpath leads to a nested object or list which is not supported")
        return path.render(obj).strip() == wanted.strip()

    return holds


def _too_late(one: Selection, end: float | None) -> CliError:
    """`end` is None for a wait that only looks once."""
    words = "condition not met for" if end is None else "timed out waiting for the condition on"
    return CliError(f"{words} {one.resource.name}/{one.name}")


def _until_holds(holds: Holds) -> "Callable[[Session, Selection, Object, float | None], Object]":
    def until(session: Session, one: Selection, obj: Object, end: float | None) -> Object:
        if holds(obj):
            return obj
        for kind, new in _changes(session, one, obj, end):
            if kind != "DELETED" and holds(new):
                return new
        raise _too_late(one, end)

    return until


def _until_gone(session: Session, one: Selection, obj: Object, end: float | None) -> Object:
    """One of the same name that came after it is another."""
    for kind, new in _changes(session, one, obj, end):
        if kind == "DELETED" or new["metadata"]["uid"] != obj["metadata"]["uid"]:
            return obj
    raise _too_late(one, end)


def _changes(
    session: Session, one: Selection, obj: Object, end: float | None
) -> Iterator[tuple[str, Object]]:
    """Until the time is over."""
    if end is None:
        return
    query = {"fieldSelector": f"metadata.name={one.name}"}
    version, path = obj["metadata"]["resourceVersion"], one.resource.path(one.namespace)
    try:
        yield from events(session.http, path, query, version, timeout=max(0.0, end - clock.monotonic()))
    except TimeoutError:
        return


def _until_created(session: Session, flags: Values, arguments: list[str], end: float) -> int:
    for one in select(session, arguments, flags):
        with waiting(one.shown):
            while (obj := _found(session, one)) is None:
                if clock.monotonic() > end:
                    raise CliError("timed out waiting for the condition")
                clock.sleep(CREATED_EVERY_SECONDS)
        _print(flags, one, obj)
    return 0


def _found(session: Session, one: Selection) -> Object | None:
    try:
        obj: Object = session.http.get(one.path)
    except ServerError as error:
        if not_found(error):
            return None
        raise
    return obj


WAIT = Command(
    run,
    (
        *PLAIN_FILES,
        *SELECTION,
        *OUTPUT,
        Flag("for", help="create, delete, condition=NAME[=VALUE], jsonpath='{JSONPath}'[=VALUE]."),
        Flag("timeout", kind="duration", default=30.0, help="How long to wait; negative means a week."),
        Flag("all", kind="bool", help="All resources of the type in the namespace."),
        Flag("local", kind="bool", help="Judge the objects of the files, without a server."),
    ),
    "(-f FILENAME | TYPE NAME) --for=...",
    "Wait for a specific condition on one or many resources.",
)
