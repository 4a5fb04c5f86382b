"""What a server, a file or an object may hold to harm whoever looks at it: one line of error, and nothing that rules a terminal."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinnace.cli.errors import CliError
from pinnace.cli.harmless import escaped, shown
from pinnace.cli.json_text import dumps
from pinnace.cli.mapper import Mapper
from pinnace.cli.transport import Transport
from pinnace.client.kubeconfig import Connection


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Transport]:
    """A server that answers every request with the bytes of the parameter."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(request.param)

        threading.Thread(target=answer, daemon=True).start()
        transport = Transport(Connection(f"http://127.0.0.1:{listener.getsockname()[1]}"), timeout=60)
        yield transport
        transport.close()
        listener.shutdown(socket.SHUT_RDWR)


def ok(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Connection: close", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (ok(b"<html>"), "^invalid character '<' looking for beginning of value$"),
        (ok(b""), "^unexpected end of JSON input$"),
        (ok(b"\x1b[31m"), r"^invalid character '\\x1b' looking for"),
        (ok(b'{"a":"\xff"}'), "not JSON"),
        (ok(b"[" * 300_000), "not JSON"),
        (ok(b"[]"), "cannot unmarshal array"),
        (ok(b"5"), "cannot unmarshal number"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://x.invalid/\r\nContent-Length: 0\r\n\r\n",
            "lookup x.invalid.*: no such host",
        ),
        (b"\x00\x1b[31m\r\n\r\n", r'malformed HTTP response "\?\?\[31m"'),
    ],
    indirect=["served"],
)
def test_answers_that_are_none(served: Transport, message: str) -> None:
    with pytest.raises(CliError, match=message):
        served.get("/api")


@pytest.mark.parametrize("served", [ok(b"{}", b"Warning: x")], indirect=True)
def test_a_warning_of_no_form_is_none(served: Transport, capsys: pytest.CaptureFixture[str]) -> None:
    assert served.get("/api") == {}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "served",
    [ok(b'{"kind":"APIGroupDiscoveryList","items":%s}' % items) for items in (b"null", b"[1]", b"[{}]")],
    indirect=True,
)
def test_a_discovery_that_is_none(served: Transport, tmp_path: Path) -> None:
    with pytest.raises(CliError, match="not understood"):
        Mapper(served, str(tmp_path)).find("pods")


PODS = ["", "v1", "pods", "Pod", True, "pod", ["po"], ["list"], []]
DISCOVERY = {
    "kind": "APIGroupDiscoveryList",
    "items": [
        {"metadata": {}, "versions": [{"version": "v1", "resources": [
            {"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced", "verbs": ["list"]}]}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("served", [ok(json.dumps(DISCOVERY).encode())], indirect=True)
@pytest.mark.parametrize(
    "kept",
    [
        "x",
        "5",
        "[]",
        "[null]",
        "[[1]]",
        '{"a": 1}',
        json.dumps([PODS[:5]]),
        json.dumps([[1] * 9]),
        "[" * 99_999,
    ],
)
def test_a_broken_cache_is_no_cache(served: Transport, kept: str, tmp_path: Path) -> None:
    file = tmp_path / "pinnace" / f"{served.host}_{served.port}.json"
    file.parent.mkdir()
    file.write_text(kept)
    assert Mapper(served, str(tmp_path)).find("pod").kind == "Pod"


@pytest.mark.parametrize("served", [ok(json.dumps(DISCOVERY).encode())], indirect=True)
def test_a_cache_that_cannot_be_written_leaves_nothing_behind(served: Transport, tmp_path: Path) -> None:
    (tmp_path / "pinnace" / f"{served.host}_{served.port}.json").mkdir(parents=True)
    assert Mapper(served, str(tmp_path)).find("pod").kind == "Pod"
    assert len(list((tmp_path / "pinnace").iterdir())) == 1


def test_what_could_rule_a_terminal_is_spelled() -> None:
    assert escaped("a\x1b[31m\rb\tc") == "a^[[31m\\rb\tc"
    assert shown("a\x1b]0;t\x07\r\x08\x7f\x9b\u202eb\tc\nä") == "a^[]0;t^G\\r^H\\x7f\\x9b\\u202eb\tc\nä"


def test_bytes_of_the_command_line_that_are_no_text() -> None:
    assert dumps({"a": "\udcffä"}) == '{"a":"\ufffdä"}'.encode()


@pytest.mark.parametrize(
    "server", ["http://[::1", "https://a:b", "https://[::1]x", "https://a:-1", "https://a:99999"]
)
def test_servers_that_are_none(server: str) -> None:
    with pytest.raises(CliError, match=r"must be a URL|invalid port"):
        Transport(Connection(server))
