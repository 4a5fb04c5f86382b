"""`version`: of this client and of the server."""

import sys

from pinnace.cli.client_version import client_version
from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if arguments:
        raise CliError(f"extra arguments: [{' '.join(arguments)}]")
    if flags["output"] not in ("", "json", "yaml"):
        raise CliError("--output must be 'yaml' or 'json'")
    client = client_version()
    if not flags["output"]:
        print(f"Client Version: {client['gitVersion']}", flush=True)
    try:
        server = None if flags["client"] else session.http.get("/version")
    except (PlainError, ServerError):
        raise
    except CliError as error:
        if session.__dict__.get("http") is None:
            raise  # nothing was asked
        raise CliError(f"unable to parse the server version: {error}") from error
    if not flags["output"]:
        if server is not None:
            print(f"Server Version: {server.get('gitVersion') or ''}")
    else:
        from pinnace.cli.printers import to_text

        body = {"clientVersion": client, **({"serverVersion": server} if server is not None else {})}
        sys.stdout.write(to_text(body, flags["output"], indent=2))
    if server is not None:
        _warn_of_difference(client, server)
    return 0


def _warn_of_difference(client: dict[str, str], server: dict[str, str]) -> None:
    """More than one minor version apart is not supported."""
    ours, theirs = (
        (version.get("major", ""), version.get("minor", "").rstrip("+")) for version in (client, server)
    )
    if not all(part.isdigit() for part in (*ours, *theirs)):
        return
    if ours[0] != theirs[0] or abs(int(ours[1]) - int(theirs[1])) > 1:
        sys.stdout.flush()
        warn(
            f"WARNING: version difference between client ({'.'.join(ours)}) and server ({'.'.join(theirs)}) "
            "exceeds the supported minor version skew of +/-1"
        )


VERSION = Command(
    run,
    (
        Flag("client", kind="bool", help="Only the client's version; needs no server."),
        Flag("output", "o", help="One of 'yaml' or 'json'."),
    ),
    summary="Print the versions of the client and of the server.",
)
