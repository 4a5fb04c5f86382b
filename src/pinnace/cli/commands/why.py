"""`why`: what keeps an object, or anything in the cluster, from working.

The rules are in `pinnace.insight`, reached by name, since parts never import each other. This module asks the cluster for them.
Exit codes: 0 nothing is wrong, 2 something was found, 1 the question could not be answered.
"""

import sys
from importlib import import_module

from pinnace.cli import clock
from pinnace.cli.builder import has_files, resolve
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.cli.command import FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

FOUND = 2


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["output"] not in ("", "json"):
        raise CliError(
            f'unable to match a printer suitable for the output format "{flags["output"]}", allowed formats are: json'
        )
    is_json, reader = flags["output"] == "json", ClusterReader(session.http)
    insight = import_module("pinnace.insight.why")
    if arguments or has_files(flags):
        objects = [obj for _, obj in resolve(session, arguments, flags)]
        if not objects:
            raise CliError(f"no resources found in {session.namespace} namespace")
        answer = insight.about_objects(objects, reader, clock.now(), ServerError, is_json=is_json)
    else:
        namespace = session.namespace if session.namespace_is_given and not flags["all-namespaces"] else ""
        if not session.http.get("/version"):
            raise CliError("the server does not say which version it has")
        answer = insight.about_everything(namespace, reader, clock.now(), ServerError, is_json=is_json)
    sys.stdout.write(answer.text)
    if answer.is_blind:
        return 1
    return FOUND if answer.is_found else 0


WHY = Command(
    run,
    (*FILES, *SELECTION, Flag("output", "o", help="json, for programs.")),
    "[TYPE NAME | TYPE/NAME | TYPE -l label | -f FILENAME]",
    "Say what keeps an object from working, or, without arguments, what does not work in the cluster (or in -n NAMESPACE).",
)  # fmt: skip
