"""What happens around a request: redirects, repeats, limits of time, compression, what -v shows; servers are sockets of the test."""

import gzip
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pinnace.cli import clock
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.transport import Transport
from pinnace.client.kubeconfig import Connection

Serve = Callable[..., int]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
RESET, THEN_END = b"RESET", b"THEN_END"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept; in no time."""
    found: list[float] = []
    monkeypatch.setattr(clock, "sleep", found.append)
    return found


@pytest.fixture
def heads() -> list[str]:
    """Of all requests, as they came."""
    return []


@pytest.fixture
def serve(heads: list[str]) -> Iterator[Serve]:
    """A server on a port that gives one answer after the other, the last one for ever; b"" and THEN_END end the connection."""
    listeners = []

    def start(*answers: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        left = list(answers)

        def connection(taken: socket.socket) -> None:
            with taken, taken.makefile("rb") as lines:
                while head := b"".join(iter(lines.readline, b"\r\n")) if (first := lines.readline()) else b"":
                    text = (first + head).decode()
                    if length := re.search(r"(?i)content-length: (\d+)", text):
                        text += lines.read(int(length[1])).decode()
                    heads.append(text)
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    if answer == RESET:
                        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                        return
                    if not answer:
                        return
                    taken.sendall(answer.removesuffix(THEN_END))
                    if answer.endswith(THEN_END):
                        return

        def accept() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=connection, args=(taken,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def to(port: int, **options: object) -> Transport:
    timeout = options.pop("timeout", 60)
    verbosity = options.pop("verbosity", 0)
    made = Connection(f"http://127.0.0.1:{port}", **options)  # type: ignore[arg-type]
    return Transport(made, timeout=timeout, verbosity=verbosity)  # type: ignore[arg-type]


def answer(code: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# --- repeats


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_says_when_to_come_back(
    serve: Serve, heads: list[str], waits: list[float], code: int
) -> None:
    port = serve(answer(code, "Retry-After: 3"), answer(code, "Retry-After: 0"), OK)
    with_body = to(port).request("POST", "/a", body={"x": 1})
    assert (with_body, waits) == ({}, [3.0, 0.0])
    assert len(heads) == 3
    assert all(head.endswith('{"x":1}') for head in heads)


def test_ten_times_and_no_more(serve: Serve, heads: list[str], waits: list[float]) -> None:
    with pytest.raises(
        ServerError, match=r"the server has received too many requests and has asked us to try again"
    ):
        to(serve(answer(429, "Retry-After: 1"))).get("/a")
    assert (len(heads), waits) == (11, [1.0] * 10)


def test_without_a_time_nothing_is_repeated(serve: Serve, heads: list[str], waits: list[float]) -> None:
    with pytest.raises(ServerError, match=r"the server is currently unable to handle the request") as caught:
        to(serve(answer(503, body=b"busy"))).get("/a")
    assert (caught.value.reason, len(heads), waits) == ("ServiceUnavailable", 1, [])


def test_a_get_is_sent_again_when_the_connection_breaks(
    serve: Serve, heads: list[str], waits: list[float]
) -> None:
    assert to(serve(RESET, b"", OK)).get("/a") == {}
    assert (len(heads), waits) == (3, [1.0, 1.0])
    with pytest.raises(CliError, match=r"^Unable to connect to the server: EOF$"):
        to(serve(b"")).get("/a")
    with pytest.raises(
        CliError, match=r'^Get ".*/a": read tcp .*->.*: read: connection reset by peer - error from a pr'
    ):
        to(serve(RESET)).get("/a")


def test_what_may_have_been_done_is_not_sent_again(
    serve: Serve, heads: list[str], waits: list[float]
) -> None:
    with pytest.raises(CliError, match=r"^Unable to connect to the server: EOF$"):
        to(serve(b"")).request("POST", "/a", body={})
    assert (len(heads), waits) == (1, [])


def test_an_idle_connection_that_was_closed_is_no_broken_one(serve: Serve, heads: list[str]) -> None:
    http = to(serve(OK + THEN_END))
    for _ in range(3):
        assert http.request("POST", "/a", body={}) == {}
        assert http._open is not None
        assert http._open.sock is not None
        assert select.select([http._open.sock], [], [], 60)[0]  # the server's end has come
    assert len(heads) == 3


# --- redirects


@pytest.mark.parametrize(
    ("code", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
)
def test_redirects_are_followed(serve: Serve, heads: list[str], code: int, method: str) -> None:
    assert to(serve(answer(code, "Location: /moved?b=1"), OK)).request("POST", "/a", body={"x": 1}) == {}
    assert heads[1].startswith(f"{method} /moved?b=1 ")
    assert heads[1].endswith('{"x":1}') is (method == "POST")


def test_another_server_gets_no_credentials(serve: Serve, heads: list[str]) -> None:
    other = serve(OK)
    port = serve(answer(302, f"Location: http://127.0.0.1:{other}/x"))
    to(port, token="secret", impersonate=(("Impersonate-User", "joe"),)).get("/a")
    assert ["secret" in head and "joe" in head for head in heads] == [True, False]


def test_redirects_without_end(serve: Serve) -> None:
    with pytest.raises(CliError, match=r"stopped after 10 redirects"):
        to(serve(answer(302, "Location: /a"))).get("/a")


# --- time and bytes


def test_a_dripping_answer_ends_in_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for the whole answer: the clock stands at its end when the body comes."""
    begun = time.monotonic()
    port = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    http = to(port, timeout=30)
    opened = http._answered
    monkeypatch.setattr(
        http, "_answered",
        lambda *a: (opened(*a), monkeypatch.setattr("time.monotonic", lambda: begun + 1000))[0],
    )  # fmt: skip
    with pytest.raises(
        CliError, match=r"unexpected error when reading response body.*Client.Timeout or context cancell"
    ):
        http.get("/a")


def test_an_answer_that_breaks_off(serve: Serve) -> None:
    with pytest.raises(
        CliError, match=r"^unexpected error when reading response body. Please retry. Original error: unex"
    ):
        to(serve(OK[:-1] + THEN_END)).get("/a")


def test_compressed_answers(serve: Serve, heads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnace.cli.transport.Transport._is_near", lambda _: False)
    body = gzip.compress(b'{"a": "%s"}' % (b"x" * 100_000))
    chunked = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nTrailer: t\r\n\r\n"
    plain = answer(200, "Content-Encoding: gzip", body=body)
    http = to(serve(plain, chunked % (len(body), body), OK))
    assert [len(http.get("/a")["a"]) for _ in range(2)] == [100_000] * 2
    assert http.get("/a") == {}
    assert "Accept-Encoding: gzip" in heads[0]
    assert to(serve(OK), compresses=False).get("/a") == {}
    assert "Accept-Encoding" not in heads[-1]
    with pytest.raises(CliError, match=r"gzip: invalid header"):
        to(serve(answer(200, "Content-Encoding: gzip", body=b"{}"))).get("/a")


def test_a_token_file_is_read_again(
    serve: Serve, heads: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("new\n")
    http = to(serve(OK), token="old", token_file=str(file))
    http.get("/a")
    begun = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: begun + 61)
    http.get("/a")
    assert [re.findall("Bearer (.*)\r", head) for head in heads] == [["old"], ["new"]]


# --- -v


def shown(serve: Serve, capsys: pytest.CaptureFixture[str], level: int) -> str:
    port = serve(answer(201, "A: b", body=b'{"k":"%s"}' % (b"x" * 2000)))
    to(port, token="secret", verbosity=level).request("POST", "/a", {"q": "1"}, {"x": 1})
    text = capsys.readouterr().err
    assert "secret" not in text
    for pattern, simple in ((rf"127.0.0.1:{port}", "HOST"), (r"illiseconds=\d+", "illiseconds=N"),
                            (r"(?m)^I\d{4} [\d:.]{15} +\d+ ", "I "), (r"pinnace/[\w.]+", "AGENT")):  # fmt: skip
        text = re.sub(pattern, simple, text)
    return text


def test_six_shows_a_line(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    line = 'I round_trippers.go:632] "Response" verb="POST" url="http://HOST/a?q=1" status="201 X" milliseconds=N\n'
    assert shown(serve, capsys, 5) == ""
    assert shown(serve, capsys, 6) == line


def test_eight_shows_headers_and_bodies(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    headers = "\tAccept: application/json\n\tAuthorization: Bearer <masked>\n\tContent-Type: application/json\n\tUser-Agent: AGENT\n"
    asked = f'I round_trippers.go:527] "Request" verb="POST" url="http://HOST/a?q=1" headers=<\n{headers} >\n'
    assert (
        shown(serve, capsys, 7)
        == f'{asked}I round_trippers.go:632] "Response" status="201 X" milliseconds=N\n'
    )
    whole = f'{{\\"k\\":\\"{"x" * 1018}'
    assert shown(serve, capsys, 8) == (
        f'I helper.go:246] "Request Body" body="{{\\"x\\":1}}"\n{asked}'
        'I round_trippers.go:632] "Response" status="201 X" headers=<\n\tA: b\n\tContent-Length: 2008\n > milliseconds=N\n'
        f'I helper.go:246] "Response Body" body="{whole} [truncated 984 chars]"\n'
    )


def test_nine_shows_a_command(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(serve, capsys, 9)
    assert (
        ' -H "Authorization: Bearer <masked>" -H "Content-Type: application/json" -H "User-Agent: AGENT" '
        in text
    )
    assert "curlCommand=<\n\tcurl -v -XPOST  -H" in text
    assert '"HTTP Trace: Dial succeed" network="tcp" address="HOST"' in text
    assert (
        " > milliseconds=N dnsLookupMilliseconds=N dialMilliseconds=N tlsHandshakeMilliseconds=N serverP"
        in text
    )
    assert "truncated" not in text
