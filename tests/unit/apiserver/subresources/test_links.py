"""Links in proxied pages lead back through the proxy."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apiserver.subresources.links import rewrite_link, rewrite_page

PREFIX, BACKEND = "/api/v1/namespaces/x/pods/y/proxy", "10.42.0.5:80"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("/style.css", f"{PREFIX}/style.css"),
        ("/a/b/?q=1#top", f"{PREFIX}/a/b/?q=1#top"),
        ("http://10.42.0.5:80/a", f"{PREFIX}/a"),
        ("http://10.42.0.5:80", f"{PREFIX}/"),
        ("//10.42.0.5:80/a", f"{PREFIX}/a"),
        ("http://example.com/a", "http://example.com/a"),
        ("style.css", "style.css"),
        ("../up", "../up"),
        ("#part", "#part"),
        ("mailto:a@b", "mailto:a@b"),
        ("data:text/plain,x", "data:text/plain,x"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
        ("http://[bad", "http://[bad"),
        ("", ""),
    ],
)
def test_links(link: str, expected: str) -> None:
    assert rewrite_link(link, PREFIX, BACKEND) == expected


def test_a_page() -> None:
    page = (
        '<html><!-- <a href="/c"> --><head><script src="/s.js">go("/x", "<a href=\'/no\'>")</script>'
        "<link rel=stylesheet href=/b.css></head><body><A HREF='/q?a=1&amp;b=2'>/text</A>"
        '<form action="/go"><img alt="/alt" src="//10.42.0.5:80/i.png"></form></body></html>'
    )
    assert rewrite_page(page, "/p", BACKEND) == (
        '<html><!-- <a href="/c"> --><head><script src="/p/s.js">go("/x", "<a href=\'/no\'>")</script>'
        "<link rel=stylesheet href=/p/b.css></head><body><A HREF='/p/q?a=1&amp;b=2'>/text</A>"
        '<form action="/p/go"><img alt="/alt" src="/p/i.png"></form></body></html>'
    )


@given(st.text(alphabet="<>/abAhrefsc=\"' -!\n", max_size=200))
def test_rewriting_twice_changes_nothing_more(page: str) -> None:
    once = rewrite_page(page, PREFIX, BACKEND)
    assert rewrite_page(once, PREFIX, BACKEND) == once


@pytest.mark.parametrize(
    "piece", ["<!--", "<script ", "<style", "<a ", "<a href=", '<a href="', "<script>", "<a href='"]
)
def test_a_page_made_to_be_slow_is_read_in_one_pass(piece: str) -> None:
    """A pod chooses what it answers: half-open pieces by the hundred thousand must not hold up the server."""
    begin = time.perf_counter()
    rewrite_page(piece * 100_000, "/proxy", "backend")
    assert time.perf_counter() - begin < 5
