"""Credential plugins of a kubeconfig's `exec` section: run the program, take token or certificate from its ExecCredential.

What it said is kept until it expires or the server refuses it, for this process only, as upstream does.
"""

import json
import os
import sys
from typing import Any, NamedTuple

from pinnace.cli import clock
from pinnace.cli.errors import PlainError
from pinnace.client.kubeconfig import Connection

GROUP = "client.authentication.k8s.io"
NOT_INSTALLED = (
    "\n\nIt looks like you are trying to use a client-go credential plugin that is not installed.\n\n"
    "To learn more about this feature, consult the documentation available at:\n"
    "      https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins"
)


class Credentials(NamedTuple):
    token: str = ""
    certificate: str = ""
    key: str = ""


class ExecPlugin:
    def __init__(self, connection: Connection) -> None:
        self._plugin: dict[str, Any] = connection.exec_plugin or {}
        self._connection = connection
        self._kept: Credentials | None = None
        self._expires: float | None = None

    def credentials(self) -> Credentials:
        if self._kept is None or (self._expires is not None and clock.now() > self._expires):
            self._kept = self._asked()
        return self._kept

    def refresh(self) -> bool:
        """After the server's refusal: whether there are other credentials now. Does not raise."""
        before = self._kept
        try:
            self._kept = self._asked()
        except PlainError as error:
            print(f"refreshing credentials: {str(error).removeprefix(_BEFORE)}", file=sys.stderr)
            return False
        return self._kept != before

    def _asked(self) -> Credentials:
        status = self._status(self._output())
        found = Credentials(
            *(_text(status, name) for name in ("token", "clientCertificateData", "clientKeyData"))
        )
        if not any(found):
            raise _failed("exec plugin didn't return a token or cert/key pair")
        if bool(found.certificate) != bool(found.key):
            raise _failed("exec plugin returned only certificate or key, not both")
        for text, kind in ((found.certificate, "certificate"), (found.key, "key")):
            if text and "-----BEGIN " not in text:
                raise _failed(
                    f"failed parsing client key/certificate: tls: failed to find any PEM data in {kind} input"
                )
        self._expires = _seconds(_text(status, "expirationTimestamp"))
        return found

    def _output(self) -> bytes:
        import subprocess

        plugin, is_interactive = self._plugin, self._is_interactive()
        environment = {
            **os.environ,
            **{pair["name"]: str(pair.get("value", "")) for pair in plugin.get("env") or ()},
        }
        environment["KUBERNETES_EXEC_INFO"] = self._info(is_interactive)
        command = [plugin["command"], *map(str, plugin.get("args") or ())]
        stdin = None if is_interactive else subprocess.DEVNULL
        try:
            done = subprocess.run(command, env=environment, stdin=stdin, stdout=subprocess.PIPE, check=False)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            if "/" in command[0]:
                raise _failed(f"exec: fork/exec {command[0]}: {reason}") from None
            hint = f"\n\n{plugin['installHint']}" if plugin.get("installHint") else ""
            raise _failed(f"exec: executable {command[0]} not found{NOT_INSTALLED}{hint}") from None
        if done.returncode:
            code = max(done.returncode, -1)  # Go says -1 of every signal
            raise _failed(f"exec: executable {command[0]} failed with exit code {code}")
        return done.stdout

    def _is_interactive(self) -> bool:
        mode = self._plugin.get("interactiveMode") or "IfAvailable"
        is_terminal = os.isatty(0)
        if mode == "Always" and not is_terminal:
            raise _failed("exec plugin cannot support interactive mode: standard input is not a terminal")
        return mode != "Never" and is_terminal

    def _info(self, is_interactive: bool) -> str:
        spec: dict[str, Any] = {"cluster": self._cluster()} if self._plugin.get("provideClusterInfo") else {}
        spec["interactive"] = is_interactive
        told = {"kind": "ExecCredential", "apiVersion": self._plugin["apiVersion"], "spec": spec}
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False) + "\n"

    def _cluster(self) -> dict[str, Any]:
        from binascii import b2a_base64

        to = self._connection
        parts = {
            "server": to.server,
            "tls-server-name": to.tls_server_name,
            "insecure-skip-tls-verify": to.insecure,
            "certificate-authority-data": b2a_base64(to.ca.encode(), newline=False).decode(),
            "proxy-url": to.proxy_url,
            "disable-compression": not to.compresses,
        }
        return {**{name: value for name, value in parts.items() if value}, "config": to.cluster_config}

    def _status(self, output: bytes) -> dict[str, Any]:
        """Of the ExecCredential that the plugin printed, as JSON or YAML."""
        wanted = self._plugin["apiVersion"]
        found = _decoded(output)
        version, kind = (
            str(found.get("apiVersion") or f"{GROUP}/__internal"),
            found.get("kind") or "ExecCredential",
        )
        if kind != "ExecCredential" or not version.startswith(f"{GROUP}/"):
            scheme = 'in scheme "pkg/client/auth/exec/exec.go:62"'
            raise _failed(f'decoding stdout: no kind "{kind}" is registered for version "{version}" {scheme}')
        if version != wanted:
            raise _failed(
                f"exec plugin is configured to use API version {wanted}, plugin returned version {version}"
            )
        status = found.get("status")
        if not isinstance(status, dict):
            raise _failed("exec plugin didn't return a status field")
        return status


_BEFORE = "Unable to connect to the server: getting credentials: "


def _failed(reason: str) -> PlainError:
    return PlainError(_BEFORE + reason)


def _decoded(output: bytes) -> dict[str, Any]:
    try:
        found = json.loads(output)
    except ValueError:
        import yaml

        try:
            found = yaml.safe_load(output)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            told = str(error).splitlines()[0]
            raise _failed(f"decoding stdout: couldn't get version/kind; json parse error: {told}") from None
    if not isinstance(found, dict | None):
        kinds: dict[type, str] = {list: "array", str: "string", int: "number", float: "number", bool: "bool"}
        what = f"json: cannot unmarshal {kinds.get(type(found), 'string')} into Go value of type struct"
        fields = (
            r'{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
        )
        raise _failed(f"decoding stdout: couldn't get version/kind; json parse error: {what} {fields}")
    return found or {}


def _text(status: dict[str, Any], name: str) -> str:
    value = status.get(name)
    if value is not None and hasattr(value, "isoformat"):  # YAML's own times
        return str(value.isoformat())
    if not isinstance(value, str | None):
        raise _failed(f"decoding stdout: status.{name} is not a string")
    return value or ""


def _seconds(text: str) -> float | None:
    if not text:
        return None
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _failed(f'decoding stdout: parsing time "{text}"') from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
