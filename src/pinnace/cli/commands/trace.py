"""`trace`: how an object came to be, with its owners and what it owns. `pinnace.insight` is reached by name.

Exit codes: 0 it was told (with --follow: the object became ready), 1 it could not be told (with --follow: not ready in time), 130 after Ctrl-C.
"""

import sys
from importlib import import_module

from pinnace.cli import clock
from pinnace.cli.builder import Selection, fetch, resolve
from pinnace.cli.cluster_reader import ClusterReader, Object
from pinnace.cli.command import FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.harmless import shown
from pinnace.cli.session import Session

FORMATS = ("", "json", "svg")
LOOK_SECONDS = 0.4
QUIET_SECONDS = 1.0  # without news after the object is ready: endpoints and rules follow a moment later


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    output = flags["output"]
    if output not in FORMATS:
        raise CliError(
            f'unable to match a printer suitable for the output format "{output}", allowed formats are: json,svg'
        )
    if flags["follow"] and output:
        raise CliError("--follow and -o are mutually exclusive")
    chosen = list(resolve(session, arguments, flags))
    if not chosen:
        raise CliError(f"no resources found in {session.namespace} namespace")
    objects = [obj for _, obj in chosen]
    insight, reader = import_module("pinnace.insight.trace"), ClusterReader(session.http)
    if flags["follow"]:
        return _follow(session, flags, [one for one, _ in chosen], objects)
    if output == "svg":
        picture = insight.picture(objects, reader, clock.now(), ServerError)
        if picture is None:
            raise CliError("nothing was recorded of it, so there is nothing to draw")
        sys.stdout.write(picture)
        return 0
    sys.stdout.write(
        shown(insight.trace(objects, reader, clock.now(), ServerError, is_json=output == "json"))
    )
    return 0


def _follow(session: Session, flags: Values, chosen: list[Selection], objects: list[Object]) -> int:
    """Show spans as they come, until every object is ready and nothing new happens."""
    insight, following = import_module("pinnace.insight.trace"), import_module("pinnace.insight.following")
    told, reader = following.Following(), ClusterReader(session.http)
    end = clock.monotonic() + flags["timeout"] if flags["timeout"] > 0 else float("inf")
    news_at = clock.monotonic()
    while True:
        roots = insight.roots(objects, reader, clock.now(), ServerError)
        if roots is None:
            raise CliError("the server records nothing, so there is nothing to follow")
        now = clock.monotonic()
        for line in told.news(roots):
            print(shown(line), flush=True)
            news_at = now
        waiting = [one for one, obj in zip(chosen, objects, strict=True) if not following.is_settled(obj)]
        if not waiting and now - news_at >= QUIET_SECONDS:
            return 0
        if now >= end:
            if not waiting:
                return 0
            names = ", ".join(one.shown for one in waiting)
            raise CliError(f"timed out waiting for the condition on {names}")
        clock.sleep(min(LOOK_SECONDS, max(0.0, end - now)))
        objects = [obj for one in chosen for obj in fetch(session, one, flags)]


TRACE = Command(
    run,
    (
        *FILES,
        *SELECTION,
        Flag("output", "o", help="json, for programs, or svg, a picture."),
        Flag("follow", kind="bool", help="Show what happens until the object is ready."),
        Flag("timeout", kind="duration", default=0.0, help="How long to follow; 0 means for ever."),
    ),
    "(TYPE NAME | TYPE/NAME | TYPE -l label | -f FILENAME)",
    "Show how an object came to be: requests, controllers, scheduling and the node's work, with their times.",
)
