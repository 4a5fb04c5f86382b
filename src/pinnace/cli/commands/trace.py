"""`trace`: how an object came to be, as one timeline with its owners and what it owns. `pinnace.insight` is reached by name."""

import sys
from importlib import import_module

from pinnace.cli import clock
from pinnace.cli.builder import resolve
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.cli.command import FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["output"] not in ("", "json"):
        raise CliError(
            f'unable to match a printer suitable for the output format "{flags["output"]}", allowed formats are: json'
        )
    objects = [obj for _, obj in resolve(session, arguments, flags)]
    if not objects:
        raise CliError(f"no resources found in {session.namespace} namespace")
    insight = import_module("pinnace.insight.trace")
    reader = ClusterReader(session.http)
    sys.stdout.write(
        insight.trace(objects, reader, clock.now(), ServerError, is_json=flags["output"] == "json")
    )
    return 0


TRACE = Command(
    run,
    (*FILES, *SELECTION, Flag("output", "o", help="json, for programs.")),
    "(TYPE NAME | TYPE/NAME | TYPE -l label | -f FILENAME)",
    "Show the life of an object, its owners and what it owns as one timeline.",
)
