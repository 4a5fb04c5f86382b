"""`completion`: scripts for bash, zsh, fish and PowerShell that ask this program for what may come next.

The scripts (completion_scripts.py) call `__complete` (complete.py): commands, flags, types, and names from the live cluster.
"""

from pinnace.cli.command import Command
from pinnace.cli.commands.completion_scripts import SHELLS
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values
from pinnace.cli.session import Session


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    hint = f"\nSee '{session.path} -h' for help and examples"
    if not arguments:
        raise CliError(f"Shell not specified.{hint}")
    if len(arguments) > 1:
        raise CliError(f"Too many arguments. Expected only the shell type.{hint}")
    script = SHELLS.get(arguments[0])
    if script is None:
        raise CliError(f'Unsupported shell type "{arguments[0]}".{hint}')
    print(script.format(program=session.program, name=session.program.replace("-", "_")), end="")
    return 0


COMPLETION = Command(
    run, (), "SHELL", "Output shell completion code for the specified shell (bash, zsh, fish, or powershell).",
)  # fmt: skip
