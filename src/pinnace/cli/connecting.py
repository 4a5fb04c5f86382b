"""From a kubeconfig's context and the global flags to one connection: what wins, what does not go together, in kubectl's words."""

import os
from typing import Any

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values
from pinnace.client import kubeconfig
from pinnace.client.kubeconfig import Connection

Object = dict[str, Any]
NO_SERVER = "localhost:8080"
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def with_flags(found: Connection, config: Object, flags: Values) -> Connection:
    """The connection of a context, changed by flags and checked."""
    who, cluster = _names(config, flags)
    changes = _changes(flags, who, cluster)
    if not found.server and not changes and (inside := in_cluster()):
        return inside._replace(impersonate=_impersonated((), flags, who))
    if found.token_file:  # it wins over --token, as upstream has it
        changes.pop("token", None)
    changes["impersonate"] = _impersonated(found.impersonate, flags, who)
    found = found._replace(**changes)
    found = found if found.server else found._replace(server=f"http://{NO_SERVER}")
    if not found.server.lower().startswith("https://"):
        return found._replace(token="", token_file="", username="", password="", exec_plugin=None)
    version = (found.exec_plugin or {}).get("apiVersion", EXEC_VERSIONS[0])
    if version not in EXEC_VERSIONS:
        raise CliError(f'exec plugin: invalid apiVersion "{version}"')
    return found


def is_known(connection: Connection) -> bool:
    """Whether there are credentials, or nobody asks for some."""
    given = connection.token or connection.username or connection.password or connection.certificate
    return bool(given or connection.exec_plugin) or not connection.server.lower().startswith("https://")


def _names(config: Object, flags: Values) -> tuple[str, str]:
    """Of the user and the cluster."""
    context = (
        kubeconfig.entry(config, "contexts", flags["context"] or config.get("current-context") or "") or {}
    )
    return flags["user"] or context.get("user", ""), flags["cluster"] or context.get("cluster", "")


def _changes(flags: Values, who: str, cluster: str) -> Object:
    changes: Object = {}
    for flag, part in (("server", "server"), ("token", "token"), ("username", "username"),
                       ("password", "password"), ("tls-server-name", "tls_server_name")):  # fmt: skip
        if flags[flag]:
            changes[part] = flags[flag]
    if flags["insecure-skip-tls-verify"] and flags["certificate-authority"]:
        raise CliError("specifying a root certificates file with the insecure flag is not allowed")
    if flags["insecure-skip-tls-verify"]:
        changes.update(insecure=True, ca="")
    for flag, part, about in (
        ("client-certificate", "certificate", ("client-cert", who)),
        ("client-key", "key", ("client-key", who)),
        ("certificate-authority", "ca", ("certificate-authority", cluster)),
    ):
        if flags[flag]:
            changes[part] = _read(flags[flag], *about)
    if flags["disable-compression"]:
        changes["compresses"] = False
    return changes


def _impersonated(
    of_user: tuple[tuple[str, str], ...], flags: Values, who: str
) -> tuple[tuple[str, str], ...]:
    """The headers; what flags say replaces what the kubeconfig says, one thing at a time."""
    extra: dict[str, list[str]] = {}
    for pair in flags["as-user-extra"]:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise CliError(f"invalid user extra: {pair}, must be of the form key=value")
        extra.setdefault(key, []).append(value)
    given = {
        "as": flags["as"],
        "as-groups": flags["as-group"],
        "as-uid": flags["as-uid"],
        "as-user-extra": extra,
    }
    given = {name: value for name, value in given.items() if value}
    if not given:
        return of_user
    if "as" not in given:
        if not of_user:
            raise CliError(f"requesting uid, groups or user-extra for {who} without impersonating a user")
        given["as"] = of_user[0][1]
    names = {"Impersonate-User": "as", "Impersonate-Group": "as-groups", "Impersonate-Uid": "as-uid"}
    kept = [pair for pair in of_user if names.get(pair[0], "as-user-extra") not in given]
    return (*kubeconfig.impersonation(given), *kept)


def in_cluster(folder: str = SERVICE_ACCOUNT) -> Connection | None:
    """How a pod reaches the server of its cluster; None outside of pods."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port and os.path.exists(f"{folder}/token")):  # noqa: PTH110 (start-up time)
        return None
    address = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{address}:{port}", ca=_read(f"{folder}/ca.crt"), token=_read(f"{folder}/token").strip(),
        token_file=f"{folder}/token", namespace=_read(f"{folder}/namespace").strip(),
    )  # fmt: skip


def _read(path: str, name: str = "", owner: str = "") -> str:
    try:
        with open(path) as file:  # noqa: PTH123 (pathlib costs start-up time)
            return file.read()
    except OSError as error:
        about = f"unable to read {name} {path} for {owner} due to open {path}" if name else f"open {path}"
        raise CliError(f"{about}: {str(error.strerror).lower()}") from error
