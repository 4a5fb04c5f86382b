"""`config set-cluster`, `set-credentials`, `delete-cluster`, `delete-user`, `rename-context`: whole entries of the kubeconfig."""

import base64
import os
from typing import Any

from pinnace.cli.command import Command, Run
from pinnace.cli.commands import config_files
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.help import unexpected
from pinnace.cli.session import Session
from pinnace.client import kubeconfig

Object = dict[str, Any]


def _only(arguments: list[str], text: str = "Unexpected args") -> str:
    if len(arguments) != 1:
        raise CliError(f"{text}: [{' '.join(arguments)}]")
    return arguments[0]


def set_cluster(session: Session, flags: Values, arguments: list[str]) -> int:
    name = _only(arguments)
    given = {flag: flags[f"new-{flag}"] for flag in _CLUSTER if f"new-{flag}" in flags.given}
    if given.get("certificate-authority") and given.get("insecure-skip-tls-verify"):
        raise CliError("you cannot specify a certificate authority and insecure mode at the same time")
    if flags["embed-certs"] and not given.get("certificate-authority"):
        raise CliError("you must specify a --certificate-authority to embed")

    def change(body: Object) -> None:
        for flag, value in given.items():
            if flag == "certificate-authority":
                _put_file(body, flag, value, flags)
                if value:
                    body.pop("insecure-skip-tls-verify", None)
            elif flag == "server" or value:
                body[flag] = value
            else:
                body.pop(flag, None)
            if flag == "insecure-skip-tls-verify" and value:
                body.pop("certificate-authority", None)
                body.pop("certificate-authority-data", None)
        body.setdefault("server", "")

    config_files.change_entry(session, "clusters", name, change)
    print(f'Cluster "{name}" set.')
    return 0


def set_credentials(session: Session, flags: Values, arguments: list[str]) -> int:
    name = _only(arguments, "unexpected args")
    given = {flag: flags[f"new-{flag}"] for flag in _USER if f"new-{flag}" in flags.given}
    if given.get("token") and (given.get("username") or given.get("password")):
        raise CliError(
            "you cannot specify more than one authentication method at the same time: --token, --username/--password"
        )
    if flags["embed-certs"] and not (given.get("client-certificate") or given.get("client-key")):
        raise CliError("you must specify a --client-certificate or --client-key to embed")

    def change(body: Object) -> None:
        for flag, value in given.items():
            if flag.startswith("client-"):
                _put_file(body, flag, value, flags)
            elif value:
                body[flag] = value
            else:
                body.pop(flag, None)
        if given.get("token"):
            _drop(body, "tokenFile", "username", "password")
        if given.get("username") or given.get("password"):
            _drop(body, "token", "tokenFile")
        _put_exec(body, flags)

    config_files.change_entry(session, "users", name, change)
    print(f'User "{name}" set.')
    return 0


def _drop(body: Object, *fields: str) -> None:
    for field in fields:
        body.pop(field, None)


def _put_file(body: Object, field: str, path: str, flags: Values) -> None:
    """The path made absolute, or what is in the file."""
    body.pop(f"{field}-data", None)
    body.pop(field, None)
    if not path:
        return
    path = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 (start-up time)
    if flags["embed-certs"]:
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                body[f"{field}-data"] = base64.b64encode(file.read()).decode()
        except OSError as error:
            reason = str(error.strerror).lower()
            raise CliError(f"could not stat {field} file {path}: stat {path}: {reason}") from error
    else:
        body[field] = path


def _put_exec(body: Object, flags: Values) -> None:
    """The plugin that gives credentials: its command, arguments and variables; `NAME-` removes a variable."""
    names = (
        "exec-command",
        "exec-api-version",
        "exec-arg",
        "exec-env",
        "exec-interactive-mode",
        "exec-provide-cluster-info",
    )
    if not flags.given & set(names):
        return
    plugin = body.setdefault("exec", {"args": None, "command": "", "env": None, "provideClusterInfo": False})
    for flag, field in (("exec-command", "command"), ("exec-api-version", "apiVersion"), ("exec-arg", "args"),
                        ("exec-interactive-mode", "interactiveMode"), ("exec-provide-cluster-info", "provideClusterInfo")):  # fmt: skip
        if flag in flags.given:
            plugin[field] = flags[flag]
    variables = {one["name"]: one["value"] for one in plugin.get("env") or ()}
    for text in flags["exec-env"]:
        name, equals, value = text.partition("=")
        if equals:
            variables[name] = value
        elif text.endswith("-"):
            variables.pop(text[:-1], None)
        else:
            raise CliError(f"invalid exec-env format: {text}")
    plugin["env"] = [{"name": name, "value": value} for name, value in variables.items()] or None


def rename_context(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise unexpected(session, arguments)
    old, new = arguments
    path = config_files.file_of(session, "contexts", old)
    if kubeconfig.entry(session.config, "contexts", old) is None:
        raise CliError(f'cannot rename the context "{old}", it\'s not in {path}')
    if kubeconfig.entry(session.config, "contexts", new) is not None:
        raise CliError(f'cannot rename the context "{old}", the context "{new}" already exists in {path}')
    config = config_files.read(path)
    for entry in config["contexts"]:
        if entry["name"] == old:
            entry["name"] = new
    if config.get("current-context") == old:
        config["current-context"] = new
    config_files.write(path, config)
    current = config_files.file_of(session)
    if current != path and (other := config_files.read(current)).get("current-context") == old:
        config_files.write(current, {**other, "current-context": new})
    print(f'Context "{old}" renamed to "{new}".')
    return 0


def _deleting(section: str) -> Run:
    kind = config_files.INNER[section]

    def run(session: Session, flags: Values, arguments: list[str]) -> int:
        if len(arguments) != 1:
            raise CliError(f"{kind} to delete is required\nSee '{session.path} -h' for help and examples")
        path = config_files.delete_entry(session, section, arguments[0])
        print(f"deleted {kind} {arguments[0]} from {path}")
        return 0

    return run


_CLUSTER = (
    "server",
    "certificate-authority",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "proxy-url",
    "disable-compression",
)
_USER = ("client-certificate", "client-key", "token", "username", "password")
_BOOLEANS = ("insecure-skip-tls-verify", "disable-compression")


def _flag(name: str, what: str) -> Flag:
    """For the entry, not for this call: it hides the global flag of the same name."""
    kind = "bool" if name in _BOOLEANS else "str"
    return Flag(name, kind=kind, key=f"new-{name}", help=f"{name} for the {what} entry.")


_EMBED = Flag("embed-certs", kind="bool", help="Put the contents of certificate files into the kubeconfig.")
COMMANDS = {
    "delete-cluster": Command(_deleting("clusters"), (), "NAME", "Delete the specified cluster from the kubeconfig."),
    "delete-user": Command(_deleting("users"), (), "NAME", "Delete the specified user from the kubeconfig."),
    "rename-context": Command(rename_context, (), "CONTEXT_NAME NEW_NAME", "Rename a context from the kubeconfig file."),
    "set-cluster": Command(
        set_cluster, (*(_flag(name, "cluster") for name in _CLUSTER), _EMBED),
        "NAME [--server=server] [--certificate-authority=path] [--insecure-skip-tls-verify=true] [--tls-server-name=name]",
        "Set a cluster entry in kubeconfig.",
    ),
    "set-credentials": Command(
        set_credentials,
        (
            *(_flag(name, "user") for name in _USER), _EMBED,
            Flag("exec-command", help="The program that gives credentials."),
            Flag("exec-api-version", help="API version of its answers."),
            Flag("exec-arg", kind="repeat", help="Its arguments."),
            Flag("exec-env", kind="repeat", help="NAME=VALUE for its environment; NAME- removes one."),
            Flag("exec-interactive-mode", help="Never, IfAvailable or Always."),
            Flag("exec-provide-cluster-info", kind="bool", help="Tell it about the cluster."),
        ),
        "NAME [--client-certificate=path] [--client-key=path] [--token=token] [--username=user] [--password=password] [--exec-command=command]",
        "Set a user entry in kubeconfig.",
    ),
}  # fmt: skip
