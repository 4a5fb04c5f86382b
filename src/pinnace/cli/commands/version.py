"""`version`: of this client and of the server."""

import sys

from pinnace import __version__
from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

KUBERNETES = "v1.36.0"


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
        return 0
    from pinnace.cli.printers import to_text

    body = {"clientVersion": client, **({"serverVersion": server} if server is not None else {})}
    sys.stdout.write(to_text(body, flags["output"], indent=2))
    return 0


def client_version() -> dict[str, str]:
    major, minor, _ = KUBERNETES[1:].split(".")
    return {"major": major, "minor": minor, "gitVersion": f"{KUBERNETES}+pinnace.{__version__}"}


VERSION = Command(
    run,
    (
        Flag("client", kind="bool", help="Only the client's version; needs no server."),
        Flag("output", "o", help="One of 'yaml' or 'json'."),
    ),
    summary="Print the versions of the client and of the server.",
)
