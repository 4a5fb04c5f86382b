"""`exec` and `attach`."""

from typing import Any

from pinnace.cli.builder import FILES_AND_ARGUMENTS, from_files
from pinnace.cli.command import PLAIN_FILES, Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.pods_of import RUNNING_TIMEOUT, default_container, of_selection, one_pod
from pinnace.cli.session import Session

Object = dict[str, Any]


def run_exec(session: Session, flags: Values, arguments: list[str]) -> int:
    split = flags["--"]
    if split < 0:
        if len(arguments) > (0 if flags["filename"] else 1):
            raise CliError(
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
                f"See '{session.path} -h' for help and examples"
            )
        if arguments:
            raise CliError("you must specify at least one command for the container")
        raise CliError("pod, type/name or --filename must be specified")
    names, command = arguments[:split], arguments[split:]
    if flags["filename"] and names:
        raise CliError(FILES_AND_ARGUMENTS)
    if len(names) != 1 and not flags["filename"]:
        raise CliError(
            f"pod, type/name or --filename must be specified\nSee '{session.path} -h' for help and examples"
        )
    if not command:
        raise CliError("you must specify at least one command for the container")
    pod = _of_file(session, flags) if flags["filename"] else one_pod(session, flags, names[0])
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        raise CliError(
            f"cannot exec into a container in a completed pod; current phase is {pod['status']['phase']}"
        )
    _connect(session, flags, pod, command)
    return 0


def _of_file(session: Session, flags: Values) -> Object:
    """A pod as the file has it, or one of the pods of the workload that is in it."""
    chosen = from_files(session, flags)
    if len(chosen) != 1:
        raise CliError("cannot exec into multiple objects at a time")
    (one,) = chosen
    if one.resource.qualified != "pods":
        found = of_selection(session, flags, one)
        if not found:
            raise CliError("timed out waiting for the condition")
        return found[0]
    pod: Object = one.manifest or {}
    if not (pod.get("spec") or {}).get("containers"):
        raise CliError(f"pod {one.namespace}/{one.name} does not have any containers")
    return pod


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
    (*_FLAGS, PLAIN_FILES[0]),
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
