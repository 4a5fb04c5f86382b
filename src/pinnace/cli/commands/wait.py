"""`wait`: until a condition, a JSONPath value, creation or deletion."""

import signal
from collections.abc import Callable
from typing import Any

from pinnace.cli import clock
from pinnace.cli.builder import Selection, resolve, select
from pinnace.cli.command import OUTPUT, PLAIN_FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session
from pinnace.cli.waiting_line import waiting
from pinnace.cli.watching import events

Object = dict[str, Any]
Holds = Callable[[Object], bool]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    wanted = flags["for"]
    if not wanted:
        raise CliError('unrecognized condition: ""')
    timeout = flags["timeout"] if flags["timeout"] >= 0 else 7 * 86400.0
    end = clock.monotonic() + timeout
    if wanted.lower() == "create":
        try:
            return _until_created(session, flags, arguments, end)
        except KeyboardInterrupt:
            return -signal.SIGINT  # the only wait that kubectl leaves to the signal
    if wanted.lower() == "delete":
        return _until_deleted(session, flags, arguments, end)
    holds = _test(wanted)
    found = False
    for one, obj in resolve(session, arguments, flags):
        found = True
        with waiting(one.shown):
            _until(session, one, obj, holds, end)
        print(one.shown if flags["output"] == "name" else f"{one.shown} condition met")
    if not found:
        raise CliError("no matching resources found")
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
    generation = obj["metadata"].get("generation")
    for condition in status.get("conditions") or ():
        if condition["type"].lower() == name:
            seen = condition.get("observedGeneration") or status.get("observedGeneration")
            if generation and seen and seen < generation:
                return False
            return bool(condition["status"].lower() == value)
    return False


def _jsonpath(text: str) -> Holds:
    from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError, relaxed

    expression, equals, value = text.partition("}=") if "}=" in text else text.rpartition("=")[:3]
    if "}=" in text:
        expression += "}"
    elif not equals:
        expression, value = text, ""
    try:
        path = JsonPath(relaxed(expression.strip("'\"")))
    except JsonPathError as error:
        raise CliError(f"error parsing jsonpath {expression}, {error}") from error

    def holds(obj: Object) -> bool:
        found = path.find(obj)
        if not equals:
            return bool(found)
        return any(path.render(obj) == value for _ in found[:1])

    return holds


def _until(session: Session, one: Selection, obj: Object, holds: Holds, end: float) -> None:
    if holds(obj):
        return
    query = {"fieldSelector": f"metadata.name={one.name}"}
    version = obj["metadata"]["resourceVersion"]
    path = one.resource.path(one.namespace)
    try:
        for kind, new in events(
            session.http, path, query, version, timeout=max(0.0, end - clock.monotonic())
        ):
            if kind != "DELETED" and holds(new):
                return
    except TimeoutError:
        raise CliError(f"timed out waiting for the condition on {one.resource.name}/{one.name}") from None


def _until_deleted(session: Session, flags: Values, arguments: list[str], end: float) -> int:
    try:
        chosen = list(resolve(session, arguments, flags))
    except ServerError as error:
        if not_found(error):
            return 0
        raise
    for one, obj in chosen:
        with waiting(f"{one.shown} to go"):
            while not _is_gone(session, one, obj):
                if clock.monotonic() > end:
                    raise CliError(f"timed out waiting for the condition on {one.resource.name}/{one.name}")
                clock.sleep(0.1)
        print(one.shown if flags["output"] == "name" else f"{one.shown} condition met")
    return 0


def _is_gone(session: Session, one: Selection, obj: Object) -> bool:
    try:
        now = session.http.get(one.path)
    except ServerError as error:
        if not_found(error):
            return True
        raise
    return bool(now["metadata"]["uid"] != obj["metadata"]["uid"])


def _until_created(session: Session, flags: Values, arguments: list[str], end: float) -> int:
    for one in select(session, arguments, flags):
        with waiting(one.shown):
            while not _is_there(session, one):
                if clock.monotonic() > end:
                    raise CliError(f"timed out waiting for the condition on {one.resource.name}/{one.name}")
                clock.sleep(0.1)
        print(one.shown if flags["output"] == "name" else f"{one.shown} condition met")
    return 0


def _is_there(session: Session, one: Selection) -> bool:
    try:
        session.http.get(one.path)
    except ServerError as error:
        if not_found(error):
            return False
        raise
    return True


WAIT = Command(
    run,
    (
        *PLAIN_FILES,
        *SELECTION,
        *OUTPUT,
        Flag("for", help="create, delete, condition=NAME[=VALUE], jsonpath='{JSONPath}'[=VALUE]."),
        Flag("timeout", kind="duration", default=30.0, help="How long to wait; negative means a week."),
        Flag("all", kind="bool", help="All resources of the type in the namespace."),
    ),
    "(-f FILENAME | TYPE NAME) --for=...",
    "Wait for a specific condition on one or many resources.",
)
