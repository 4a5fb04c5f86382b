"""Help texts, made of what commands say of themselves."""

from typing import TYPE_CHECKING

from pinnace.cli.command import GLOBAL_FLAGS, Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag

if TYPE_CHECKING:
    from pinnace.cli.session import Session


def overview(program: str, commands: list[str], cluster_commands: list[str]) -> str:
    lines = [f"{program} controls Kubernetes clusters, and runs Pinnace's own.", "", "Cluster:"]
    lines += _wrapped(cluster_commands)
    lines += ["", "Kubernetes (as kubectl):", *_wrapped(commands), ""]
    lines += ["Usage:", f"  {program} [command] [flags] [arguments]", ""]
    lines.append(f'Use "{program} <command> --help" for more information about a given command.')
    return "\n".join(lines)


def _wrapped(words: list[str]) -> list[str]:
    lines, line = [], " "
    for word in words:
        if len(line) + len(word) > 100:
            lines.append(line)
            line = " "
        line += f" {word}"
    return [*lines, line]


def of_path(path: str) -> str:
    """The help of a command by its words: `kubectl config set`."""
    from pinnace.cli.main import resolved

    first, *rest = path.split()[1:]
    return command_help(resolved(first, rest)[0], path)


def unexpected(session: "Session", arguments: list[str], told: str = "Unexpected args") -> CliError:
    """Words that a command of `config` does not take: the help first, as kubectl shows it."""
    print(of_path(session.path))
    return CliError(f"{told}: [{' '.join(arguments)}]")


def command_help(command: Command, path: str) -> str:
    lines = [command.summary, ""] if command.summary else []
    if command.subcommands:
        lines.append("Available Commands:")
        width = max(map(len, command.subcommands))
        lines += [
            f"  {name.ljust(width)}   {sub.summary}".rstrip() for name, sub in command.subcommands.items()
        ]
        lines.append("")
    if command.flags:
        lines += ["Options:", *map(flag_line, command.flags), ""]
    lines += ["Usage:", f"  {path} {command.usage}".rstrip(), ""]
    lines += ["Global options:", *map(flag_line, GLOBAL_FLAGS)]
    return "\n".join(lines)


def flag_line(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    value = "" if flag.kind == "bool" else f"={flag.default if flag.default not in (None, '') else ''}"
    return f"    {short}--{flag.name}{value}".ljust(44) + f" {flag.help}"
