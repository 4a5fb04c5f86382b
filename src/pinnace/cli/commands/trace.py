"""`trace`: how an object came to be, with its owners and what it owns, or why it went. `pinnace.insight` is reached by name.

Exit codes: 0 it was told (with --follow: the object became ready), 1 it could not be told (with --follow: not ready in time), 130 after Ctrl-C.
"""

import os
import sys
from importlib import import_module
from typing import Any

from pinnace.cli import clock, colours
from pinnace.cli.builder import NO_NAMES, NOTHING_NAMED, Selection, fetch, raise_all, select
from pinnace.cli.cluster_reader import ClusterReader, Object
from pinnace.cli.command import FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.harmless import shown
from pinnace.cli.session import Session
from pinnace.cli.trace_screen import Screen

FORMATS = ("", "json", "svg")
LOOK_SECONDS = 0.4
QUIET_SECONDS = 1.0  # without news after the object is ready: endpoints and rules follow a moment later


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    output = flags["output"]
    if output not in FORMATS:
        raise CliError(
            f'unable to match a printer suitable for the output format "{output}", allowed formats are: json,svg'
        )
    if flags["follow"] and (output or flags["uid"]):
        raise CliError(f"--follow and {'-o' if output else '--uid'} are mutually exclusive")
    chosen, gone, errors = _asked(session, flags, arguments)
    if flags["follow"]:
        raise_all(errors)
        return _follow(session, flags, [one for one, _ in chosen], [obj for _, obj in chosen])
    insight, reader = import_module("pinnace.insight.trace"), ClusterReader(session.http)
    objects = [obj for _, obj in chosen]
    told = insight.trace(objects, reader, clock.now(), ServerError, gone)
    if gone and not objects and told.is_empty:
        raise_all(errors)
        raise CliError(f"nothing is known of an object with the uid {flags['uid']}")
    if output == "svg":
        names = ", ".join(one.shown for one in (*map(insight.asked, objects), *gone)) or flags["uid"]
        picture = told.as_svg(f"pinnace trace {names}", is_full=flags["full"])
        if picture is None:
            raise CliError("nothing was recorded of it, so there is nothing to draw")
        sys.stdout.write(picture)
    elif output == "json":
        sys.stdout.write(shown(told.as_json()))
    else:
        text = shown(told.as_text(width=_width(), is_full=flags["full"]))
        sys.stdout.write(colours.of_trace(text) if colours.are_wanted(sys.stdout) else text)
    return 0


def _asked(
    session: Session, flags: Values, arguments: list[str]
) -> tuple[list[tuple[Selection, Object]], list[Any], list[ServerError]]:
    """What is there, what is not (or has another uid than the one asked for), and the server's words about that."""
    make = import_module("pinnace.insight.recording").Asked
    uid = flags["uid"]
    if uid and not arguments:
        return [], [make("", "", "", "", uid)], []
    found: list[tuple[Selection, Object]] = []
    gone: list[Any] = []
    errors: list[ServerError] = []
    chosen = select(session, arguments, flags)
    if not chosen:
        raise CliError(NOTHING_NAMED)
    if uid and (len(chosen) > 1 or not chosen[0].name):
        raise CliError("--uid goes with one TYPE/NAME, or with none")
    for one in chosen:
        if not one.name and not (flags.get("selector") or flags.get("field-selector")):
            raise CliError(NO_NAMES)
        try:
            for obj in fetch(session, one, flags):
                metadata = obj["metadata"]
                if not uid or metadata.get("uid") == uid:
                    found.append(
                        (one._replace(name=metadata["name"], namespace=metadata.get("namespace", "")), obj)
                    )
                else:
                    gone.append(make(one.resource.qualified, one.resource.kind, one.namespace, one.name, uid))
        except ServerError as error:
            if error.http_code != 404:
                raise
            errors.append(error)
            gone.append(make(one.resource.qualified, one.resource.kind, one.namespace, one.name, uid))
    if not found and not gone:
        raise CliError(f"no resources found in {session.namespace} namespace")
    return found, gone, errors


def _width() -> int:
    """Of the screen; 0 where there is none."""
    if not sys.stdout.isatty():
        return 0
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:
        return 0


def _follow(session: Session, flags: Values, chosen: list[Selection], objects: list[Object]) -> int:
    """Show spans as they come, until every object is ready and nothing new happens. At a terminal the tree is drawn anew."""
    insight, following = import_module("pinnace.insight.trace"), import_module("pinnace.insight.following")
    told, reader = following.Following(), ClusterReader(session.http)
    screen = Screen(sys.stdout, is_full=flags["full"]) if sys.stdout.isatty() else None
    end = clock.monotonic() + flags["timeout"] if flags["timeout"] > 0 else float("inf")
    news_at = clock.monotonic()
    while True:
        roots = insight.roots(objects, reader, clock.now(), ServerError)
        if roots is None:  # another cluster
            screen = None
            lines = told.timeline_news(insight.trace(objects, reader, clock.now(), ServerError).timeline)
        else:
            lines = told.news(roots)
        now = clock.monotonic()
        if lines:
            news_at = now
            if screen is not None:
                screen.draw(roots)
            else:
                print(shown("\n".join(lines)), flush=True)
        waiting = [one for one, obj in zip(chosen, objects, strict=True) if not following.is_settled(obj)]
        if not waiting and now - news_at >= QUIET_SECONDS:
            break
        if now >= end:
            if not waiting:
                break
            names = ", ".join(one.shown for one in waiting)
            raise CliError(f"timed out waiting for the condition on {names}")
        clock.sleep(min(LOOK_SECONDS, max(0.0, end - now)))
        objects = [obj for one in chosen for obj in fetch(session, one, flags)]
    if screen is not None:
        screen.finish(roots)
    return 0


TRACE = Command(
    run,
    (
        *FILES,
        *SELECTION,
        Flag("output", "o", help="json, for programs, or svg, a picture."),
        Flag(
            "uid",
            help="Of the object with this uid, which may be gone, or have another of its name after it.",
        ),
        Flag("full", kind="bool", help="Show every span, also of very many objects of one kind."),
        Flag("follow", kind="bool", help="Show what happens until the object is ready."),
        Flag("timeout", kind="duration", default=0.0, help="How long to follow; 0 means for ever."),
    ),
    "(TYPE NAME | TYPE/NAME | TYPE -l label | -f FILENAME | --uid UID)",
    "Show how an object came to be: requests, controllers, scheduling and the node's work, with their times; or why it went.",
)
