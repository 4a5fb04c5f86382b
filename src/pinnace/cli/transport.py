"""A thin synchronous HTTPS client on the standard library: requests, streams (watch, logs) and upgrades (exec).

One connection is kept open and used for all requests of a command.
"""

import base64
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from pinnace import __version__
from pinnace.cli import json_text
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.client.kubeconfig import Connection

if TYPE_CHECKING:
    from pinnace.cli.proxies import Proxy

Object = dict[str, Any]
Query = dict[str, str] | list[tuple[str, str]]
JSON = "application/json"
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


class Transport:
    """`timeout` bounds each request; None waits for ever. `verbose` shows requests on standard error."""

    def __init__(self, connection: Connection, *, timeout: float | None = None, verbose: bool = False,
                 impersonate: "tuple[tuple[str, str], ...]" = ()) -> None:  # fmt: skip
        self.connection = connection
        parts = urlsplit(connection.server if "://" in connection.server else f"http://{connection.server}")
        self.host, self._path = parts.hostname or "localhost", parts.path.rstrip("/")
        self._tls = parts.scheme == "https"
        self.port = parts.port or (443 if self._tls else 80)
        self._timeout, self._verbose, self._impersonate = timeout, verbose, impersonate
        self._open: HTTPConnection | None = None
        self._context: ssl.SSLContext | None = None
        self._token = connection.token
        self.warned = False

    # --- requests

    def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> Any:
        return self.request("GET", path, query, accept=accept)

    def request(self, method: str, path: str, query: Query | None = None, body: Any = None, *,
                content_type: str = JSON, accept: str = JSON) -> Any:  # fmt: skip
        """The decoded answer; raises ServerError for a Status of failure."""
        return json_text.loads(self.raw(method, path, query, body, content_type=content_type, accept=accept))

    def raw(self, method: str, path: str, query: Query | None = None, body: Any = None, *,
            content_type: str = JSON, accept: str = JSON) -> bytes:  # fmt: skip
        response = self._send(self._connected(), method, path, query, body, content_type, accept)
        payload = response.read()
        if response.will_close:
            self.close()
        if response.status >= 400:
            raise _error(response.status, payload)
        return payload

    def stream(self, path: str, query: Query | None = None, *, accept: str = JSON) -> "Stream":
        """An answer that is read while it comes, on a connection of its own."""
        connection = self._connect()
        response = self._send(connection, "GET", path, query, None, JSON, accept)
        if response.status >= 400:
            raise _error(response.status, response.read())
        return Stream(connection, response)

    def upgrade(
        self, path: str, query: Query, headers: dict[str, str], method: str = "GET"
    ) -> tuple[socket.socket, dict[str, str]]:
        """Switch protocols; the raw socket, and the answer's headers in lower case."""
        connection = self._connect()
        connection.connect()
        target = f"{self._path}{path}?{urlencode(query)}"
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in {**self._headers(JSON), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        raw = connection.sock
        response = HTTPResponse(_Unbuffered(raw), method=method)  # type: ignore[arg-type]
        response.begin()
        if response.status != 101:
            payload = response.read()
            connection.close()
            raise _error(response.status, payload)
        return raw, {name.lower(): value for name, value in response.getheaders()}

    def pass_on(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """Somebody else's request, with our credentials, on a connection of its own; for `proxy`."""
        connection = self._connect()
        connection.connect()
        ours = {name: value for name, value in self._headers(JSON).items() if name == "Authorization"}
        connection.putrequest(method, self._path + target, skip_accept_encoding=True)
        for name, value in [*headers.items(), *ours.items(), *self._impersonate]:
            connection.putheader(name, value)
        connection.endheaders(body)
        if "Upgrade" not in headers:
            return connection, connection.getresponse()
        response = HTTPResponse(_Unbuffered(connection.sock), method=method)  # type: ignore[arg-type]
        response.begin()
        return connection, response

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    # --- the wire

    def _connected(self) -> HTTPConnection:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> HTTPConnection:
        proxy = self._proxy()
        host, port = (proxy.host, proxy.port) if proxy else (self.host, self.port)
        if self._tls and self._context is None:
            self._context = tls_context(self.connection)
        name = self.connection.tls_server_name
        made: HTTPConnection
        if not self._tls:
            made = HTTPConnection(host, port, timeout=self._timeout)
        elif name:
            assert self._context is not None
            made = _NamedConnection(host, port, timeout=self._timeout, context=self._context, name=name)
        else:
            made = HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        if proxy:
            made.set_tunnel(self.host, self.port, headers=proxy.headers)
        return made

    def _proxy(self) -> "Proxy | None":
        if not self.connection.proxy_url and not any(name in os.environ for name in PROXY_VARIABLES):
            return None
        from pinnace.cli.proxies import proxy_for

        return proxy_for(self.connection.proxy_url, "https" if self._tls else "http", self.host)

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "User-Agent": f"pinnace/{__version__}"}
        if not self._token and self.connection.exec_plugin:
            from pinnace.cli.exec_credentials import token_of

            self._token = token_of(self.connection.exec_plugin)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        elif self.connection.username:
            pair = f"{self.connection.username}:{self.connection.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers

    def _send(self, connection: HTTPConnection, method: str, path: str, query: Query | None, body: Any,
              content_type: str, accept: str) -> HTTPResponse:  # fmt: skip
        target = self._path + path + (f"?{urlencode(query)}" if query else "")
        headers = self._headers(accept)
        for name, value in self._impersonate:
            headers[name] = value
        data = body if isinstance(body, bytes) or body is None else json_text.dumps(body)
        if data is not None:
            headers["Content-Type"] = content_type
        if self._verbose:
            print(f"{method} {self.connection.server}{target}", file=sys.stderr)
        for attempt in (1, 2):
            fresh = connection.sock is None
            try:
                connection.request(method, target, data, headers)
                response = connection.getresponse()
            except (ConnectionError, HTTPException) as error:
                connection.close()
                if attempt == 1 and not fresh:  # the server closed an idle connection
                    continue
                raise self._unreachable(error) from error
            except OSError as error:
                connection.close()
                raise self._unreachable(error) from error
            self._warn(response)
            return response
        raise AssertionError("not reached")

    def _warn(self, response: HTTPResponse) -> None:
        for value in response.headers.get_all("Warning") or ():
            _, _, text = value.split(" ", 2)
            self.warned = True
            print(f"Warning: {text.strip().strip(chr(34))}", file=sys.stderr)

    def _unreachable(self, error: Exception) -> CliError:
        place = f"{self.host}:{self.port}"
        if isinstance(error, ConnectionRefusedError):
            return PlainError(
                f"The connection to the server {place} was refused - did you specify the right host or port?"
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return PlainError(
                f"Unable to connect to the server: tls: failed to verify certificate: x509: {error.verify_message}"
            )
        if isinstance(error, socket.gaierror):
            return PlainError(f"Unable to connect to the server: dial tcp: lookup {self.host}: no such host")
        if isinstance(error, TimeoutError):
            return PlainError(
                "Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded)"
            )
        return PlainError(f"Unable to connect to the server: {error}")


class Stream:
    """Lines or chunks of an answer that does not end by itself."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self._connection, self._response = connection, response

    def lines(self) -> Iterator[bytes]:
        with contextlib.suppress(ConnectionResetError):
            while line := self._response.readline():
                yield line

    def chunks(self) -> Iterator[bytes]:
        with contextlib.suppress(ConnectionResetError):
            while chunk := self._response.read1(65536):
                yield chunk

    def set_timeout(self, seconds: float | None) -> None:
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def close(self) -> None:
        self._connection.close()


class _Unbuffered:
    """A socket for reading an answer's head only: what comes behind it belongs to the protocol that was switched to."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def makefile(self, mode: str) -> Any:
        return self._socket.makefile(mode, buffering=0)  # type: ignore[call-overload]


class _NamedConnection(HTTPSConnection):
    """TLS with another server name than the host's."""

    def __init__(
        self, host: str, port: int, *, timeout: float | None, context: ssl.SSLContext, name: str
    ) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls_context, self._name = context, name

    def connect(self) -> None:
        HTTPConnection.connect(self)
        self.sock = self._tls_context.wrap_socket(self.sock, server_hostname=self._name)


def tls_context(connection: Connection) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
    return quote(text, safe="")


def _error(code: int, payload: bytes) -> ServerError:
    try:
        status = json_text.loads(payload)
    except ValueError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return ServerError(status)
    text = payload.decode(errors="replace").strip()
    if code == 404:
        return ServerError(
            {"code": 404, "reason": "NotFound", "message": "the server could not find the requested resource"}
        )
    return ServerError({"code": code, "message": text or f"the server answered {code}"})
