"""What kubectl finds wrong with a cluster and a user of the kubeconfig (flags put over them) before it connects; and its question
for a name and a password where there is nothing to be known by.

Imported only where there is something to look at: embedded certificates and tokens, which most files have, need no look.
"""

import os
import re
import sys
from typing import Any

from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Values
from pinnace.client import kubeconfig

Object = dict[str, Any]


def check(config: Object, flags: Values) -> None:
    """Raises what kubectl says of the configuration, all of it at once."""
    context = flags["context"] or config.get("current-context") or ""
    chosen = kubeconfig.entry(config, "contexts", context) if context else {}
    missing = [f"context was not found for specified context: {context}"] if chosen is None else []
    chosen = chosen or {}
    if flags["cluster"] and kubeconfig.entry(config, "clusters", flags["cluster"]) is None:
        return  # said elsewhere
    cluster_name = flags["cluster"] or chosen.get("cluster", "")
    user_name = flags["user"] or chosen.get("user", "")
    user = _with_flags(
        kubeconfig.entry(config, "users", user_name), flags, ("client-certificate", "client-key")
    )
    for name in ("username", "password", "token"):
        if flags[name]:
            user[name] = flags[name]
    cluster = _with_flags(
        kubeconfig.entry(config, "clusters", cluster_name), flags, ("certificate-authority",)
    )
    if flags["server"]:
        cluster["server"] = flags["server"]
    found = [*missing, *_of_user(user_name, user, flags), *_of_cluster(cluster_name, cluster)]
    if missing and len(found) == 1:
        raise PlainError(f"Error in configuration: {found[0]}")
    if len(found) == 1:
        raise CliError(found[0])
    if found:
        raise PlainError("\n".join(["Error in configuration: ", *(f"* {problem}" for problem in found)]))


def _with_flags(body: Object | None, flags: Values, names: tuple[str, ...]) -> Object:
    """A file that a flag names takes the place of what is embedded, too."""
    found = dict(body or {})
    for name in names:
        if flags[name]:
            found.pop(f"{name}-data", None)
            found[name] = flags[name]
    return found


def _of_user(name: str, user: Object, flags: Values) -> list[str]:
    methods = ["token"] if user.get("token") else []
    methods += ["basicAuth"] if user.get("username") or user.get("password") else []
    found = []
    certificate, key = user.get("client-certificate"), user.get("client-key")
    if certificate or user.get("client-certificate-data"):
        if certificate and user.get("client-certificate-data"):
            found.append(
                f"client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
            )
        if key and user.get("client-key-data"):
            found.append(
                f"client-key-data and client-key are both specified for {name}; client-key-data will override"
            )
        if not key and not user.get("client-key-data"):
            found.append(
                f"client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
            )
        found += _unreadable("client-cert", certificate, name) if certificate else []
        found += _unreadable("client-key", key, name) if key else []
    plugin = user.get("exec")
    if plugin:
        found += _of_plugin(name, user, plugin)
    if len(methods) > 1:
        found.append(
            f"more than one authentication method found for {name}; found [{' '.join(methods)}], only one is allowed"
        )
    if (flags["as-group"] or flags["as-uid"] or flags["as-user-extra"]) and not (
        flags["as"] or user.get("as")
    ):
        found.append(f"requesting uid, groups or user-extra for {name} without impersonating a user")
    return found


def _of_plugin(name: str, user: Object, plugin: Object) -> list[str]:
    found = []
    if user.get("auth-provider"):
        found.append(f"authProvider cannot be provided in combination with an exec plugin for {name}")
    for field in ("command", "apiVersion"):
        if not plugin.get(field):
            found.append(f"{field} must be specified for {name} to use exec authentication plugin")
    if any(not (one or {}).get("name") for one in plugin.get("env") or ()):
        found.append(f"env variable name must be specified for {name} to use exec authentication plugin")
    mode = plugin.get("interactiveMode") or ""
    if mode not in ("", "Never", "IfAvailable", "Always"):
        found.append(
            f'invalid interactiveMode for {name}: "{mode}"; valid values are "", "Never", "IfAvailable", and "Always"'
        )
    if not mode and str(plugin.get("apiVersion", "")).endswith("/v1"):
        found.append(f"interactiveMode must be specified for {name} to use exec authentication plugin")
    return found


def _of_cluster(name: str, cluster: Object) -> list[str]:
    found = []
    if not cluster:
        return []  # nothing is configured: the default address is asked
    if not cluster.get("server"):
        found.append(
            f'no server found for cluster "{name}"' if name else "default cluster has no server defined"
        )
    proxy = str(cluster.get("proxy-url") or "")
    if proxy and (problem := _wrong_proxy(proxy)):
        found.append(f'invalid \'proxy-url\' "{proxy}" for cluster "{name}": {problem}')
    authority = cluster.get("certificate-authority")
    if authority and cluster.get("certificate-authority-data"):
        found.append(
            f"certificate-authority-data and certificate-authority are both specified for {name}. "
            "certificate-authority-data will override."
        )
    return found + (_unreadable("certificate-authority", authority, name) if authority else [])


def _wrong_proxy(text: str) -> str:
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    if scheme is None and ":" in text.split("/", maxsplit=1)[0]:
        return f'parse "{text}": first path segment in URL cannot contain colon'
    if scheme is None:
        return 'unsupported scheme "", must be http, https, or socks5'
    if scheme[1] not in ("http", "https", "socks5"):
        return f'unsupported scheme "{scheme[1]}", must be http, https, or socks5'
    return ""


def _unreadable(what: str, path: str, name: str) -> list[str]:
    try:
        with open(path):  # noqa: PTH123
            return []
    except OSError as error:
        return [f"unable to read {what} {path} for {name} due to open {path}: {str(error.strerror).lower()}"]


def asked_for() -> tuple[str, str]:
    """(username, password) as kubectl asks for them; a password only at a terminal."""
    print("Please enter Username: ", end="", flush=True)
    words = sys.stdin.readline().split()
    if not words:
        raise CliError("EOF")
    print("Please enter Password: ", end="", flush=True)
    if not os.isatty(0):
        raise CliError("error reading input for Password")
    from getpass import getpass

    return words[0], getpass("")
