"""What annotations mean: parsed alone, and seen by clients of a real HAProxy."""

import asyncio
import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.resources import EVENTS, INGRESSES
from pinnace.ingress import options, routes
from pinnace.testing.wait import eventually

from .support import Echo, Front, front, ingress, service, slices

needs_haproxy = pytest.mark.skipif(
    not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed"
)
NGINX = "nginx.ingress.kubernetes.io/"
OURS = "ingress.pinnace.dev/"


def test_both_prefixes_mean_the_same_and_ours_wins() -> None:
    found, problems = options.parse({f"{NGINX}proxy-read-timeout": "90", f"{OURS}proxy-read-timeout": "2m"})
    assert (found.read_timeout, problems) == (120, [])
    assert options.parse({f"{NGINX}proxy-read-timeout": "90"})[0].read_timeout == 90


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("canary", "true", f"annotation {OURS}canary is not supported and has no effect"),
        ("proxy-body-size", "8 miles", f"annotation {OURS}proxy-body-size has no effect: '8 miles' is not a size such as 8m"),
        ("affinity", "ip", f"annotation {OURS}affinity has no effect: 'ip' is not one of cookie, , false"),
        ("permanent-redirect", "javascript:1", f"annotation {OURS}permanent-redirect has no effect: 'javascript:1' is neither an http(s) URL nor a path"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_said(key: str, value: str, words: str) -> None:
    found, problems = options.parse({OURS + key: value})
    assert problems == [words]
    assert found == options.PLAIN


@pytest.mark.parametrize("key", ["allowlist-source-range", "denylist-source-range", "auth-type"])
def test_a_guard_that_cannot_be_understood_closes_the_door(key: str) -> None:
    found, problems = options.parse({OURS + key: "everybody"})
    assert found.closed
    assert "nobody is let in" in problems[0]


@given(st.dictionaries(st.sampled_from(sorted(options._ROWS)), st.text(max_size=12)))
def test_no_value_breaks_the_parser(values: dict[str, str]) -> None:
    options.parse({OURS + key: value for key, value in values.items()})


@pytest.mark.parametrize("text", ["/a(", r"/\u0041", "/a b", "(?P<n", "*"])
def test_a_bad_regular_expression_is_known(text: str) -> None:
    assert routes.regex_problem(text)


ANNOTATED: dict[str, dict[str, str]] = {
    "root": {"rewrite-target": "/"},
    "capture": {"rewrite-target": "/$2"},
    "ssl": {"force-ssl-redirect": "true"},
    "gone": {"permanent-redirect": "https://new.test/50%"},
    "app": {"app-root": "/shop"},
    "vhost": {"upstream-vhost": "inner.test", "x-forwarded-prefix": "/pre"},
    "small": {"proxy-body-size": "1k"},
    "closed": {"allowlist-source-range": "192.0.2.0/24"},
    "open": {"allowlist-source-range": "127.0.0.0/8, 10.0.0.0/8"},
    "rate": {"limit-rps": "1"},
    "cors": {"enable-cors": "true", "cors-allow-origin": "https://a.test,https://b.test"},
    "auth": {"auth-type": "basic", "auth-secret": "people", "auth-realm": "The shop's own"},
    "secretless": {"auth-type": "basic", "auth-secret": "nobody"},
    "regex": {"use-regex": "true"},
}
PATHS = {"root": "/foo", "capture": "/foo(/|$)(.*)", "regex": "/v[0-9]+/"}
HASH = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"  # of "password"


@pytest.fixture
async def annotated(tmp_path: Path) -> Any:
    echo = Echo("one")
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "people", "namespace": "shop"},
        "data": {"auth": base64.b64encode(f"ann:{HASH}\n".encode()).decode()},
    }  # fmt: skip
    ingresses = [
        ingress(name, (f"{name}.test", PATHS.get(name, "/"), "Prefix", "one"), annotations={OURS + k: v for k, v in wanted.items()})
        for name, wanted in ANNOTATED.items()
    ]  # fmt: skip
    objects = [service("one"), *slices("one", [await echo.start()]), secret, *ingresses]
    async with front(tmp_path, objects) as running:

        async def serving() -> bool:
            return (await running.get("open.test")).status == 200

        await eventually(serving)
        yield running, echo
    echo.stop()


@needs_haproxy
async def test_annotations_as_clients_see_them(annotated: tuple[Front, Echo]) -> None:
    front, echo = annotated
    assert await front.body("root.test", "/foo/bar?x=1") == "one /?x=1"
    assert await front.body("capture.test", "/foo/bar/baz?x=1") == "one /bar/baz?x=1"
    assert (await front.get("capture.test", "/food")).status == 404
    assert await front.body("regex.test", "/v12/x") == "one /v12/x"
    assert (await front.get("regex.test", "/vv/x")).status == 404
    assert (await front.get("closed.test")).status == 403
    assert (await front.get("secretless.test")).status == 503
    moved = await front.get("gone.test", "/x")
    assert (moved.status, moved.headers["location"]) == (301, "https://new.test/50%")
    started = await front.get("app.test")
    assert (started.status, started.headers["location"]) == (302, "/shop")
    assert await front.body("app.test", "/shop") == "one /shop"
    await front.get("vhost.test")
    assert "host: inner.test" in echo.requests[-1].lower()
    assert "x-forwarded-prefix: /pre" in echo.requests[-1].lower()
    assert (await front.get("small.test", "/", method="POST", Content_Length="1025")).status == 413


@needs_haproxy
async def test_guards_that_need_several_requests(annotated: tuple[Front, Echo]) -> None:
    front, _ = annotated
    assert {(await front.get("rate.test")).status for _ in range(10)} == {200}
    assert {(await front.get("rate.test")).status for _ in range(10)} == {503}
    asked = await front.get("auth.test")
    assert (asked.status, asked.headers["www-authenticate"]) == (401, 'Basic realm="The shop\'s own"')
    right, wrong = (base64.b64encode(f"ann:{word}".encode()).decode() for word in ("password", "guess"))
    assert (await front.get("auth.test", Authorization=f"Basic {right}")).status == 200
    assert (await front.get("auth.test", Authorization=f"Basic {wrong}")).status == 401
    asks = {"method": "OPTIONS", "Access_Control_Request_Method": "PUT"}
    preflight = await front.get("cors.test", Origin="https://b.test", **asks)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "https://b.test")
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    plain = await front.get("cors.test", Origin="https://evil.test")
    assert "access-control-allow-origin" not in plain.headers


@needs_haproxy
async def test_an_event_says_what_an_annotation_does_not_do(tmp_path: Path) -> None:
    odd = ingress("odd", ("a.test", "/", "Prefix", "one"), annotations={f"{NGINX}canary": "true"})
    async with front(tmp_path, [service("one"), odd]) as running:

        async def told() -> bool:
            events = (await running.client.list(EVENTS, "shop"))["items"]
            return any(f"annotation {NGINX}canary is not supported" in event["message"] for event in events)

        await eventually(told)


@needs_haproxy
async def test_an_ingress_that_haproxy_refuses_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever slips through our own checks: the others are served, and the event says what to do."""
    monkeypatch.setattr(routes, "regex_problem", lambda text: "")
    echo = Echo("one")
    bad = ingress("bad", ("b.test", "/(", "Prefix", "one"), annotations={f"{OURS}use-regex": "true"})
    objects = [
        service("one"),
        *slices("one", [await echo.start()]),
        bad,
        ingress("good", ("a.test", "/", "Prefix", "one")),
    ]
    async with front(tmp_path, objects) as running:

        async def serving() -> bool:
            return await running.body("a.test") == "one /"

        async def told() -> bool:
            events = (await running.client.list(EVENTS, "shop"))["items"]
            return any(event["message"].startswith(routes.LEFT_OUT) for event in events)

        await eventually(serving)
        await eventually(told)
        await running.client.delete(INGRESSES, "bad", "shop")
        await asyncio.sleep(0)
    echo.stop()
