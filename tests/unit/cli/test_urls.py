"""URLs: the same as urllib's, faster."""

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.cli.urls import Server, encode, quote, server_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://127.0.0.1:6443", Server(True, "127.0.0.1", 6443, "")),
        ("https://Example.org", Server(True, "example.org", 443, "")),
        ("http://example.org/k8s/clusters/c-1/", Server(False, "example.org", 80, "/k8s/clusters/c-1")),
        ("localhost:8080", Server(False, "localhost", 8080, "")),
        ("https://[::1]:6443/x", Server(True, "::1", 6443, "/x")),
        ("https://[fd00::1]", Server(True, "fd00::1", 443, "")),
        ("https://user:word@host:1", Server(True, "host", 1, "")),
        ("https://host:1/a?b=c", Server(True, "host", 1, "/a")),
    ],
)
def test_servers(text: str, expected: Server) -> None:
    assert server_of(text) == expected


@given(st.text(st.characters(codec="utf-8")))
def test_a_segment_comes_back(text: str) -> None:
    assert unquote(quote(text)) == text
    assert set(quote(text)) <= set("%ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))
    )
)
def test_a_query_comes_back(pairs: list[tuple[str, str]]) -> None:
    assert parse_qsl(encode(pairs), keep_blank_values=True, strict_parsing=bool(pairs)) == pairs


def test_bytes_that_are_no_text_are_sent_as_they_are() -> None:
    assert quote(b"\xff".decode(errors="surrogateescape")) == "%FF"
