"""`proxy`: how requests go on to the server."""

import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from pinnace.cli.transport import Transport
from pinnace.client.kubeconfig import Connection


@pytest.fixture
def backend() -> Iterator[tuple[str, list[str]]]:
    """(address, the first lines of the requests that came)."""
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected, connected.makefile("rb") as reader:
                    lines.append(reader.readline().decode().strip())
                    while reader.readline().strip():
                        pass
                    connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", lines
        listening.shutdown(socket.SHUT_RDWR)


def passed_on(server: str, **how: Any) -> dict[str, int]:
    """Options of the connection on which a request went on."""
    connection, answer = Transport(Connection(server=server)).pass_on("GET", "/api", {}, None, **how)
    assert answer.status == 200
    assert connection.sock is not None
    found = {
        "alive": connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "every": connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        "idle": connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    }
    connection.close()
    return found


def test_the_path_of_the_server_stands_before_the_request_only_if_asked_for(
    backend: tuple[str, list[str]],
) -> None:
    server, lines = backend
    passed_on(f"{server}/k8s/clusters/one")
    passed_on(f"{server}/k8s/clusters/one", with_server_path=True)
    assert lines == ["GET /api HTTP/1.1", "GET /k8s/clusters/one/api HTTP/1.1"]


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="only Linux names it so")
def test_idle_connections_are_probed_if_asked_for(backend: tuple[str, list[str]]) -> None:
    assert passed_on(backend[0])["alive"] == 0
    assert passed_on(backend[0], keepalive=7.0) == {"alive": 1, "every": 7, "idle": 7}
