"""`proxy`: the API server on a local port, with the credentials of the kubeconfig; and files of a directory beside it."""

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn
from pinnace.net.http_client import Connection, Response

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers",
              "transfer-encoding", "upgrade", "host", "authorization"}  # fmt: skip

Backend = Callable[[str, str, dict[str, str], bytes | None], tuple[Connection, Response]]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["unix-socket"] and ("port" in flags.given or "address" in flags.given):
        raise CliError("cannot set --unix-socket and --port or --address at the same time")
    prefix = flags["api-prefix"] if flags["api-prefix"].endswith("/") else flags["api-prefix"] + "/"
    static = flags["www-prefix"] if flags["www-prefix"].endswith("/") else flags["www-prefix"] + "/"
    if flags["www"] and not os.path.isdir(flags["www"]):  # noqa: PTH112 (start-up time)
        warn(f"Warning: The specified path {flags['www']} is not a directory.")
    if flags["disable-filter"] and not flags["unix-socket"]:
        warn("Request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious")
    filters = None if flags["disable-filter"] else Filters(flags)
    backend = partial(
        session.http.pass_on, with_server_path=flags["append-server-path"], keepalive=flags["keepalive"]
    )
    if not 0 <= flags["port"] <= 65535 and not flags["unix-socket"]:
        raise CliError(f"listen tcp: address {flags['port']}: invalid port")
    handler = partial(_Handler, backend, prefix, (static, flags["www"]), filters)
    try:
        server = _server(flags, handler)
    except OSError as error:
        place = f"{flags['address']}:{flags['port']}"
        raise CliError(f"listen tcp {place}: bind: {str(error.strerror or error).lower()}") from error
    shown = flags["unix-socket"] or "{}:{}".format(*server.server_address[:2])
    print(f"Starting to serve on {shown}", flush=True)
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return 0


def _server(flags: Values, handler: Any) -> ThreadingHTTPServer:
    path = flags["unix-socket"]
    if not path:
        return ThreadingHTTPServer((flags["address"], flags["port"]), handler)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108
    before = os.umask(0o077)
    try:
        return _UnixServer(path, handler)
    finally:
        os.umask(before)


class _UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0

    def get_request(self) -> tuple[socket.socket, Any]:
        connected, _ = self.socket.accept()
        return connected, ("localhost", 0)


class Filters:
    """Which requests pass, so that pages of strangers in a browser cannot use the port."""

    def __init__(self, flags: Values) -> None:
        self._accept_hosts, self._accept_paths, self._reject_paths, self._reject_methods = (
            _patterns(flags[name])
            for name in ("accept-hosts", "accept-paths", "reject-paths", "reject-methods")
        )

    def accepts(self, method: str, path: str, host: str) -> bool:
        name = re.sub(r":\d+$", "", host)
        if _matches(self._reject_paths, path) or _matches(self._reject_methods, method):
            return False
        return _matches(self._accept_paths, path) and _matches(self._accept_hosts, name)


def _patterns(text: str) -> list[re.Pattern[str]]:
    try:
        return [re.compile(part) for part in text.split(",")] if text else []
    except re.error as error:
        raise CliError(f"Error compiling re: {error}") from error


def _matches(patterns: list[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(
        self, backend: Backend, prefix: str, static: tuple[str, str], filters: Filters | None, *arguments: Any
    ) -> None:
        self._backend, self._prefix, self._static, self._filters = backend, prefix, static, filters
        super().__init__(*arguments, directory=static[1] or None)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet, as kubectl is."""

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        prefix, folder = self._static
        if folder and path.startswith(prefix) and self.command in ("GET", "HEAD"):
            self._file(prefix)
            return
        if not path.startswith(self._prefix) and path + "/" != self._prefix:
            self._refuse(404, "404 page not found")
            return
        target = self.path
        if not self._prefix.startswith("/api"):
            target = "/" + self.path[len(self._prefix) :].lstrip("/")
        if self._filters and not self._filters.accepts(
            self.command, urlsplit(target).path, self.headers.get("Host", "")
        ):
            self._refuse(403, "Forbidden")
            return
        try:
            self._pass_on(target)
        except (OSError, CliError) as error:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self._refuse(502, str(error))

    def _refuse(self, code: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self, target: str) -> None:
        upgrade = self.headers.get("Upgrade", "")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        if upgrade:
            headers |= {"Connection": "Upgrade", "Upgrade": upgrade}
        if "Transfer-Encoding" in self.headers:
            self._refuse(411, "Length Required")
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        connection, answer = self._backend(self.command, target, headers, body)
        try:
            if answer.status == 101 and connection.sock is not None:
                self._splice(connection.sock, answer)
            else:
                self._relay(answer)
        finally:
            connection.close()

    def _relay(self, answer: Response) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        chunked = answer.header("Content-Length") is None and self.command != "HEAD" and answer.status >= 200
        if chunked and answer.status not in (204, 304):
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            self.wfile.flush()
        if chunked and answer.status not in (204, 304):
            self.wfile.write(b"0\r\n\r\n")

    def _splice(self, upstream: socket.socket, answer: Response) -> None:
        """A connection that switched protocols: bytes both ways, until one side ends."""
        self.close_connection = True
        self.send_response_only(101, answer.reason)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()

        def upwards() -> None:
            with contextlib.suppress(OSError):
                while part := self.rfile.read1(65536):
                    upstream.sendall(part)
            with contextlib.suppress(OSError):
                upstream.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=upwards, name="proxy upwards", daemon=True).start()
        while part := upstream.recv(65536):
            self.wfile.write(part)

    def _file(self, prefix: str) -> None:
        self.path = "/" + self.path[len(prefix) :]
        if self.command == "GET":
            super().do_GET()
        else:
            super().do_HEAD()


for _method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(_Handler, f"do_{_method}", _Handler._answer)  # the base looks methods up by name


PROXY = Command(
    run,
    (
        Flag("port", "p", kind="int", default=8001, help="The port; 0 takes any free one."),
        Flag("address", default="127.0.0.1", help="The address to listen on."),
        Flag("unix-socket", "u", help="A Unix socket to listen on instead."),
        Flag("api-prefix", default="/", help="Where the API is served."),
        Flag("www", "w", help="Serve the files of this directory, too."),
        Flag("www-prefix", "P", default="/static/", help="Where those files are served."),
        Flag("accept-paths", default="^.*", help="Patterns of paths that pass."),
        Flag("reject-paths", default="^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach", help="Patterns of paths that do not."),
        Flag("accept-hosts", default=r"^localhost$,^127\.0\.0\.1$,^\[::1\]$", help="Patterns of hosts that pass."),
        Flag("reject-methods", default="^$", help="Patterns of methods that do not pass."),
        Flag("append-server-path", kind="bool", help="Put the path of the kubeconfig's server before each request's."),
        Flag("keepalive", kind="duration", help="How often to probe idle connections to the server; 0s leaves it to the system."),
        Flag("disable-filter", kind="bool", help="Let all requests pass."),
    ),
    "[--port=PORT] [--www=static-dir] [--www-prefix=prefix] [--api-prefix=prefix]",
    "Run a proxy to the Kubernetes API server.",
)  # fmt: skip
