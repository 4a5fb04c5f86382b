"""`options`: the flags that every command takes."""

from pinnace.cli.command import GLOBAL_FLAGS, Command
from pinnace.cli.flags import Values
from pinnace.cli.help import flag_line
from pinnace.cli.session import Session


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    print("The following options can be passed to any command:\n")
    for flag in GLOBAL_FLAGS:
        if flag.name != "help":
            print(flag_line(flag))
    return 0


OPTIONS = Command(run, summary="Print the list of flags inherited by all commands.")
