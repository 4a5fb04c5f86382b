"""`exec` and `attach`."""

from typing import Any

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.pods_of import RUNNING_TIMEOUT, default_container, one_pod
from pinnace.cli.session import Session

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
    _connect(session, flags, pod, command)
    return 0


def run_attach(session: Session, flags: Values, arguments: list[str]) -> int:
    if not arguments:
        raise CliError("at least 1 argument is required for attach")
    if len(arguments) > 2:
        raise CliError(
            f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {len(arguments)}: [{' '.join(arguments)}]"
        )
    if flags["pod-running-timeout"] <= 0:
        raise CliError(
            f"--pod-running-timeout must be higher than zero\nSee '{session.path} -h' for help and examples"
        )
    pod = one_pod(session, flags, "/".join(arguments))
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CliError(f"cannot attach a container in a completed pod; current phase is {phase}")
    from pinnace.cli.attaching import Wish, attach

    name = flags["container"] or default_container(pod, quiet=flags["quiet"])
    attach(session, pod, name, Wish(flags["stdin"], flags["tty"], flags["quiet"], flags["detach-keys"]))
    return 0


def _connect(session: Session, flags: Values, pod: Object, words: list[str]) -> None:
    from pinnace.cli.attaching import Wish, path_of, query_of, raw_terminal
    from pinnace.cli.remote_command import RemoteCommand

    name = flags["container"] or default_container(pod, quiet=flags["quiet"])
    raw = raw_terminal(Wish(flags["stdin"], flags["tty"], flags["quiet"]))
    query = [*(("command", word) for word in words), *query_of(name, stdin=flags["stdin"], raw=raw)]
    RemoteCommand(session.http, path_of(pod, "exec"), query, stdin=flags["stdin"], terminal=raw).run()


_FLAGS = (
    Flag("container", "c", help="Container name; the default container otherwise."),
    Flag("stdin", "i", kind="bool", help="Pass standard input to the container."),
    Flag("tty", "t", kind="bool", help="Standard input is a terminal."),
    Flag("quiet", "q", kind="bool", help="Only print output from the remote session."),
    RUNNING_TIMEOUT,
)
EXEC = Command(
    run_exec,
    _FLAGS,
    "(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    "Execute a command in a container.",
)
ATTACH = Command(
    run_attach,
    (
        *_FLAGS,
        Flag("detach-keys", help="Keys that leave the container's terminal; default ctrl-p,ctrl-q."),
    ),
    "(POD | TYPE/NAME) [-c CONTAINER] [flags]",
    "Attach to a process that is running in a container.",
)
