"""`config`: look at the kubeconfig, and change which context and namespace it uses."""

import sys
from typing import Any

from pinnace.cli.command import OUTPUT, Command
from pinnace.cli.commands import config_entries, config_files, config_values
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.help import of_path, unexpected
from pinnace.cli.printers import WITHOUT_TABLES, printer, to_text
from pinnace.cli.printers.columns_text import ColumnWriter
from pinnace.cli.session import Session, warn
from pinnace.client import kubeconfig

Object = dict[str, Any]
ORDER = (
    "kind", "apiVersion", "preferences", "clusters", "users", "contexts", "current-context", "name", "server",
    "tls-server-name", "insecure-skip-tls-verify", "certificate-authority", "certificate-authority-data",
    "client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile",
    "username", "password", "auth-provider", "exec",
    "cluster", "user", "context", "namespace",
)  # fmt: skip
FIELDS_IN_ORDER = ("", "json", "yaml", "kyaml")  # these show the fields in their order
EXEC_ORDER = ("command", "args", "env", "apiVersion", "installHint", "provideClusterInfo", "interactiveMode")
SECRET_FIELDS = {"certificate-authority-data": "DATA+OMITTED", "client-certificate-data": "DATA+OMITTED",
                 "client-key-data": "DATA+OMITTED", "token": "REDACTED", "password": "REDACTED"}  # fmt: skip


def view(session: Session, flags: Values, arguments: list[str]) -> int:
    if not flags["merge"] and not flags["kubeconfig"]:
        raise CliError("if merge==false a precise file must be specified")
    config = session.unresolved_config
    if flags["minify"]:
        config = _minified(config, flags["context"])
    shown = dict(config)
    for section, inner in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        entries = [
            {
                "name": entry["name"],
                inner: _filled(
                    inner, entry[inner] if flags["raw"] or flags["flatten"] else _redacted(entry[inner])
                ),
            }
            for entry in sorted(shown[section], key=lambda e: str(e["name"]))
        ]
        shown[section] = entries or None
    ordered = _ordered(shown)
    if flags["template"] or flags["output"] not in FIELDS_IN_ORDER:
        _print(flags, shown)
        return 0
    sys.stdout.write(to_text(ordered, flags["output"] or "yaml", sort_keys=False))
    return 0


def _print(flags: Values, shown: Object) -> None:
    printer(flags, lambda _: "config/<unknown>", formats=WITHOUT_TABLES)(shown)  # a configuration has no name


def _ordered(value: Any) -> Any:
    """Fields as kubectl's JSON has them: those of the upstream types, in their order."""
    if isinstance(value, dict):
        rank = {name: at for at, name in enumerate(EXEC_ORDER if "provideClusterInfo" in value else ORDER)}
        return {
            key: _ordered(value[key])
            for key in sorted(value, key=lambda key: (rank.get(key, len(rank)), key))
        }
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _filled(inner: str, body: Object) -> Object:
    """With the fields that upstream's types always show."""
    if inner == "user" and body.get("exec"):
        plugin = {"command": "", "args": None, "env": None, "provideClusterInfo": False, **body["exec"]}
        return {**body, "exec": plugin}
    return {
        **dict.fromkeys({"cluster": ("server",), "context": ("cluster", "user")}.get(inner, ()), ""),
        **body,
    }


def _redacted(body: Object) -> Object:
    return {key: SECRET_FIELDS.get(key, value) for key, value in body.items()}


def _minified(config: Object, context: str) -> Object:
    name = context or config["current-context"]
    chosen = kubeconfig.entry(config, "contexts", name)
    if chosen is None:
        raise CliError("cannot locate context " + name)
    keep = {"contexts": name, "clusters": chosen.get("cluster"), "users": chosen.get("user")}
    parts = {section: [e for e in config[section] if e["name"] == kept] for section, kept in keep.items()}
    return {**config, **parts, "current-context": name}


def current_context(session: Session, flags: Values, arguments: list[str]) -> int:
    name = session.config["current-context"]
    if not name:
        raise CliError("current-context is not set")
    print(name)
    return 0


def get_contexts(session: Session, flags: Values, arguments: list[str]) -> int:
    config = session.config
    names = arguments or sorted(entry["name"] for entry in config["contexts"])
    if flags["output"] == "name":
        print("\n".join(names))
        return 0
    if flags["output"]:
        raise CliError(
            f"--output {flags['output']} is not available in kubectl config get-contexts; resetting to default output format"
        )
    rows = [] if flags["no-headers"] else [["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]]
    for name in names:
        body = kubeconfig.entry(config, "contexts", name)
        if body is None:
            ColumnWriter().write(rows)
            raise CliError(f"context {name} not found")
        mark = "*" if name == config["current-context"] else ""
        rows.append([mark, name, body.get("cluster", ""), body.get("user", ""), body.get("namespace", "")])
    ColumnWriter().write(rows)
    return 0


def get_clusters(session: Session, flags: Values, arguments: list[str]) -> int:
    print("\n".join(["NAME", *sorted(entry["name"] for entry in session.config["clusters"])]))
    return 0


def get_users(session: Session, flags: Values, arguments: list[str]) -> int:
    print("\n".join(["NAME", *sorted(entry["name"] for entry in session.config["users"])]))
    return 0


# --- contexts


def use_context(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise unexpected(session, arguments)
    (name,) = arguments
    if kubeconfig.entry(session.config, "contexts", name) is None:
        raise CliError(f'no context exists with the name: "{name}"')
    path = config_files.file_of(session)
    config_files.write(path, {**config_files.read(path), "current-context": name})
    print(f'Switched to context "{name}".')
    return 0


def set_context(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) > 1:
        raise unexpected(session, arguments)
    name = session.config["current-context"] if flags["current"] else "".join(arguments)
    if not name:
        raise CliError("you must specify a non-empty context name or --current")
    given: Object = {flag: flags[flag] for flag in ("cluster", "user", "namespace") if flag in flags.given}
    was_there = config_files.change_entry(session, "contexts", name, lambda body: body.update(given))
    print(f'Context "{name}" {"modified" if was_there else "created"}.')
    return 0


def delete_context(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(of_path(session.path))
        return 0
    (name,) = arguments
    path = config_files.delete_entry(session, "contexts", name)
    if session.config["current-context"] == name:
        warn(
            'warning: this removed your active context, use "kubectl config use-context" to select a different one'
        )
    print(f"deleted context {name} from {path}")
    return 0


_USE = Command(use_context, (), "CONTEXT_NAME", "Set the current-context in a kubeconfig file.")
CONFIG = Command(
    None,
    usage="SUBCOMMAND",
    summary="Modify kubeconfig files.",
    subcommands={
        **config_entries.COMMANDS,
        **config_values.COMMANDS,
        "current-context": Command(current_context, summary="Display the current-context."),
        "delete-context": Command(delete_context, (), "NAME", "Delete the specified context from the kubeconfig."),
        "get-clusters": Command(get_clusters, summary="Display clusters defined in the kubeconfig."),
        "get-contexts": Command(
            get_contexts, (Flag("output", "o", help="name."), Flag("no-headers", kind="bool")), "[NAME]",
            "Describe one or many contexts.",
        ),
        "get-users": Command(get_users, summary="Display users defined in the kubeconfig."),
        "set-context": Command(
            set_context, (Flag("current", kind="bool", help="Modify the current context."),),
            "[NAME | --current] [--cluster=cluster] [--user=user] [--namespace=namespace]",
            "Set a context entry in kubeconfig.",
        ),
        "use-context": _USE,
        "use": _USE,
        "view": Command(
            view,
            (
                *OUTPUT,
                Flag("merge", kind="bool", default=True, help="Merge the files of KUBECONFIG; else one must be named."),
                Flag("raw", kind="bool", help="Show secrets."),
                Flag("minify", kind="bool", help="Only what the current context uses."),
                Flag("flatten", kind="bool", help="Show secrets inline."),
            ),
            summary="Display merged kubeconfig settings.",
        ),
    },
)  # fmt: skip
