"""`--cascade`: what becomes of an object's dependents when it is deleted."""

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values

FLAG = Flag("cascade", default="background", bare="background", help="background, orphan or foreground.")
_POLICIES = {
    "background": "Background",
    "foreground": "Foreground",
    "orphan": "Orphan",
    "true": "Background",
    "false": "Orphan",
}


def policy(flags: Values) -> str:
    """The propagation policy for the server."""
    found = _POLICIES.get(flags["cascade"])
    if found is None:
        raise CliError(
            f'invalid cascade value ({flags["cascade"]}). Must be "background", "foreground", or "orphan"'
        )
    return found
