"""The entrance: finds the command, imports its module, parses flags, turns errors into kubectl's words and exit codes."""

import errno
import gc
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pinnace.cli.errors import CliError, PlainError, UsageError

if TYPE_CHECKING:
    from pinnace.cli.command import Command

# command -> module below pinnace.cli.commands and attribute; imported when called.
COMMANDS = {
    "annotate": "label:ANNOTATE",
    "api-resources": "discovery:API_RESOURCES",
    "api-versions": "discovery:API_VERSIONS",
    "apply": "apply:APPLY",
    "attach": "exec:ATTACH",
    "auth": "auth:AUTH",
    "autoscale": "autoscale:AUTOSCALE",
    "certificate": "certificate:CERTIFICATE",
    "cluster-info": "cluster_info:CLUSTER_INFO",
    "completion": "completion:COMPLETION",
    "config": "config:CONFIG",
    "cordon": "nodes:CORDON",
    "cp": "cp:CP",
    "create": "create:CREATE",
    "debug": "debug:DEBUG",
    "delete": "delete:DELETE",
    "describe": "describe:DESCRIBE",
    "diff": "diff:DIFF",
    "drain": "drain:DRAIN",
    "edit": "edit:EDIT",
    "events": "events:EVENTS",
    "exec": "exec:EXEC",
    "explain": "explain:EXPLAIN",
    "expose": "expose:EXPOSE",
    "get": "get:GET",
    "kustomize": "kustomize:KUSTOMIZE",
    "kuberc": "kuberc:KUBERC",
    "label": "label:LABEL",
    "logs": "logs:LOGS",
    "options": "options:OPTIONS",
    "patch": "patch:PATCH",
    "plugin": "plugin:PLUGIN",
    "port-forward": "port_forward:PORT_FORWARD",
    "proxy": "proxy:PROXY",
    "replace": "replace:REPLACE",
    "rollout": "rollout:ROLLOUT",
    "run": "run:RUN",
    "scale": "scale:SCALE",
    "set": "set:SET",
    "taint": "nodes:TAINT",
    "top": "top:TOP",
    "trace": "trace:TRACE",
    "uncordon": "nodes:UNCORDON",
    "version": "version:VERSION",
    "wait": "wait:WAIT",
    "why": "why:WHY",
}

COMPLETE = ("__complete", "__completeNoDesc")  # what the scripts of completion call

# Cluster commands live in the package that joins the parts, which this one may not import: by name only.
CLUSTER_COMMANDS = {
    name: f"pinnace.cluster.commands:{name}"
    for name in ("up", "down", "status", "server", "agent", "token", "image", "demo")
}

OWN = ("trace", "why")  # among COMMANDS, but not kubectl's

# What the design promises and this version does not have: said plainly instead of "unknown command".
PLANNED_CLUSTER = ("dashboard", "snapshot")


# Of those that have subcommands only: whose help goes to standard output, and which succeed with it, whatever the words.
HELP_ON_OUTPUT, HELP_AND_SUCCESS = ("certificate", "rollout"), ("certificate",)

# Where kubectl catches Ctrl-C, in order to clean up; others end by the signal.
INTERRUPTED_WITH_1 = ("delete", "edit", "events", "logs", "rollout status", "wait")


def entry() -> None:
    """The console script."""
    argv, program = sys.argv[1:], program_name(sys.argv[0])
    if argv and argv[0] in CLUSTER_COMMANDS:
        code = main(argv, program)
        if code >= 0:
            sys.exit(code)
        _leave(code)
    # A client that lives for a moment makes no garbage worth looking for: a fifth of the time of a long list.
    gc.set_threshold(100_000, 50, 1000)
    _leave(main(argv, program))


def _leave(code: int) -> None:
    """At once: taking modules and objects apart, one by one, takes 8 ms at least, and nothing here waits for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or -signal.SIGPIPE
        except OSError as error:
            code = code or 1
            if stream is sys.stdout:
                print(f"error: write /dev/stdout: {str(error.strerror).lower()}", file=sys.stderr)
        except ValueError:
            continue  # closed
    if code < 0:  # so that a shell's loop ends with it
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def program_name(path: str) -> str:
    """`kubectl` when called by that name."""
    name = path.rsplit("/", 1)[-1]
    return "kubectl" if name.startswith("kubectl") else "pinnace"


def main(argv: list[str], program: str = "pinnace") -> int:
    """Run one command line; the exit code, or less than 0: the signal that ends the program, as it would have without us."""
    if argv[:1] == ["kubectl"]:
        argv = argv[1:]
    try:
        return _dispatch(argv, program)
    except CliError as error:
        sys.stdout.flush()
        if error.text():
            from pinnace.cli.harmless import shown

            print(shown(error.text()), file=sys.stderr)
        return error.code
    except BrokenPipeError:
        return -signal.SIGPIPE
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        print("error: write /dev/stdout: no space left on device", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return -signal.SIGINT


def _dispatch(argv: list[str], program: str) -> int:
    if argv and argv[0] in CLUSTER_COMMANDS:
        return _cluster_command(argv[0], argv[1:])
    if argv and argv[0] in COMPLETE:
        from pinnace.cli.commands.complete import run as complete

        return complete(argv[1:], program, described=argv[0] == COMPLETE[0])
    from pinnace.cli.command import GLOBAL_FLAGS
    from pinnace.cli.flags import parse

    preferences: dict[str, Any] = {}
    if _has_preferences(argv):
        from pinnace.cli.kuberc import applied

        argv, preferences = applied(argv, program, _command_of)
    try:
        before, rest = parse(argv, GLOBAL_FLAGS, program, stop_at_argument=True)
    except UsageError:
        _refuse_flags_before_plugin(argv)
        raise
    if not rest:
        print(_overview(program))
        return 0
    _try_plugin(argv, rest)
    name, rest = rest[0], rest[1:]
    if name == "help":
        if not rest:
            print(_overview(program))
            return 0
        name, rest = rest[0], [*rest[1:], "--help"]
    command, path, rest = _find(name, rest, program)
    if before["help"] or command.run is None:
        return (
            _help(command, path)
            if before["help"] or _wants_help(rest)
            else _no_subcommand(command, path, rest)
        )
    try:
        values, arguments = parse(rest, (*command.flags, *GLOBAL_FLAGS), path)
    except UsageError as error:
        if command.usage_code == 1:
            raise
        raise CliError(f"{error}\nSee '{path} -h' for help and examples", command.usage_code) from error
    if values["help"]:
        return _help(command, path)
    for flag in before.given:
        if flag not in values.given:
            values[flag] = before[flag]
            values.given.add(flag)
    from pinnace.cli.session import Session

    values["--preferences"] = preferences
    with Session(values, path) as session:
        try:
            return command.run(session, values, arguments)
        except KeyboardInterrupt:
            if path.partition(" ")[2] in INTERRUPTED_WITH_1:
                return 1
            raise


def _has_preferences(argv: list[str]) -> bool:
    """Whether there is anything to read; costs nothing to speak of, since every command asks."""
    if os.environ.get("KUBECTL_KUBERC", "").lower() in ("false", "0"):
        return False
    if os.environ.get("KUBERC") or any(word.startswith("--kuberc") for word in argv):
        return True
    return os.path.exists(os.path.expanduser("~/.kube/kuberc"))  # noqa: PTH110, PTH111


def _command_of(argv: list[str]) -> "tuple[Command, list[str], list[str]] | None":
    """The command of a command line, its words, and what is left; None when there is no such command."""
    from pinnace.cli.command import GLOBAL_FLAGS
    from pinnace.cli.flags import parse

    try:
        _, rest = parse(argv, GLOBAL_FLAGS, "", stop_at_argument=True)
    except CliError:
        return None  # said when the line is read in earnest
    if not rest or rest[0] not in COMMANDS:
        return None
    command, path, left = resolved(rest[0], rest[1:])
    return command, path, left


def resolved(name: str, rest: list[str]) -> "tuple[Command, list[str], list[str]]":
    module, attribute = COMMANDS[name].split(":")
    command: Command = getattr(import_module(f"pinnace.cli.commands.{module}"), attribute)
    path = [name]
    while command.subcommands and rest and rest[0] in command.subcommands:
        found = command.subcommands[rest[0]]
        known = next(name for name, other in command.subcommands.items() if other is found)  # not an alias
        command, path, rest = found, [*path, known], rest[1:]
    return command, path, rest


def _refuse_flags_before_plugin(argv: list[str]) -> None:
    """kubectl takes the first word that is neither a flag nor, it thinks, the value of one for a plugin's name."""
    words = list(argv)
    while words:
        word = words.pop(0)
        takes_value = word.startswith("--") or (word.startswith("-") and len(word) == 2)
        if word == "--" or (takes_value and "=" not in word and len(words) <= 1):
            return
        if takes_value and "=" not in word:
            words.pop(0)
        elif word and not word.startswith("-"):
            if word not in COMMANDS:
                raise PlainError(f"Error: flags cannot be placed before plugin name: {argv[0]}")
            return


def _try_plugin(argv: list[str], rest: list[str]) -> None:
    """Does not return when a plugin takes the command line over."""
    name = rest[0]
    known = name in COMMANDS or name in CLUSTER_COMMANDS
    if not known and name not in ("help", *PLANNED_CLUSTER):
        from pinnace.cli.unknown import run_plugin

        run_plugin(argv)
    elif name == "create" and argv[0] == "create":  # the only command whose subcommands may be plugins
        word = next((word for word in rest[1:] if not word.startswith("-")), "")
        if word and word not in resolved("create", [])[0].subcommands:
            from pinnace.cli.unknown import run_plugin

            run_plugin(argv, least=2)


def _find(name: str, rest: list[str], program: str) -> "tuple[Command, str, list[str]]":
    """The command, its full name for messages, and what is left of the words."""
    target = COMMANDS.get(name)
    if name in PLANNED_CLUSTER:
        raise PlainError(f'error: "{program} {name}" is not there yet: docs/conformance.md says what is')
    if target is None:
        from pinnace.cli.unknown import error

        own = () if program == "kubectl" else CLUSTER_COMMANDS
        known = {*COMMANDS, *own, "help"} - set(OWN if program == "kubectl" else ())
        raise error(name, program, known)
    command, words, rest = resolved(name, rest)
    path = " ".join((program, *words))
    return command, path, rest


def _cluster_command(name: str, argv: list[str]) -> int:
    module, attribute = CLUSTER_COMMANDS[name].split(":")
    try:
        run = getattr(import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != module:
            raise
        raise CliError(f"this installation has no command {name!r}") from None
    code: int = run(argv)
    return code


def _wants_help(rest: list[str]) -> bool:
    return "--help" in rest or "-h" in rest


def _no_subcommand(command: "Command", path: str, rest: list[str]) -> int:
    """Of a command that only has subcommands: the help on standard error, or what is wrong with the words."""
    from pinnace.cli.command import GLOBAL_FLAGS
    from pinnace.cli.flags import parse

    _, arguments = parse(rest, (*command.flags, *GLOBAL_FLAGS), path)
    if arguments and path.partition(" ")[2] not in HELP_AND_SUCCESS:
        raise CliError(f"unknown command \"{' '.join(arguments)}\"\nSee '{path} -h' for help and examples")
    from pinnace.cli.help import command_help

    name = path.partition(" ")[2]
    print(command_help(command, path), file=sys.stdout if name in HELP_ON_OUTPUT else sys.stderr)
    return 0 if name in HELP_AND_SUCCESS else 1


def _help(command: "Command", path: str) -> int:
    from pinnace.cli.help import command_help

    print(command_help(command, path))
    return 0


def _overview(program: str) -> str:
    from pinnace.cli.help import overview

    return overview(program, sorted(set(COMMANDS) - set(OWN)), sorted([*CLUSTER_COMMANDS, *OWN]))
