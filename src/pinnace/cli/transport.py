"""A thin synchronous HTTPS client on the standard library: requests, streams (watch, logs) and upgrades (exec).

One connection is kept open and used for all requests of a command. Requests are repeated, redirects followed and credentials renewed
as client-go does it. Left out: HTTP/2, and client-go's limit on the rate of requests (one command sends few).
"""

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace import __version__
from pinnace.cli import clock, json_text, urls
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.client.kubeconfig import Connection
from pinnace.net import http_client

if TYPE_CHECKING:
    import ssl

    from pinnace.cli.exec_credentials import ExecPlugin
    from pinnace.cli.proxies import Proxy
    from pinnace.cli.request_log import RequestLog

Object = dict[str, Any]
Query = dict[str, str] | list[tuple[str, str]]
JSON = "application/json"
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
MOST_REPEATS, MOST_REDIRECTS = 10, 10
REREAD_SECONDS = 60.0  # a file with a token
LOOPBACK = ("localhost", "::1")


class Request(NamedTuple):
    """`target` is the whole path, with the query."""

    method: str
    target: str
    data: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    timeout: float | None = None


class Transport:
    """`timeout` bounds each request; None waits for ever. `verbosity` is that of -v: from 6 on requests are shown on standard error."""

    def __init__(self, connection: Connection, *, timeout: float | None = None, verbosity: int = 0,
                 repeats: int = MOST_REPEATS, asked_timeout: float = 0.0) -> None:  # fmt: skip
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
        self._timeout, self._verbosity, self._repeats = timeout, verbosity, repeats
        self._open: http_client.Connection | None = None
        self._asked_timeout = asked_timeout  # told to the server, too
        self._context: ssl.SSLContext | None = None
        if connection.insecure and connection.ca:
            raise CliError("specifying a root certificates file with the insecure flag is not allowed")
        if self._tls and _are_odd(connection):
            from pinnace.cli import tls

            self._context = tls.context(connection)  # said before anything is connected
        self._token, self._token_read = connection.token, clock.monotonic()
        self._plugin: ExecPlugin | None = None
        self._proxy_found: tuple[Proxy | None] | None = None
        self._log: RequestLog | None = None
        self.warned = False

    # --- requests

    def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> Any:
        return self.request("GET", path, query, accept=accept)

    def request(self, method: str, path: str, query: Query | None = None, body: Any = None, *,
                content_type: str = JSON, accept: str = JSON, timeout: float | None = None) -> Any:  # fmt: skip
        """The decoded answer, an object; raises ServerError for a Status of failure."""
        response, payload = self._answer(method, path, query, body, content_type, accept, timeout)
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
                timeout: float | None = None) -> tuple[http_client.Response, bytes]:  # fmt: skip
        """The answer and its body, when it is one of success. `timeout` counts where the user gave none."""
        if self._asked_timeout:
            from pinnace.apimachinery.times import go_duration

            pairs = query.items() if isinstance(query, dict) else query or ()
            query = [
                *(pair for pair in pairs if pair[0] != "timeout"),
                ("timeout", go_duration(self._asked_timeout)),
            ]
        data = body if isinstance(body, bytes) or body is None else json_text.dumps(body)
        request = Request(
            method, self._target(path, query), data, content_type, accept, self._timeout or timeout
        )
        response, payload = self._followed(request)
        if response.status >= 300:
            raise _error(response, payload, method, path)
        return response, payload

    def stream(self, path: str, query: Query | None = None, *, accept: str = JSON) -> "Stream":
        """An answer that is read while it comes, on a connection of its own."""
        request = Request("GET", self._target(path, query), accept=accept, timeout=self._timeout)
        connection = self._connect()
        response = self._answered(request, connection)
        if response.status >= 300:
            raise _error(response, self._whole(response), "GET", path)
        return Stream(connection, response)

    def upgrade(
        self, path: str, query: Query, headers: dict[str, str], method: str = "GET"
    ) -> tuple[socket.socket, dict[str, str]]:
        """Switch protocols; the raw socket, and the answer's headers in lower case. No redirect is followed."""
        connection = self._connect()
        sent = [*self._headers(JSON), *headers.items()]
        target = f"{self.path}{path}?{urls.encode(query)}"
        log = self._logged(method, target, sent, None, fresh=True)
        try:
            response = connection.upgrade(method, target, sent)
        except OSError as error:
            connection.close()
            raise self._unreachable(error, method, target) from error
        if log is not None:
            log.answered(response, connection)
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
        ours = ("Host", "Authorization", "Proxy-Authorization")
        sent = [pair for pair in self._headers(JSON) if pair[0] in ours or pair[0].startswith("Impersonate-")]
        sent += headers.items()
        send = connection.upgrade if "Upgrade" in headers else connection.request
        return connection, send(
            method, self._on_the_wire((self.path if with_server_path else "") + target), sent, body
        )

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    # --- what client-go does around a request

    def _followed(self, request: Request) -> tuple[http_client.Response, bytes]:
        """The answer at the end of all redirects. What they lead to on other servers is asked for without credentials."""
        at = self
        for _ in range(MOST_REDIRECTS):
            response = at._answered(request)
            payload = at._whole(response)
            if response.will_close:
                at.close()
            where = response.header("location")
            if response.status not in (301, 302, 303, 307, 308) or where is None:
                if at is not self:
                    at.close()
                return response, payload
            if response.status < 307 and request.method != "HEAD":
                request = request._replace(method="GET", data=None)
            try:
                place, target = urls.resolved(at._place(), request.target, where)
            except ValueError:
                raise PlainError(
                    f'Unable to connect to the server: failed to parse Location header "{where}"'
                ) from None
            if place != at._place():
                at = at._stranger(place)
            request = request._replace(target=target)
        raise PlainError(f"Unable to connect to the server: stopped after {MOST_REDIRECTS} redirects")

    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def _stranger(self, place: str) -> "Transport":
        ours = self.connection
        other = Connection(
            server=place,
            ca=ours.ca,
            insecure=ours.insecure,
            proxy_url=ours.proxy_url,
            compresses=ours.compresses,
        )
        return Transport(other, timeout=self._timeout, verbosity=self._verbosity, repeats=self._repeats)

    def _answered(
        self, request: Request, connection: http_client.Connection | None = None
    ) -> http_client.Response:
        """Repeated up to ten times when the server says when (Retry-After), and a GET when the connection breaks; once with
        new credentials of a plugin."""
        renewed, before = False, ""
        for left in range(self._repeats, -1, -1):
            used = connection or self._connected()
            try:
                response = self._sent(request, used)
            except OSError as error:
                text = _broken(error, used)
                used.close()
                if not (left and text and request.method == "GET"):
                    raise self._gone(error, text, before, request) from error
                before = text
                clock.sleep(1.0)
                continue
            self._warn(response)
            if response.status == 401 and self._plugin is not None and not renewed:
                renewed = True
                if self._renewed(used, response):
                    continue
            wait = _retry_after(response)
            if wait is None or not left:
                return response
            self._whole(response)
            if response.will_close:
                used.close()
            clock.sleep(wait)
        raise AssertionError("not reached")

    def _renewed(self, connection: http_client.Connection, response: http_client.Response) -> bool:
        if self._plugin is None or not self._plugin.refresh():
            return False
        with contextlib.suppress(OSError, CliError):
            self._whole(response)
        self._context = None  # the certificate may be another
        connection.close()
        return True

    def _gone(self, error: OSError, text: str, before: str, request: Request) -> CliError:
        if text and text != "EOF":
            if before and before != text:
                url = f"{self._place()}{request.target}"
                return CliError(f'Get "{url}": {text} - error from a previous attempt: {before}')
            return PlainError(f"Unable to connect to the server: {text}")
        return self._unreachable(error, request.method, request.target)

    def _sent(self, request: Request, connection: http_client.Connection) -> http_client.Response:
        headers = self._headers(request.accept)
        if request.data is not None:
            headers.append(("Content-Type", request.content_type))
        if self.connection.compresses and not self._is_near():
            headers.append(("Accept-Encoding", "gzip"))
        if connection.is_stale():  # the server closed it while it was idle
            connection.close()
        is_fresh = connection.sock is None
        self._log = log = self._logged(request.method, request.target, headers, request.data, fresh=is_fresh)
        target = self._on_the_wire(request.target)
        try:
            response = connection.request(
                request.method, target, headers, request.data, timeout=request.timeout
            )
        except OSError:
            if log is not None:
                log.failed()
            raise
        response.inflate()
        if log is not None:
            log.answered(response, connection)
        return response

    def _logged(self, method: str, target: str, headers: list[tuple[str, str]], data: bytes | None, *, fresh: bool,
                ) -> "RequestLog | None":  # fmt: skip
        if self._verbosity < 6:
            return None
        from pinnace.cli.request_log import RequestLog

        return RequestLog(self._verbosity, method, self._shown_server() + target, headers, data, fresh=fresh)

    def _shown_server(self) -> str:
        scheme, found, rest = self.connection.server.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}" if found else self._place()

    def _is_near(self) -> bool:
        """On this machine compression takes longer than it saves."""
        return self.host in LOOPBACK or self.host.startswith("127.")

    # --- the wire

    def _target(self, path: str, query: Query | None) -> str:
        return self.path + path + (f"?{urls.encode(query)}" if query else "")

    def _on_the_wire(self, target: str) -> str:
        """A proxy is asked for the whole URL of a server without TLS."""
        if self._tls or (proxy := self._proxy()) is None or proxy.scheme.startswith("socks"):
            return target
        return f"{self._place()}{target}"

    def _connected(self) -> http_client.Connection:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> http_client.Connection:
        proxy = self._proxy()
        if proxy is None:
            wrap = self._wrap if self._tls else None
            return http_client.Connection(self.host, self.port, timeout=self._timeout, wrap=wrap)
        from pinnace.cli.proxies import reached_through

        def through(plain: socket.socket) -> socket.socket:
            return reached_through(plain, proxy, self.host, self.port, is_tls=self._tls, wrap=self._wrap)

        return http_client.Connection(proxy.host, proxy.port, timeout=self._timeout, wrap=through)

    def _proxy(self) -> "Proxy | None":
        if not self.connection.proxy_url and not any(name in os.environ for name in PROXY_VARIABLES):
            return None
        if self._proxy_found is None:
            from pinnace.cli.proxies import proxy_for

            scheme = "https" if self._tls else "http"
            self._proxy_found = (proxy_for(self.connection.proxy_url, scheme, self.host, self.port),)
        return self._proxy_found[0]

    def _wrap(self, plain: socket.socket, name: str = "") -> socket.socket:
        if self._context is None:
            from pinnace.cli import tls

            made = self._plugin.credentials() if self._plugin is not None else None
            self._context = tls.context(self.connection, *(made[1:] if made else ()))
        name = name or self.connection.tls_server_name or self.host
        # bytes, since the ssl module imports the tables of international names for text
        return self._context.wrap_socket(plain, server_hostname=name.encode() if name.isascii() else name)

    def _headers(self, accept: str) -> list[tuple[str, str]]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        headers = [
            ("Host", host if self.port == (443 if self._tls else 80) else f"{host}:{self.port}"),
            ("Accept", accept),
            ("User-Agent", f"pinnace/{__version__}"),
        ]
        if authorization := self._authorization():
            headers.append(("Authorization", authorization))
        if not self._tls and (proxy := self._proxy()) is not None and not proxy.scheme.startswith("socks"):
            headers += proxy.headers.items()
        headers += self.connection.impersonate
        return headers

    def _authorization(self) -> str:
        to = self.connection
        if self._token or to.token_file:
            return f"Bearer {self._current_token()}"
        if to.username or to.password:
            from binascii import b2a_base64

            pair = f"{to.username}:{to.password}".encode()
            return f"Basic {b2a_base64(pair, newline=False).decode()}"
        if to.exec_plugin is None:
            return ""
        if self._plugin is None:
            from pinnace.cli.exec_credentials import ExecPlugin

            self._plugin = ExecPlugin(to)
        token = self._plugin.credentials().token
        return f"Bearer {token}" if token else ""

    def _current_token(self) -> str:
        """Whoever writes the file renews the token; long-lived commands read it again."""
        if self.connection.token_file and clock.monotonic() - self._token_read > REREAD_SECONDS:
            self._token_read = clock.monotonic()
            with contextlib.suppress(OSError), open(self.connection.token_file) as file:  # noqa: PTH123 (start-up time)
                self._token = file.read().strip() or self._token
        return self._token

    def _whole(self, response: http_client.Response) -> bytes:
        try:
            payload = response.read()
        except OSError as error:
            self.close()
            reason = str(error)
            if isinstance(error, TimeoutError):
                reason = (
                    "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
                )
            raise CliError(
                f"unexpected error when reading response body. Please retry. Original error: {reason}"
            ) from error
        if self._log is not None:
            self._log.body(payload)
        return payload

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

    def _unreachable(self, error: Exception, method: str, target: str) -> CliError:
        if isinstance(error, CliError):
            return error
        from pinnace.cli.unreachable import unreachable

        path, _, query = target.partition("?")
        ordered = "&".join(sorted(query.split("&")))
        url = f"{self._place()}{path}" + (f"?{ordered}" if query else "")
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
        self._connection.give_up_after(seconds)

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


def segment(text: str) -> str:
    """One segment of a URL path."""
    return urls.quote(text)


def _retry_after(response: http_client.Response) -> float | None:
    """Seconds; None when the request is not to be repeated."""
    if response.status != 429 and response.status < 500:
        return None
    text = response.header("retry-after") or ""
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


def _broken(error: OSError, connection: http_client.Connection) -> str:
    """How a connection broke that was there, as Go says it: such a GET is sent again; "" for anything else."""
    if isinstance(error, http_client.ProtocolError):
        return str(error) if str(error) in ("EOF", "unexpected EOF") else ""
    if not isinstance(error, ConnectionResetError | BrokenPipeError):
        return ""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        host, port = connection.sock.getsockname()[:2]  # type: ignore[union-attr]
        here = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"read tcp {here}->{connection.peer}: read: connection reset by peer"
    return "connection reset by peer"


def _error(response: http_client.Response, payload: bytes, method: str, path: str) -> ServerError:
    from pinnace.cli.answers import error_of

    return error_of(response.status, payload, response.header("content-type") or "", method, path)
