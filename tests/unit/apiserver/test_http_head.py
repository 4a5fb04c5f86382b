"""Heads of requests: the plain ones are read, everything else is left to aiohttp."""

import pytest

from pinnace.apiserver.http_head import answer_head, read_headers, read_line

HOST = b"Host: a\r\n"


def test_a_plain_head_is_read() -> None:
    assert read_line(b"GET /api/v1/pods?limit=5&x=%2F HTTP/1.1") == ("GET", "/api/v1/pods?limit=5&x=%2F")
    headers = read_headers(
        HOST + b"content-length: 12\r\nAccept-Encoding: gzip, br\r\nX: \t a b \t\r\nEmpty:\r\n"
    )
    assert headers is not None
    assert (headers.length, headers.takes_gzip) == (12, True)
    assert headers.fields["x"] == "a b"
    assert headers.fields["EMPTY"] == ""


@pytest.mark.parametrize(
    "line",
    [
        b"HEAD / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET http://a/ HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"get / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET / HTTP/1.1 ",
    ],
)
def test_other_request_lines_are_not(line: bytes) -> None:
    assert read_line(line) is None


@pytest.mark.parametrize(
    "block",
    [
        b"",
        HOST + HOST,
        HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n",
        HOST + b"Content-Length: -1\r\n",
        HOST + b"Content-Length: +1\r\n",
        HOST + b"Content-Length: 1, 1\r\n",
        HOST + b"Content-Length: \xd9\xa1\r\n",
        HOST + b"Content-Length: 9999999999999\r\n",
        HOST + b"Transfer-Encoding: chunked\r\n",
        HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        HOST + b"Connection: close, upgrade\r\n",
        HOST + b"Expect: 100-continue\r\n",
        HOST + b"A : b\r\n",
        HOST + b"A: b\r\n c\r\n",
        HOST + b"A: b\nC: d\r\n",
        HOST + b"A: \x00\r\n",
        HOST + b": b\r\n",
    ],
)
def test_other_headers_are_not(block: bytes) -> None:
    assert read_headers(block) is None


def test_a_client_may_say_that_it_sends_nothing_more() -> None:
    once, again = (
        read_headers(HOST + b"Connection: close\r\n"),
        read_headers(HOST + b"Connection: Keep-Alive\r\n"),
    )
    assert once is not None
    assert once.closes
    assert again is not None
    assert not again.closes


def test_a_long_strange_header_is_refused_in_no_time() -> None:
    assert read_headers(HOST + b"A: " + b" " * 200_000 + b"\x00\r\n") is None


def test_an_answer_says_its_length_or_comes_in_chunks() -> None:
    head = answer_head(404, "application/json", {"Warning": "x"}, "now", 3)
    assert head.startswith(
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
    )
    assert b"\r\nWarning: x\r\n" in head
    assert head.endswith(b"Cache-Control: no-cache, private\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in answer_head(200, "a/b", {}, "now", None)
    for name, value in (("A", "b\r\nC: d"), ("A\n", "b")):
        with pytest.raises(ValueError, match="line break"):
            answer_head(200, "a/b", {name: value}, "now", 0)
