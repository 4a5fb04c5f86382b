"""`exec` and `attach`."""

import sys
from typing import Any

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.pods_of import default_container, one_pod
from pinnace.cli.session import Session, warn

Object = dict[str, Any]


def run_exec(session: Session, flags: Values, arguments: list[str]) -> int:
    split = flags["--"]
    if split < 0:
        if len(arguments) > 1:
            raise CliError(
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
                f"See '{session.path} -h' for help and examples"
            )
        if arguments:
            raise CliError("you must specify at least one command for the container")
        raise CliError(
            f"pod, type/name or --filename must be specified\nSee '{session.path} -h' for help and examples"
        )
    names, command = arguments[:split], arguments[split:]
    if len(names) != 1:
        raise CliError(
            f"pod, type/name or --filename must be specified\nSee '{session.path} -h' for help and examples"
        )
    if not command:
        raise CliError("you must specify at least one command for the container")
    pod = one_pod(session, flags, names[0])
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        raise CliError(
            f"cannot exec into a container in a completed pod; current phase is {pod['status']['phase']}"
        )
    return _connect(session, flags, pod, "exec", [("command", word) for word in command])


def run_attach(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise CliError("at least 1 argument is required for attach")
    pod = one_pod(session, flags, arguments[0])
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CliError(f"cannot attach a container in a completed pod; current phase is {phase}")
    if flags["tty"] and not flags["quiet"]:
        warn("If you don't see a command prompt, try pressing enter.")
    return _connect(session, flags, pod, "attach", [])


def _connect(session: Session, flags: Values, pod: Object, verb: str, query: list[tuple[str, str]]) -> int:
    from pinnace.cli.remote_command import RemoteCommand

    container = flags["container"] or default_container(pod, quiet=flags["quiet"])
    terminal = flags["tty"] and flags["stdin"]  # as kubectl: no terminal for who types nothing
    if terminal and not sys.stdin.isatty():
        if not flags["quiet"]:
            warn("Unable to use a TTY - input is not a terminal or the right kind of file")
        terminal = False
    query = [
        ("container", container), *query, ("stdout", "true"),
        *([("stdin", "true")] if flags["stdin"] else []), *([("tty", "true")] if terminal else [("stderr", "true")]),
    ]  # fmt: skip
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/{verb}"
    remote = RemoteCommand(
        session.http, path, query, stdin=flags["stdin"], terminal=terminal, redraw=verb == "attach"
    )
    remote.run()
    return 0


_FLAGS = (
    Flag("container", "c", help="Container name; the default container otherwise."),
    Flag("stdin", "i", kind="bool", help="Pass standard input to the container."),
    Flag("tty", "t", kind="bool", help="Standard input is a terminal."),
    Flag("quiet", "q", kind="bool", help="Only print output from the remote session."),
)
EXEC = Command(
    run_exec,
    _FLAGS,
    "(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    "Execute a command in a container.",
)
ATTACH = Command(
    run_attach,
    _FLAGS,
    "(POD | TYPE/NAME) [-c CONTAINER] [flags]",
    "Attach to a process that is running in a container.",
)
