"""How the server is found: in a pod, and behind a proxy."""

import socket
import threading
from pathlib import Path

import pytest

from pinnace.cli.connecting import in_cluster
from pinnace.cli.errors import CliError
from pinnace.cli.proxies import Proxy, is_excepted, proxy_for
from pinnace.cli.transport import Transport
from pinnace.client.kubeconfig import Connection, connection


def test_a_pod_finds_the_server_of_its_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert in_cluster(str(tmp_path)) is None  # no token
    for name, text in (("token", "secret\n"), ("ca.crt", "CA"), ("namespace", "mine")):
        (tmp_path / name).write_text(text)
    assert in_cluster(str(tmp_path)) == Connection(
        server="https://[fd00::1]:443", ca="CA", token="secret", namespace="mine",
        token_file=str(tmp_path / "token"),
    )  # fmt: skip
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert in_cluster(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("host", "exceptions", "excepted"),
    [
        ("localhost", "", True), ("127.0.0.2", "", True), ("a.example.com", "example.com", True), ("example.com", "example.com", True),
        ("badexample.com", "example.com", False), ("a.b", ".b", True), ("10.1.2.3", "x, 10.0.0.0/8", True), ("11.1.2.3", "10.0.0.0/8", False),
        ("a", "*", True), ("a", "", False), ("example.com", ".example.com", False), ("a.example.com", "*.example.com", True),
        ("b.example.com", "a.example.com", False), ("fd00::1", "fd00::/8", True), ("fd00::1", "[fd00::1]", True),
    ],
)  # fmt: skip
def test_what_needs_no_proxy(host: str, exceptions: str, excepted: bool) -> None:
    assert is_excepted(host, exceptions) is excepted


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_for("", "https", "example.com") is None
    monkeypatch.setenv("https_proxy", "u:p%40@proxy:3128")
    found = proxy_for("", "https", "example.com")
    assert found == Proxy("http", "proxy", 3128, "u", "p@")
    assert found.headers == {"Proxy-Authorization": "Basic dTpwQA=="}
    assert proxy_for("", "http", "example.com") is None
    assert proxy_for("http://other", "https", "localhost") == Proxy("http", "other", 80)
    assert proxy_for("socks5://[::1]", "https", "a") == Proxy("socks5", "::1", 1080)
    with pytest.raises(CliError, match="unknown scheme: ftp"):
        proxy_for("ftp://x:1", "https", "a")
    cluster = {"name": "c", "cluster": {"server": "https://x", "proxy-url": "http://p"}}
    assert connection({"clusters": [cluster]}, cluster="c").proxy_url == "http://p"


def test_requests_go_through_the_proxy() -> None:
    """A server without TLS is asked for by its whole URL; `test_credentials.py` has tunnels and SOCKS."""
    seen = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        taken, _ = listener.accept()
        with taken, taken.makefile("rb") as lines:
            seen.append(lines.readline())
            while lines.readline().strip():
                pass
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http = Transport(Connection(server="http://server.example:8080", proxy_url=address), timeout=60)
        assert http.get("/api") == {}
        http.close()
    finally:
        thread.join(60)
        listener.close()
    assert [line.split()[:2] for line in seen] == [[b"GET", b"http://server.example:8080/api"]]
