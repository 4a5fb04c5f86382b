"""Ways to a server through others: CONNECT to a proxy with and without TLS, SOCKS5 with and without a password."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pinnace.cli.errors import CliError
from pinnace.cli.transport import Transport
from pinnace.client.kubeconfig import Connection
from pinnace.cluster.pki import Leaf, Pki

Start = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """A listener that hands each connection to a function, in a thread; the port."""
    listeners = []

    def listen(handle: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(taken,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield listen
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    now = datetime.now(UTC)
    made = Pki(tmp_path / "pki", now)
    leaves = [
        Leaf("server", "server", names=("localhost", "127.0.0.1"), server=True),
        Leaf("client", "ann", client=True),
    ]
    made.ensure(leaves, now)
    return made


def with_tls(pki: Pki, plain: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.cert("server"), pki.key("server"))
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context.wrap_socket(plain, server_side=True)


def head_of(connection: socket.socket) -> str:
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return ""
        found += byte
    return found.decode()


def answer_api(connection: socket.socket) -> None:
    """Two requests, so that a connection is used again; the second answer is longer than a record of TLS."""
    with connection:
        for size in (0, 100_000):
            if head_of(connection):
                body = b'{"a":"%s"}' % (b"x" * size)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.recv(1)


def asked(pki: Pki, proxy: str, server: str = "https://localhost:1") -> list[int]:
    found = Connection(server, ca=pki.ca.read_text(), proxy_url=proxy, token="t")
    http = Transport(found, timeout=60)
    try:
        return [len(http.get("/api")["a"]) for _ in range(2)]
    finally:
        http.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_tunnel(pki: Pki, start: Start, scheme: str) -> None:
    """The proxy is the server, too, after it answered CONNECT."""
    heads = []

    def serve(taken: socket.socket) -> None:
        outer = with_tls(pki, taken) if scheme == "https" else taken
        heads.append(head_of(outer))
        outer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if scheme == "http":
            answer_api(with_tls(pki, outer))
        else:
            answer_api_inside(pki, outer)

    port = start(serve)
    assert asked(pki, f"{scheme}://u:p%40@localhost:{port}") == [0, 100_000]
    first, *others = heads[0].split("\r\n")
    assert first == "CONNECT localhost:1 HTTP/1.1"
    assert "Proxy-Authorization: Basic dTpwQA==" in others
    assert "Bearer" not in heads[0]


def answer_api_inside(pki: Pki, outer: socket.socket) -> None:
    """TLS within TLS, by hand."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.cert("server"), pki.key("server"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = context.wrap_bio(incoming, outgoing, server_side=True)

    def until_done(step: Callable[[], Any]) -> Any:
        while True:
            try:
                found = step()
            except ssl.SSLWantReadError:
                outer.sendall(outgoing.read())
                incoming.write(outer.recv(65536))
            else:
                outer.sendall(outgoing.read())
                return found

    with outer:
        until_done(inner.do_handshake)
        for size in (0, 100_000):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += until_done(partial(inner.read, 1))
            body = b'{"a":"%s"}' % (b"x" * size)
            text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            until_done(partial(inner.write, text))
        outer.recv(1)


@pytest.mark.parametrize("login", ["", "u:p%40@"])
def test_socks(pki: Pki, start: Start, login: str) -> None:
    said = []

    def serve(taken: socket.socket) -> None:
        _, count = taken.recv(2)
        said.append(taken.recv(count))
        taken.sendall(b"\x05\x02" if login else b"\x05\x00")
        if login:
            said.append(taken.recv(6))
            taken.sendall(b"\x01\x00")
        said.append(taken.recv(16))
        taken.sendall(b"\x05\x00\x00\x01" + bytes(6))
        answer_api(with_tls(pki, taken))

    assert asked(pki, f"socks5://{login}127.0.0.1:{start(serve)}") == [0, 100_000]
    wanted = b"\x05\x01\x00\x03\x09localhost\x00\x01"
    assert said == ([b"\x00\x02", b"\x01\x01u\x02p@", wanted] if login else [b"\x00", wanted])


def test_what_proxies_refuse(pki: Pki, start: Start) -> None:
    def socks(taken: socket.socket) -> None:
        with taken:
            taken.recv(3)
            taken.sendall(b"\x05\x00")
            taken.recv(16)
            taken.sendall(b"\x05\x05\x00\x01")

    def connect(taken: socket.socket) -> None:
        with taken:
            head_of(taken)
            taken.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    with pytest.raises(CliError, match="socks connect: connection refused"):
        asked(pki, f"socks5://127.0.0.1:{start(socks)}")
    with pytest.raises(CliError, match=r"^Unable to connect to the server: Proxy Authentication Required$"):
        asked(pki, f"http://127.0.0.1:{start(connect)}")


def test_a_certificate_of_a_plugin_is_shown_to_the_server(pki: Pki, start: Start, tmp_path: Path) -> None:
    import json
    import sys

    subjects = []

    def serve(taken: socket.socket) -> None:
        shaken = with_tls(pki, taken)
        subjects.append(dict(pair for part in (shaken.getpeercert() or {})["subject"] for pair in part))  # type: ignore[misc]
        answer_api(shaken)

    status = {
        "clientCertificateData": pki.cert("client").read_text(),
        "clientKeyData": pki.key("client").read_text(),
    }
    version = "client.authentication.k8s.io/v1"
    (tmp_path / "said").write_text(
        json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status})
    )
    program = ["-c", "import sys; print(open(sys.argv[1]).read())", str(tmp_path / "said")]
    plugin = {"apiVersion": version, "command": sys.executable, "args": program, "interactiveMode": "Never"}
    found = Connection(f"https://127.0.0.1:{start(serve)}", ca=pki.ca.read_text(), exec_plugin=plugin)
    assert Transport(found, timeout=60).get("/api") == {"a": ""}
    assert subjects == [{"commonName": "ann"}]
