"""`--raw URI` of create, replace and delete: a request that the user words, and the answer as it comes."""

import sys

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

FLAG = Flag("raw", help="Raw URI of the request; the file is sent as it is.")


def check(flags: Values) -> None:
    """What does not go together with --raw."""
    if len(flags["filename"]) != 1:
        raise CliError("--raw can only use a single local file or stdin")
    name = flags["filename"][0]
    if name.startswith(("http://", "https://")):
        raise CliError("--raw cannot read from a url")
    if flags.get("recursive"):
        raise CliError("--raw and --recursive are mutually exclusive")
    if flags.get("selector"):
        raise CliError("--raw and --selector (-l) are mutually exclusive")
    if flags.get("output"):
        raise CliError("--raw and --output are mutually exclusive")


def send(session: Session, flags: Values, method: str) -> int:
    if not flags["raw"].startswith("/"):
        raise CliError(f'--raw must be a valid URL path: parse "{flags["raw"]}": invalid URI for request')
    name = flags["filename"][0] if flags["filename"] else ""
    body = None
    if name == "-":
        body = sys.stdin.read()
    elif name:
        try:
            with open(name) as file:  # noqa: PTH123 (start-up time)
                body = file.read()
        except OSError as error:
            raise CliError(f"open {name}: {str(error.strerror).lower()}") from error
    answer = session.http.raw(method, flags["raw"], None, None if body is None else body.encode())
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
    return 0
