"""`plugin list`: executables called kubectl-* on the PATH."""

import os

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    found, problems = _found()
    if not found:
        raise CliError("unable to find any kubectl plugins in your PATH")
    print("The following compatible plugins are available:\n")
    for path, complaints in found:
        print(os.path.basename(path) if flags["name-only"] else path)  # noqa: PTH119 (start-up time)
        for complaint in complaints:
            warn(f"  - {complaint}")
    if problems:
        raise PlainError(
            "error: one plugin warning was found"
            if problems == 1
            else f"error: {problems} plugin warnings were found"
        )
    return 0


def _found() -> tuple[list[tuple[str, list[str]]], int]:
    """(path, what is wrong with it), and how many things are wrong."""
    seen: dict[str, str] = {}
    found, problems = [], 0
    for folder in dict.fromkeys(os.environ.get("PATH", "").split(os.pathsep)):
        try:
            names = sorted(os.listdir(folder)) if folder.strip() else []  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            if not name.startswith("kubectl-") or os.path.isdir(path):  # noqa: PTH112
                continue
            complaints = []
            if not os.access(path, os.X_OK):
                complaints.append(f"warning: {path} identified as a kubectl plugin, but it is not executable")
            if name in seen:
                complaints.append(
                    f"warning: {path} is overshadowed by a similarly named plugin: {seen[name]}"
                )
            seen.setdefault(name, path)
            problems += len(complaints)
            found.append((path, complaints))
    return found, problems


PLUGIN = Command(
    None, usage="[flags]", summary="Provides utilities for interacting with plugins.",
    subcommands={
        "list": Command(
            run, (Flag("name-only", kind="bool", help="Names instead of paths."),), "[flags]",
            "List all visible plugin executables on a user's PATH.",
        )
    },
)  # fmt: skip
