"""Which Kubernetes this command line is of, and whether that is what the server is (`--match-server-version`)."""

from typing import TYPE_CHECKING

from pinnace import KUBERNETES_VERSION, __version__
from pinnace.cli.errors import CliError

if TYPE_CHECKING:
    from pinnace.cli.transport import Transport

_OF_GO = (
    "major", "minor", "emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor",
    "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform",
)  # fmt: skip


def client_version() -> dict[str, str]:
    major, minor, _ = KUBERNETES_VERSION
    version = f"v{'.'.join(KUBERNETES_VERSION)}+pinnace.{__version__}"
    return {"major": major, "minor": minor, "gitVersion": version}


def check_match(http: "Transport") -> None:
    """Raises CliError for a server of another version; one that was built from the same source is the same."""
    client = {"gitTreeState": "clean", **client_version()}
    try:
        server = http.get("/version", {"timeout": "32s"})
    except CliError as error:
        raise CliError(f"couldn't read version from server: {error}") from error
    if any(
        server.get(field, "") != client.get(field, "")
        for field in ("gitVersion", "gitCommit", "gitTreeState")
    ):
        raise CliError(
            f"server version (&{_go_syntax(server)}) differs from client version ({_go_syntax(client)})"
        )


def _go_syntax(version: dict[str, str]) -> str:
    fields = ", ".join(f'{name[0].upper()}{name[1:]}:"{version.get(name, "")}"' for name in _OF_GO)
    return f"version.Info{{{fields}}}"
