"""`__complete WORD... CURRENT`: what may stand where the cursor is, in the protocol of cobra, which kubectl's scripts speak, too.

One candidate a line, behind a tab what it means (`__completeNoDesc` leaves that out), then `:` and a sum of directives to the shell. Commands and
flags are known here, types and names come from the cluster. It never ends with an error, which would be in the way on a command line: where
nothing is known, or the cluster does not answer, the shell offers files.
"""

import os
import sys
from importlib import import_module
from typing import NamedTuple

from pinnace.cli.command import GLOBAL_FLAGS, Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values, parse
from pinnace.cli.session import COMPLETES, Session

# Directives, added up.
FILES, NO_SPACE, NO_FILES, EXTENSIONS = 0, 2, 4, 8
NAMES_OF_DIRECTIVES = {1: "Error", NO_SPACE: "NoSpace", NO_FILES: "NoFileComp", EXTENSIONS: "FilterFileExt"}


class Answer(NamedTuple):
    words: list[str]
    directive: int = NO_FILES


NOTHING = Answer([])
LEFT_TO_THE_SHELL = Answer([], FILES)


class Line(NamedTuple):
    """The command as far as it is typed: its path without the program, its flags, and the word at the cursor."""

    path: str
    command: Command
    values: Values
    arguments: list[str]
    current: str
    is_after_dashes: bool
    waiting: Flag | None  # the flag whose value the cursor stands in


def run(words: list[str], program: str, *, described: bool) -> int:
    """The last word is the one that the cursor stands in, perhaps empty."""
    try:
        answer = _answer(words[:-1], "".join(words[-1:]), program)
    except (CliError, ValueError):  # a KubeconfigError is a ValueError
        answer = LEFT_TO_THE_SHELL
    for word in answer.words:
        print(word if described else word.partition("\t")[0])
    print(f":{answer.directive}")
    names = [name for bit, name in NAMES_OF_DIRECTIVES.items() if answer.directive & bit] or ["Default"]
    shown = ", ".join(f"ShellCompDirective{name}" for name in names)
    print(f"Completion ended with directive: {shown}", file=sys.stderr)
    return 0


def _answer(words: list[str], current: str, program: str) -> Answer:
    from pinnace.cli.main import CLUSTER_COMMANDS, COMMANDS

    _, rest = parse(_without_last_flag(words, GLOBAL_FLAGS), GLOBAL_FLAGS, program, stop_at_argument=True)
    if not rest:
        top = Command(None, GLOBAL_FLAGS, subcommands={})
        line = _line(words, current, "", top, program)
        found = _flags(line, program)
        return found or _commands(current)
    before, name, rest = words[: len(words) - len(rest)], rest[0], rest[1:]
    if name not in COMMANDS:
        from pinnace.cli.plugin_completion import offered

        plugin = None if words[0] != name or name in CLUSTER_COMMANDS else offered(words, current)
        return Answer(*plugin) if plugin else LEFT_TO_THE_SHELL
    rest = words[len(before) + 1 :]
    module, attribute = COMMANDS[name].split(":")
    command: Command = getattr(import_module(f"pinnace.cli.commands.{module}"), attribute)
    path = name
    while command.subcommands and rest and rest[0] in command.subcommands:
        command, path, rest = command.subcommands[rest[0]], f"{path} {rest[0]}", rest[1:]
    line = _line([*before, *rest], current, path, command, program)
    if (found := _flags(line, program)) is not None:
        return found
    return _arguments(line, program)


def _commands(current: str) -> Answer:
    from pinnace.cli.main import CLUSTER_COMMANDS, COMMANDS
    from pinnace.cli.plugin_completion import named

    own = _starting(sorted([*_described(COMMANDS), *CLUSTER_COMMANDS]), current)
    known = {*COMMANDS, *CLUSTER_COMMANDS}
    return own._replace(
        words=own.words + [one for one in named([], current) if one.split("\t")[0] not in known]
    )


def _described(commands: dict[str, str]) -> list[str]:
    """Each with its sentence; this imports every command, but only where commands are completed."""
    found = []
    for name, target in commands.items():
        module, attribute = target.split(":")
        command: Command = getattr(import_module(f"pinnace.cli.commands.{module}"), attribute)
        found.append(f"{name}\t{command.summary}")
    return found


def _line(words: list[str], current: str, path: str, command: Command, program: str) -> Line:
    flags = (*command.flags, *GLOBAL_FLAGS)
    waiting = None if "--" in words else _waiting(words, flags)
    values, arguments = parse(words[:-1] if waiting else words, flags, program)
    if waiting is None and current.startswith("-") and "=" in current and "--" not in words:
        name, _, current = current.partition("=")
        waiting = next((flag for flag in flags if name in (f"--{flag.name}", f"-{flag.short}")), None)
        if waiting is None:
            raise CliError(f"unknown flag: {name}")
    return Line(path, command, values, arguments, current, "--" in words, waiting)


def _waiting(words: list[str], flags: tuple[Flag, ...]) -> Flag | None:
    """The last word is `--flag` or `-f` (also at the end of `-itf`), and it needs a value."""
    last = words[-1] if words else ""
    if not last.startswith("-") or "=" in last or last in ("-", "--"):
        return None
    for flag in flags:
        wanted = last == f"--{flag.name}" or (
            not last.startswith("--") and flag.short and last[-1] == flag.short
        )
        if wanted and flag.kind != "bool" and flag.bare is None:
            return flag
    return None


def _without_last_flag(words: list[str], flags: tuple[Flag, ...]) -> list[str]:
    return words[:-1] if _waiting(words, flags) else words


def _starting(words: list[str], current: str, directive: int = NO_FILES) -> Answer:
    return Answer([word for word in words if word.startswith(current)], directive)


# --- flags

REQUIRED = {"scale": "replicas", "autoscale": "max", "run": "image", "create deployment": "image", "create job": "", "create cronjob": "image"}  # fmt: skip
SECTIONS = {"context": "contexts", "cluster": "clusters", "user": "users"}
FORMATS = ("json", "yaml", "kyaml", "name", "go-template", "go-template-file", "template", "templatefile", "jsonpath",
           "jsonpath-as-json", "jsonpath-file", "custom-columns", "custom-columns-file", "wide")  # fmt: skip
PRINTABLE = ("json", "yaml", "kyaml", "name", "go-template", "go-template-file", "template", "templatefile", "jsonpath",
             "jsonpath-as-json", "jsonpath-file")  # fmt: skip
WITH_COLUMNS = ("get", "api-resources", "events")
ENUMS = {
    "dry-run": ("none", "server", "client"),
    "cascade": ("background", "orphan", "foreground"),
    "subresource": ("status", "scale", "resize"),
    "validate": ("strict", "warn", "ignore"),
    "restart": ("Always", "OnFailure", "Never"),
    "concurrency-policy": ("Allow", "Forbid", "Replace"),
}
ENUMS_OF = {
    "patch type": ("json", "merge", "strategic"),
    "version output": ("json", "yaml"),
    "wait for": ("condition=", "create", "delete", "jsonpath="),
    "expose type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    "api-resources output": ("name", "wide"),
    "explain output": ("plaintext", "plaintext-openapiv2"),
    "top node sort-by": ("cpu", "memory"),
    "top pod sort-by": ("cpu", "memory"),
    "get sort-by": (".metadata.name", ".metadata.creationTimestamp"),
    "trace output": ("json", "svg"),
    "why output": ("json",),
}


def _flags(line: Line, program: str) -> Answer | None:
    """Names of flags or the values of one; None where an argument stands."""
    if line.waiting is not None:
        return _value(line, line.waiting, program)
    if line.is_after_dashes or not line.current.startswith("-"):
        return None
    required = _required(line)
    if required:
        return _starting(required, line.current)
    found: list[str] = []
    for flags in (GLOBAL_FLAGS, line.command.flags):
        for flag in sorted(flags, key=lambda flag: flag.name):
            if flag.name in line.values.given and flag.kind not in ("list", "repeat"):
                continue
            found.append(f"--{flag.name}\t{flag.help}")
            if flag.short and line.current == "-":
                found.append(f"-{flag.short}\t{flag.help}")
    return _starting(list(dict.fromkeys(found)), line.current)


def _required(line: Line) -> list[str]:
    name = REQUIRED.get(line.path)
    if not name or name in line.values.given or not f"--{name}".startswith(line.current):
        return []
    return [f"--{flag.name}\t{flag.help}" for flag in line.command.flags if flag.name == name]


def _value(line: Line, flag: Flag, program: str) -> Answer:
    line.values[COMPLETES] = True
    with Session(line.values, program) as session:
        if flag.name == "namespace":
            return _starting(_names(session, "namespaces", line.current), line.current)
        if flag.name in SECTIONS:
            return _starting(_entries(session, SECTIONS[flag.name]), line.current)
        if flag.name in ("container", "target") and line.arguments:
            return _starting(_containers(session, line.arguments[0]), line.current)
    if flag.name == "filename":
        return Answer(["json", "yaml", "yml"], EXTENSIONS)
    known = ENUMS_OF.get(f"{line.path} {flag.name}") or ENUMS.get(flag.name, ())
    if flag.name == "output" and not known:
        known = FORMATS if line.path in WITH_COLUMNS else PRINTABLE
    if not known:
        return LEFT_TO_THE_SHELL
    found = [word for word in known if word.startswith(line.current)]
    return Answer(found, NO_FILES | NO_SPACE if found and all(w.endswith("=") for w in found) else NO_FILES)


def _entries(session: Session, section: str) -> list[str]:
    return sorted(str(entry["name"]) for entry in session.config[section])


# --- arguments

OF_ANY_TYPE = frozenset(["get", "describe", "delete", "edit", "label", "annotate", "patch", "wait", "events", "set resources",
                         "set selector", "apply view-last-applied", "apply edit-last-applied", "trace", "why"])  # fmt: skip
ROLLED_OUT = ("deployment", "daemonset", "statefulset")
SCALED = ("deployment", "replicaset", "replicationcontroller", "statefulset")
WITH_PODS = (
    "daemonsets",
    "deployments",
    "pods",
    "jobs",
    "replicasets",
    "replicationcontrollers",
    "services",
    "statefulsets",
)
WITH_TEMPLATES = ("daemonsets", "deployments", "pods", "cronjobs", "replicasets", "replicationcontrollers", "statefulsets")  # fmt: skip
OF_TYPES = {
    **{f"rollout {name}": ROLLED_OUT for name in ("status", "history", "restart", "undo")},
    "rollout pause": ("deployment",), "rollout resume": ("deployment",),
    "scale": SCALED, "autoscale": SCALED,
    "expose": ("pod", "service", "replicationcontroller", "deployment", "replicaset"),
    "taint": ("node",),
    "set image": WITH_TEMPLATES, "set env": WITH_TEMPLATES, "set serviceaccount": WITH_TEMPLATES,
}  # fmt: skip
OF_ONE_TYPE = {
    "cordon": "nodes", "uncordon": "nodes", "drain": "nodes", "top node": "nodes", "top pod": "pods",
    "certificate approve": "certificatesigningrequests", "certificate deny": "certificatesigningrequests",
    "create token": "serviceaccounts", "debug": "pods",
}  # fmt: skip
POD_COMMANDS = frozenset(["logs", "exec", "attach", "port-forward"])
OF_SECTION = {
    "config use-context": "contexts", "config use": "contexts", "config delete-context": "contexts",
    "config rename-context": "contexts", "config set-context": "contexts", "config get-contexts": "contexts",
    "config delete-cluster": "clusters", "config set-cluster": "clusters",
    "config delete-user": "users", "config set-credentials": "users",
}  # fmt: skip
SHELLS = ["powershell", "bash", "zsh", "fish"]


def _arguments(line: Line, program: str) -> Answer:
    required, current = _required(line), line.current
    if line.command.subcommands and not line.arguments:
        return _starting(_subcommands(line.command), current)
    if line.path == "completion" and not line.arguments:
        return _starting(SHELLS, current)
    line.values[COMPLETES] = True
    with Session(line.values, program) as session:
        try:
            found = _of_the_cluster(session, line)
        except (CliError, ValueError):
            found = NOTHING  # an unknown type, or no answer
    if found is None:
        return Answer(required, FILES)
    return found._replace(words=[*required, *found.words])


def _subcommands(command: Command) -> list[str]:
    """Without other names for the same: of these the one that is upstream's is the longest that is no plural."""
    found: dict[int, str] = {}
    for name, subcommand in command.subcommands.items():
        known = found.get(id(subcommand), "")
        if not known or (len(name) > len(known) and name != f"{known}s"):
            found[id(subcommand)] = name
    return sorted(f"{name}\t{command.subcommands[name].summary}" for name in found.values())


def _of_the_cluster(session: Session, line: Line) -> Answer | None:
    """None for a command whose arguments are the user's own words, or files."""
    path, arguments, current = line.path, line.arguments, line.current
    if path in OF_SECTION:
        return _starting(_entries(session, OF_SECTION[path]), current) if not arguments else NOTHING
    if path in OF_ONE_TYPE:
        return NOTHING if arguments else _starting(_names(session, OF_ONE_TYPE[path], current), current)
    if path in POD_COMMANDS:
        return _of_pods(session, line)
    if path == "cp":
        return _of_cp(session, arguments, current)
    if path == "explain":
        return NOTHING if arguments or "." in current else _starting(_types(session), current)
    if path in OF_ANY_TYPE:
        return _typed(session, arguments, current, _types(session))
    if path in OF_TYPES:
        return _typed(session, arguments, current, list(OF_TYPES[path]))
    return None


def _typed(session: Session, arguments: list[str], current: str, types: list[str]) -> Answer:
    """`TYPE NAME...` or `TYPE/NAME...`, a list of types such as `pods,svc`, no name twice."""
    kind, slash, name = current.partition("/")
    if slash:
        found = [f"{kind}/{name}" for name in _names(session, kind, name)]
        return _starting([word for word in found if word not in arguments], current)
    if any("/" in argument for argument in arguments):
        return _starting([f"{word}/" for word in types], current, NO_FILES | NO_SPACE)
    if arguments:
        names = _names(session, arguments[0], current)
        return _starting([name for name in names if name not in arguments[1:]], current)
    before, comma, _ = current.rpartition(",")
    return _starting([f"{before}{comma}{word}" for word in types], current)


def _of_pods(session: Session, line: Line) -> Answer:
    """A pod, or something that has pods; then, of `logs`, a container."""
    if line.arguments:
        if line.path != "logs" or len(line.arguments) > 1 or line.is_after_dashes:
            return NOTHING
        return _starting(_containers(session, line.arguments[0]), line.current)
    if line.is_after_dashes:
        return NOTHING
    if "/" in line.current:
        return _typed(session, [], line.current, [])
    pods = [name for name in _names(session, "pods", line.current) if name.startswith(line.current)]
    kinds = [f"{word}/" for word in WITH_PODS if word.startswith(line.current)]
    return Answer([*pods, *kinds], NO_FILES if pods else NO_FILES | NO_SPACE)


def _containers(session: Session, argument: str) -> list[str]:
    """Of a pod, or of the template of something that has one."""
    from pinnace.cli.builder import select

    (one,) = select(session, [argument] if "/" in argument else ["pods", argument], Values(()))
    obj = session.http.get(one.path)
    spec = obj["spec"]["template"]["spec"] if "template" in obj["spec"] else obj["spec"]
    parts = ("initContainers", "containers", "ephemeralContainers")
    return [container["name"] for part in parts for container in spec.get(part) or ()]


def _of_cp(session: Session, arguments: list[str], current: str) -> Answer:
    """Namespaces and pods; a path of this machine may stand anywhere."""
    if arguments or current[:1] in ("/", ".", "~") or ":" in current:
        return Answer([], NO_SPACE)
    namespace, slash, rest = current.partition("/")
    if slash:
        session.flags["namespace"] = namespace
        return _starting(
            [f"{namespace}/{name}:" for name in _names(session, "pods", rest)], current, NO_SPACE
        )
    found = [f"{name}/" for name in _names(session, "namespaces", current)]
    found += [f"{name}:" for name in _names(session, "pods", current)]
    found = [name for name in found if name.startswith(current)]
    return Answer([*found, *_paths_beside(found, current)], NO_SPACE)


def _paths_beside(found: list[str], current: str) -> list[str]:
    """Files of this directory; the shell looks for them itself when nothing else was found."""
    if not current:
        return ["./", "/"]
    if not found:
        return []
    with os.scandir() as entries:
        files = [entry for entry in entries if entry.name.startswith(current)]
    return sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in files)


def _types(session: Session) -> list[str]:
    rows = {(row.group, row.name): row.qualified for row in session.mapper.all() if "get" in row.verbs}
    return [rows[key] for key in sorted(rows)]


METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


def _names(session: Session, kind: str, start: str) -> list[str]:
    """Of all objects of a type or of a list of types; of the core's own alone, without what the objects contain."""
    from pinnace.cli.builder import select

    found: list[str] = []
    for one in select(session, [kind], Values(())):
        if "list" in one.resource.verbs:
            listed = session.http.get(one.path, accept=METADATA)
            found += [item["metadata"]["name"] for item in listed.get("items") or ()]
    return [name for name in found if name.startswith(start)]
