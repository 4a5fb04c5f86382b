"""The synchronous HTTP client: what it writes, and what it makes of what a server may answer."""

import io
import socket
import threading
from collections.abc import Iterator

import pytest

from pinnace.net.http_client import Connection, ProtocolError, Response, head


def answer(wire: bytes, method: str = "GET") -> Response:
    return Response(io.BufferedReader(io.BytesIO(wire)), method)  # type: ignore[arg-type]


def test_a_request_on_the_wire() -> None:
    assert head("GET", "/a?b=c", [("Host", "x"), ("Accept", "*/*")], None) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"
    )
    assert head("POST", "/", [], b"body").endswith(b"Content-Length: 4\r\n\r\nbody")
    assert b"Content-Length: 0" in head("POST", "/", [], None)


def test_the_length_that_was_given_is_not_said_twice() -> None:
    assert head("POST", "/", [("content-length", "4")], b"body").lower().count(b"content-length") == 1


@pytest.mark.parametrize("value", ["a\r\nInjected: b", "a\nb"])
def test_a_header_cannot_add_another(value: str) -> None:
    with pytest.raises(ValueError, match="line ends"):
        head("GET", "/", [("Accept", value)], None)


def test_a_body_with_a_length() -> None:
    got = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b: c\r\n\r\nhelloHTTP/1.1 ...")
    assert (got.status, got.reason, got.header("x-a"), got.will_close) == (200, "OK", "b: c", False)
    assert got.read() == b"hello"
    assert got.read() == b""


@pytest.mark.parametrize("length", [1, 7, 65536])
def test_a_body_in_chunks(length: int) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nnext"
    got = answer(wire)
    assert b"".join(iter(lambda: got.read1(length), b"")) == b"abc0123456789"
    assert answer(wire).read() == b"abc0123456789"


def test_a_body_until_the_end() -> None:
    got = answer(b"HTTP/1.0 200 OK\r\n\r\nall of it")
    assert got.will_close
    assert got.read() == b"all of it"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body(method: str, status: int) -> None:
    got = answer(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\nothers" % status, method)
    assert got.read() == b""


def test_an_interim_answer_is_skipped() -> None:
    got = answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx")
    assert (got.status, got.read()) == (201, b"x")


def test_lines_cross_chunks() -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n2\r\ntw\r\n8\r\no\nthree\n\r\n4\r\nrest\r\n0\r\n\r\n"
    assert list(answer(wire).lines()) == [b"one\n", b"two\n", b"three\n", b"rest"]


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_cut_off_or_no_http_is_an_error(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        answer(wire).read()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_two_requests_on_one_connection(server: socket.socket) -> None:
    seen: list[bytes] = []

    def serve() -> None:
        connected, _ = server.accept()
        with connected, connected.makefile("rb") as lines:
            for body in (b"one", b"two"):
                seen.append(lines.readline())
                while lines.readline() != b"\r\n":
                    pass
                connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)

    thread = threading.Thread(target=serve)
    thread.start()
    connection = Connection("127.0.0.1", server.getsockname()[1], timeout=60)
    bodies = [connection.request("GET", path, [("Host", "x")]).read() for path in ("/1", "/2")]
    connection.close()
    thread.join()
    assert bodies == [b"one", b"two"]
    assert seen == [b"GET /1 HTTP/1.1\r\n", b"GET /2 HTTP/1.1\r\n"]


def test_an_upgrade_reads_nothing_behind_the_head(server: socket.socket) -> None:
    def serve() -> None:
        connected, _ = server.accept()
        with connected:
            connected.recv(65536)
            connected.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nfirst words")
            connected.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    connection = Connection("127.0.0.1", server.getsockname()[1], timeout=60)
    got = connection.upgrade("GET", "/", [("Host", "x"), ("Upgrade", "x")])
    assert (got.status, got.header("Upgrade")) == (101, "x")
    assert connection.sock is not None
    assert connection.sock.recv(100) == b"first words"
    connection.close()
    thread.join()


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "malformed HTTP status code"),
        (b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n", "malformed HTTP status code"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed MIME header line"),
        (b"HTTP/1.1 200 OK\r\nWarning: 299 - \"\x1b[31m\"\r\n\r\n", "malformed MIME header line"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "too many 1xx"),
    ],
)  # fmt: skip
def test_heads_that_are_none(wire: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        answer(wire)


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"5 5", b"f" * 300])
def test_chunks_of_no_size(size: bytes) -> None:
    with pytest.raises(ProtocolError, match="malformed chunked"):
        answer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabcde\r\n0\r\n\r\n"
        ).read()


def test_a_length_is_only_a_claim() -> None:
    """Memory for it is not taken before it has come."""
    with pytest.raises(ProtocolError, match="unexpected EOF"):
        answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}").read()


def test_a_body_that_is_read_in_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnace.net.http_client.MOST_AT_ONCE", 3)
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n01234567more").read() == b"01234567"


def test_lines_that_come_in_pieces() -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n1\r\nc\r\n4\r\n\n\nde\r\n0\r\n\r\n"
    assert list(answer(wire).lines()) == [b"a\n", b"bc\n", b"\n", b"de"]
