"""`--cascade`: what becomes of an object's dependents when it is deleted."""

from typing import Any

from pinnace.cli import dry_run
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import warn

FLAG = Flag("cascade", default="background", bare="background", help="background, orphan or foreground.")
_POLICIES = {
    "background": "Background",
    "foreground": "Foreground",
    "orphan": "Orphan",
}
_BOOLEANS = {
    "1": "background",
    "t": "background",
    "true": "background",
    "0": "orphan",
    "f": "orphan",
    "false": "orphan",
}


def delete_options(flags: Values) -> dict[str, Any]:
    """The body of a deletion, for commands with `--cascade`, `--grace-period` and `--dry-run`."""
    options: dict[str, Any] = {"propagationPolicy": policy(flags)}
    if flags["grace-period"] >= 0:
        options["gracePeriodSeconds"] = flags["grace-period"]
    if dry_run.mode(flags) == "server":
        options["dryRun"] = ["All"]
    return options


def policy(flags: Values) -> str:
    """The propagation policy for the server; what is deprecated is told the first time."""
    instead = _BOOLEANS.get(flags["cascade"].lower())
    if instead is not None:
        warn(
            f"warning: --cascade={flags['cascade']} is deprecated (boolean value) and can be replaced with --cascade={instead}."
        )
        flags["cascade"] = instead
    found = _POLICIES.get(flags["cascade"])
    if found is None:
        raise CliError(
            f'invalid cascade value ({flags["cascade"]}). Must be "background", "foreground", or "orphan"'
        )
    return found
