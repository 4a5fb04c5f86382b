"""A thin synchronous HTTPS client on the standard library: requests, streams (watch, logs) and upgrades (exec).

One connection is kept open and used for all requests of a command.
"""

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pinnace import __version__
from pinnace.cli import json_text, urls
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.client.kubeconfig import Connection
from pinnace.net import http_client

if TYPE_CHECKING:
    import ssl

    from pinnace.cli.proxies import Proxy

Object = dict[str, Any]
Query = dict[str, str] | list[tuple[str, str]]
JSON = "application/json"
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


class Transport:
    """`timeout` bounds each request; None waits for ever. `verbose` shows requests on standard error."""

    def __init__(self, connection: Connection, *, timeout: float | None = None, verbose: bool = False,
                 impersonate: "tuple[tuple[str, str], ...]" = (), asked_timeout: float = 0.0) -> None:  # fmt: skip
        self.connection = connection
        try:
            self._tls, self.host, self.port, self.path = urls.server_of(connection.server)
        except ValueError as error:
            raise CliError(f'host must be a URL or a host:port pair: "{connection.server}"') from error
        scheme = connection.server.partition("://")[0].lower()
        if "://" in connection.server and scheme not in ("http", "https"):
            raise PlainError(f'Unable to connect to the server: unsupported protocol scheme "{scheme}"')
        if self.port > 65535:
            raise PlainError(f"Unable to connect to the server: dial tcp: address {self.port}: invalid port")
        self._timeout, self._verbose, self._impersonate = timeout, verbose, impersonate
        self._asked_timeout = asked_timeout  # told to the server, too
        self._open: http_client.Connection | None = None
        self._context: ssl.SSLContext | None = None
        if connection.insecure and connection.ca:
            raise CliError("specifying a root certificates file with the insecure flag is not allowed")
        if self._tls and _are_odd(connection):
            self._context = tls_context(connection)  # said before anything is connected
        self._token = connection.token
        self.warned = False

    # --- requests

    def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> Any:
        return self.request("GET", path, query, accept=accept)

    def request(self, method: str, path: str, query: Query | None = None, body: Any = None, *,
                content_type: str = JSON, accept: str = JSON) -> Any:  # fmt: skip
        """The decoded answer, an object; raises ServerError for a Status of failure."""
        response, payload = self._answer(method, path, query, body, content_type, accept)
        kind = response.header("content-type") or ""
        try:
            found = json_text.loads(payload)
        except (ValueError, RecursionError) as error:
            from pinnace.cli.answers import not_json

            raise CliError(not_json(payload, kind, path)) from error
        if not isinstance(found, dict | None):
            from pinnace.cli.answers import wrong_kind

            raise CliError(wrong_kind(found, path))
        if not found or "kind" not in found or found["kind"] == "Status" or kind.startswith("text/"):
            from pinnace.cli.answers import check_object

            check_object(found, payload, kind, path)
        return found or {}

    def raw(self, method: str, path: str, query: Query | None = None, body: Any = None, *,
            content_type: str = JSON, accept: str = JSON) -> bytes:  # fmt: skip
        return self._answer(method, path, query, body, content_type, accept)[1]

    def _answer(self, method: str, path: str, query: Query | None, body: Any, content_type: str, accept: str,
                ) -> tuple[http_client.Response, bytes]:  # fmt: skip
        """The answer and its body, when it is one of success."""
        if self._asked_timeout:
            from pinnace.apimachinery.times import go_duration

            pairs = query.items() if isinstance(query, dict) else query or ()
            query = [*pairs, ("timeout", go_duration(self._asked_timeout))]
        response = self._send(self._connected(), method, path, query, body, content_type, accept)
        payload = self._whole(response)
        if response.will_close:
            self.close()
        if response.status >= 400:
            raise _error(response, payload, method, path)
        if response.status >= 300:
            # Not followed: the token would go wherever an answer says.
            where = response.header("location") or "nowhere"
            raise PlainError(
                f"Unable to connect to the server: it answered {response.status}, a redirect to {where}"
            )
        return response, payload

    def stream(self, path: str, query: Query | None = None, *, accept: str = JSON) -> "Stream":
        """An answer that is read while it comes, on a connection of its own."""
        connection = self._connect()
        response = self._send(connection, "GET", path, query, None, JSON, accept)
        if response.status >= 400:
            raise _error(response, self._whole(response), "GET", path)
        return Stream(connection, response)

    def upgrade(
        self, path: str, query: Query, headers: dict[str, str], method: str = "GET"
    ) -> tuple[socket.socket, dict[str, str]]:
        """Switch protocols; the raw socket, and the answer's headers in lower case."""
        connection = self._connect()
        target = f"{self.path}{path}?{urls.encode(query)}"
        try:
            response = connection.upgrade(
                method, target, [*self._headers(JSON), *self._impersonate, *headers.items()]
            )
        except OSError as error:
            connection.close()
            raise self._unreachable(error) from error
        if response.status != 101 or connection.sock is None:
            payload = self._whole(response)
            connection.close()
            raise _error(response, payload, method, path)
        return connection.sock, {name.lower(): value for name, value in response.headers}

    def pass_on(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None, *,
        with_server_path: bool = False, keepalive: float = 0.0,
    ) -> tuple[http_client.Connection, http_client.Response]:  # fmt: skip
        """Somebody else's request, with our credentials, on a connection of its own; for `proxy`."""
        connection = self._connect()
        if keepalive:
            _keep_alive(connection.connect(), keepalive)
        sent = [pair for pair in self._headers(JSON) if pair[0] in ("Host", "Authorization")]
        sent += [*headers.items(), *self._impersonate]
        send = connection.upgrade if "Upgrade" in headers else connection.request
        return connection, send(method, (self.path if with_server_path else "") + target, sent, body)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    # --- the wire

    def _connected(self) -> http_client.Connection:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> http_client.Connection:
        proxy = self._proxy()
        if proxy is None:
            wrap = self._wrap if self._tls else None
            return http_client.Connection(self.host, self.port, timeout=self._timeout, wrap=wrap)
        from pinnace.cli.proxies import tunnel

        def through(plain: socket.socket) -> socket.socket:
            tunnel(plain, proxy, self.host, self.port)
            return self._wrap(plain) if self._tls else plain

        return http_client.Connection(proxy.host, proxy.port, timeout=self._timeout, wrap=through)

    def _proxy(self) -> "Proxy | None":
        if not self.connection.proxy_url and not any(name in os.environ for name in PROXY_VARIABLES):
            return None
        from pinnace.cli.proxies import proxy_for

        return proxy_for(self.connection.proxy_url, "https" if self._tls else "http", self.host)

    def _wrap(self, plain: socket.socket) -> socket.socket:
        if self._context is None:
            self._context = tls_context(self.connection)
        name = self.connection.tls_server_name or self.host
        # bytes, since the ssl module imports the tables of international names for text
        return self._context.wrap_socket(plain, server_hostname=name.encode() if name.isascii() else name)

    def _headers(self, accept: str) -> list[tuple[str, str]]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        headers = [
            ("Host", host if self.port == (443 if self._tls else 80) else f"{host}:{self.port}"),
            ("Accept", accept),
            ("User-Agent", f"pinnace/{__version__}"),
        ]
        if not self._token and self.connection.exec_plugin:
            from pinnace.cli.exec_credentials import token_of

            self._token = token_of(self.connection.exec_plugin)
        if self._token:
            headers.append(("Authorization", f"Bearer {self._token}"))
        elif self.connection.username:
            from binascii import b2a_base64

            pair = f"{self.connection.username}:{self.connection.password}".encode()
            headers.append(("Authorization", f"Basic {b2a_base64(pair, newline=False).decode()}"))
        return headers

    def _send(self, connection: http_client.Connection, method: str, path: str, query: Query | None, body: Any,
              content_type: str, accept: str) -> http_client.Response:  # fmt: skip
        target = self.path + path + (f"?{urls.encode(query)}" if query else "")
        headers = [*self._headers(accept), *self._impersonate]
        data = body if isinstance(body, bytes) or body is None else json_text.dumps(body)
        if data is not None:
            headers.append(("Content-Type", content_type))
        if self._verbose:
            print(f"{method} {self.connection.server}{target}", file=sys.stderr)
        for attempt in (1, 2):
            is_fresh = connection.sock is None
            try:
                response = connection.request(method, target, headers, data)
            except ConnectionError as error:
                connection.close()
                if attempt == 1 and not is_fresh:  # the server closed an idle connection
                    continue
                raise self._unreachable(error, method, target) from error
            except OSError as error:
                connection.close()
                raise self._unreachable(error, method, target) from error
            self._warn(response)
            return response
        raise AssertionError("not reached")

    def _whole(self, response: http_client.Response) -> bytes:
        try:
            return response.read()
        except OSError as error:
            self.close()
            raise CliError(
                f"unexpected error when reading response body. Please retry. Original error: {error}"
            ) from error

    def _warn(self, response: http_client.Response) -> None:
        for name, value in response.headers:
            if name.lower() != "warning":
                continue
            if value.count(" ") < 2:
                continue  # not of the form that RFC 9110 has: code, agent, text
            self.warned = True
            text = value.split(" ", 2)[2].strip()
            if text.startswith('"'):  # a quoted string of HTTP
                text = re.sub(r"\\(.)", r"\1", text.removeprefix('"').removesuffix('"'))
            from pinnace.cli.harmless import shown

            print(f"Warning: {shown(text)}", file=sys.stderr)

    def _unreachable(self, error: Exception, method: str = "GET", target: str = "") -> CliError:
        from pinnace.cli.unreachable import unreachable

        scheme = "https" if self._tls else "http"
        path, _, query = target.partition("?")
        ordered = "&".join(sorted(query.split("&")))
        url = f"{scheme}://{self.host}:{self.port}{path}" + (f"?{ordered}" if query else "")
        name = self.connection.tls_server_name or self.host
        return unreachable(error, method, url, self.host, self.port, name)


class Stream:
    """Lines or chunks of an answer that does not end by itself."""

    def __init__(self, connection: http_client.Connection, response: http_client.Response) -> None:
        self._connection, self._response = connection, response

    def lines(self) -> Iterator[bytes]:
        with contextlib.suppress(ConnectionResetError, http_client.ProtocolError):
            yield from self._response.lines()

    def chunks(self) -> Iterator[bytes]:
        with contextlib.suppress(ConnectionResetError, http_client.ProtocolError):
            while chunk := self._response.read1():
                yield chunk

    def set_timeout(self, seconds: float | None) -> None:
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def close(self) -> None:
        self._connection.close()


def _are_odd(connection: Connection) -> bool:
    """Whether certificates and keys do not even look like such; they are read in earnest when they are needed."""
    pieces = (connection.ca, connection.certificate, connection.key)
    return any(piece and "-----BEGIN " not in piece for piece in pieces)


def _keep_alive(connected: socket.socket, seconds: float) -> None:
    """The kernel probes the other side when nothing was said for this long."""
    every = max(1, round(seconds))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), every)


def tls_context(connection: Connection) -> "ssl.SSLContext":
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if connection.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif connection.ca:
            context.load_verify_locations(cadata=connection.ca)
        else:
            context.load_default_certs()
        if connection.certificate:
            with _as_file(f"{connection.certificate}\n{connection.key}\n") as path:
                context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        from pinnace.cli.unreachable import unusable

        raise CliError(unusable(connection.ca, connection.certificate, connection.key, error)) from error
    return context


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """ssl reads key and certificate from files only: one in memory, where the system has such, so that no key touches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pinnace")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return

    import tempfile

    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        yield file.name


def segment(text: str) -> str:
    """One segment of a URL path."""
    return urls.quote(text)


def _error(response: http_client.Response, payload: bytes, method: str, path: str) -> ServerError:
    from pinnace.cli.answers import error_of

    return error_of(response.status, payload, response.header("content-type") or "", method, path)
