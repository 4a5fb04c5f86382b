"""A word that is no command: a plugin on the PATH takes it over, or the error says what was meant. As kubectl and cobra do."""

import os
import sys
from collections.abc import Iterable

from pinnace.cli.errors import CliError, PlainError

PREFIX = "kubectl-"


def run_plugin(argv: list[str], least: int = 1) -> None:
    """Become the plugin with the longest fitting name (`-` in a word is `_` there); returns when there is none.

    `least` is the number of words that its name has to hold.
    """
    words: list[str] = []
    for word in argv:
        if word.startswith("-"):
            break
        words.append(word.replace("-", "_"))
    if not words:
        raise PlainError(f"Error: flags cannot be placed before plugin name: {argv[0]}")
    for count in range(len(words), least - 1, -1):
        path = look_up(PREFIX + "-".join(words[:count]))
        if path:
            sys.stdout.flush()
            os.execve(path, [path, *argv[count:]], os.environ)  # noqa: S606 (no shell, as it should be)


def look_up(name: str) -> str:
    """The path of a program; empty when there is none."""
    import shutil  # here, since few calls need it

    return shutil.which(name) or ""


def error(word: str, program: str, commands: Iterable[str]) -> CliError:
    from pinnace.cli.suggestions import unknown_command

    return CliError(unknown_command(word, program, commands))
