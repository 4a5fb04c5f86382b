"""`__complete -- WORD... CURRENT`, which the scripts of `completion` call: what may stand where the cursor is, one a line.

Commands and flags are known here; types and names come from the cluster. Nothing is said where files may stand, or when the
cluster does not answer. It never ends with an error, which would be in the way on a command line.
"""

from importlib import import_module

from pinnace.cli.builder import select
from pinnace.cli.command import GLOBAL_FLAGS, Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values, parse
from pinnace.cli.session import Session
from pinnace.client.kubeconfig import KubeconfigError

BY_TYPE = frozenset(["get", "describe", "delete", "edit", "label", "annotate", "patch", "scale", "expose", "autoscale", "explain",
                     "wait", "image", "env", "resources", "selector", "serviceaccount", "subject", "status", "history",
                     "undo", "restart", "pause", "resume", "taint"])  # fmt: skip
BY_NAME = {"logs": "pods", "exec": "pods", "attach": "pods", "port-forward": "pods", "cordon": "nodes", "uncordon": "nodes",
           "drain": "nodes", "approve": "certificatesigningrequests", "deny": "certificatesigningrequests",
           "node": "nodes", "pod": "pods"}  # fmt: skip
SECTIONS = {"use-context": "contexts", "use": "contexts", "delete-context": "contexts", "rename-context": "contexts",
            "get-contexts": "contexts", "set-context": "contexts", "delete-cluster": "clusters", "set-cluster": "clusters",
            "delete-user": "users", "set-credentials": "users", "context": "contexts", "cluster": "clusters", "user": "users"}  # fmt: skip
VALUES = {"dry-run": ("none", "server", "client"), "output": ("json", "yaml", "kyaml", "name", "wide", "go-template=", "jsonpath=", "custom-columns=")}  # fmt: skip


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    """The last word is the one that the cursor stands in, perhaps empty."""
    from pinnace.cli.main import COMMANDS

    words, current = arguments[:-1], "".join(arguments[-1:])
    try:
        found = candidates(words, current, session.program, COMMANDS)
    except (CliError, KubeconfigError):
        return 0
    print("".join(f"{word}\n" for word in found if word.startswith(current)), end="")
    return 0


def candidates(words: list[str], current: str, program: str, commands: dict[str, str]) -> list[str]:
    before, rest = parse(words, GLOBAL_FLAGS, program, stop_at_argument=True)
    if not rest:
        return [f"--{flag.name}" for flag in GLOBAL_FLAGS] if current.startswith("-") else sorted(commands)
    if rest[0] not in commands:
        return []
    module, attribute = commands[rest[0]].split(":")
    command: Command = getattr(import_module(f"pinnace.cli.commands.{module}"), attribute)
    name, rest = rest[0], rest[1:]
    while command.subcommands and rest and rest[0] in command.subcommands:
        command, name, rest = command.subcommands[rest[0]], rest[0], rest[1:]
    flags = (*command.flags, *GLOBAL_FLAGS)
    waiting = _waiting(rest, flags)
    values, arguments = parse(rest[:-1] if waiting else rest, flags, program)
    for flag in before.given - values.given:
        values[flag] = before[flag]
    with Session(values, program) as session:
        if waiting:
            return _of_flag(session, waiting.name)
        if current.startswith("-"):
            return [f"--{flag.name}" for flag in flags]
        if command.subcommands and not arguments:
            return sorted(command.subcommands)
        return _arguments(session, name, arguments, current)


def _waiting(rest: list[str], flags: tuple[Flag, ...]) -> Flag | None:
    """The flag whose value the cursor stands at: the last word is `--flag` or `-f`, and it needs one."""
    if not rest or not rest[-1].startswith("-") or "=" in rest[-1]:
        return None
    for flag in flags:
        if rest[-1] in (f"--{flag.name}", f"-{flag.short}") and flag.kind != "bool" and flag.bare is None:
            return flag
    return None


def _of_flag(session: Session, name: str) -> list[str]:
    if name == "namespace":
        return _names(session, "namespaces")
    if name in ("context", "cluster", "user"):
        return [str(entry["name"]) for entry in session.config[SECTIONS[name]]]
    return list(VALUES.get(name, ()))


def _arguments(session: Session, name: str, arguments: list[str], current: str) -> list[str]:
    if name in SECTIONS:
        return [str(entry["name"]) for entry in session.config[SECTIONS[name]]] if not arguments else []
    if name in BY_NAME:
        return [] if arguments else _names(session, BY_NAME[name])
    if name not in BY_TYPE:
        return []
    kind, slash, _ = current.partition("/")
    if slash:
        return [f"{kind}/{found}" for found in _names(session, kind)]
    if not arguments:
        return sorted({row.name for row in session.mapper.all()})
    return [] if name == "explain" or "/" in arguments[0] else _names(session, arguments[0])


def _names(session: Session, kind: str) -> list[str]:
    found = []
    for one in select(session, [kind], session.flags):
        listed = session.http.get(
            one.path,
            accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
        )
        found += [item["metadata"]["name"] for item in listed.get("items") or ()]
    return found


COMPLETE = Command(run, (), "-- WORD... CURRENT", "What may come next; for the scripts of completion.")
