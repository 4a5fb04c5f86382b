"""`--dry-run=none|client|server`, and the words that show it."""

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values
from pinnace.cli.session import warn


def mode(flags: Values) -> str:
    """none, client or server."""
    value = flags.get("dry-run", "none")
    if value == "unchanged":
        warn("W: --dry-run is deprecated and can be replaced with --dry-run=client.")
        return "client"
    if value not in ("none", "client", "server"):
        raise CliError(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')
    return str(value)


def query(flags: Values, manager: str) -> dict[str, str]:
    """The query parameters of a write: dry run and field manager."""
    found = {"fieldManager": flags.get("field-manager") or manager}
    if mode(flags) == "server":
        found["dryRun"] = "All"
    return found


def suffix(flags: Values) -> str:
    """What is added to `created`, `configured` and so on."""
    chosen = mode(flags)
    return "" if chosen == "none" else f" ({'server ' if chosen == 'server' else ''}dry run)"
