"""What one call of a command works with: its flags, the kubeconfig, the connection, the namespace, the resource mapper."""

import sys
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Values, duration

if TYPE_CHECKING:
    from pinnace.cli.mapper import Mapper
    from pinnace.cli.transport import Transport
    from pinnace.client.kubeconfig import Connection

COMPLETES = "--completes"  # among the flags' values: somebody waits at a prompt and asked nothing
COMPLETION_SECONDS = 15.0
# with one of these given, what kubectl checks before it connects is worth the time
CHECKED_FLAGS = ("as-group", "as-uid", "as-user-extra", "username", "password", "certificate-authority",
                 "client-certificate", "client-key")  # fmt: skip


class Session:
    """`path` is the command as typed, for messages: `kubectl rollout status`."""

    def __init__(self, flags: Values, path: str) -> None:
        self.flags, self.path = flags, path
        self.program = path.split(" ", 1)[0]

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transport = self.__dict__.get("http")
        if transport is not None:
            transport.close()
            if transport.warned and self.flags["warnings-as-errors"] and error is None:
                raise CliError("1 warning received")

    @cached_property
    def config(self) -> dict[str, Any]:
        from pinnace.client import kubeconfig

        try:
            return kubeconfig.load(self.flags["kubeconfig"])
        except kubeconfig.KubeconfigErrors as error:
            raise PlainError(str(error)) from error
        except kubeconfig.KubeconfigError as error:
            raise CliError(str(error)) from error

    @property
    def unresolved_config(self) -> dict[str, Any]:
        """With the names of files as they stand there."""
        from pinnace.client import kubeconfig

        try:
            return kubeconfig.load(self.flags["kubeconfig"], resolve=False)
        except kubeconfig.KubeconfigError as error:
            raise CliError(str(error)) from error

    @cached_property
    def connection(self) -> "Connection":
        from pinnace.client import kubeconfig

        flags = self.flags
        if not self._is_plain():
            self._check()
        try:
            found = kubeconfig.connection(
                self.config, context=flags["context"], cluster=flags["cluster"], user=flags["user"]
            )
        except kubeconfig.Unusable as error:
            self._check()
            raise CliError(str(error)) from error
        except kubeconfig.KubeconfigError as error:
            if flags["context"] and str(error).startswith("context"):
                name = flags["context"]
                raise PlainError(
                    f"Error in configuration: context was not found for specified context: {name}"
                ) from error
            if flags["cluster"] and str(error).startswith("cluster"):
                raise CliError(f'no server found for cluster "{flags["cluster"]}"') from error
            raise CliError(str(error)) from error
        from pinnace.cli.connecting import with_flags

        return with_flags(found, self.config, flags)

    def _is_plain(self) -> bool:
        """Whether the configuration is of the usual sort, in which nothing can be wrong that `check` would find."""
        from pinnace.client.kubeconfig import entry

        config, flags = self.config, self.flags
        if any(flags[name] for name in CHECKED_FLAGS) or (flags["token"] and not config["users"]):
            return False
        context = flags["context"] or config["current-context"]
        chosen = entry(config, "contexts", context) if context else {}
        if chosen is None:
            return False
        cluster = entry(config, "clusters", flags["cluster"] or chosen.get("cluster", "")) or {}
        user = entry(config, "users", flags["user"] or chosen.get("user", "")) or {}
        is_plain = cluster.keys() <= {"server", "certificate-authority-data", "tls-server-name"}
        if not is_plain or not (cluster.get("server") or not cluster):
            return False
        return user.keys() <= {"token"} or user.keys() == {"client-certificate-data", "client-key-data"}

    def _check(self) -> None:
        from pinnace.cli.config_checks import check

        check(self.config, self.flags)

    @cached_property
    def http(self) -> "Transport":
        from pinnace.cli.connecting import is_known
        from pinnace.cli.transport import Transport

        flags = self.flags
        try:
            timeout = duration(flags["request-timeout"])
        except ValueError:
            if not flags["request-timeout"].isdigit():
                raise CliError(
                    "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
                    "corresponding time unit (e.g. 1s | 2m | 3h)"
                ) from None
            timeout = float(flags["request-timeout"])
        if self.connection.exec_plugin and flags.get("--preferences"):
            from pinnace.cli.kuberc import check_plugin

            check_plugin(flags["--preferences"], self.connection.exec_plugin)
        completes = flags.get(COMPLETES)
        if not is_known(self.connection):
            if completes:
                raise CliError("there are no credentials")
            from pinnace.cli.config_checks import asked_for

            username, password = asked_for()
            self.connection = self.connection._replace(username=username, password=password)
        http = Transport(
            self.connection,
            timeout=max(0.0, timeout) or (COMPLETION_SECONDS if completes else None),
            asked_timeout=timeout,
            verbosity=flags["v"],
            **({"repeats": 0} if completes else {}),
        )
        if flags["match-server-version"]:
            from pinnace.cli.client_version import check_match

            check_match(http)
        return http

    @cached_property
    def mapper(self) -> "Mapper":
        from pinnace.cli.mapper import Mapper

        return Mapper(self.http, self.flags["cache-dir"])

    @property
    def namespace(self) -> str:
        """The namespace asked for, the context's, or `default`."""
        return self.flags["namespace"] or self.connection.namespace or "default"

    @property
    def namespace_is_given(self) -> bool:
        return bool(self.flags["namespace"])


def warn(text: str) -> None:
    print(text, file=sys.stderr)
