"""Ingresses of somebody who means harm: whatever passes the API's validation stays inside its own part of the configuration."""

import base64
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pinnace.api.networking.ingresses import IngressStrategy
from pinnace.api.resources import BY_GVR, EVENTS, INGRESSES, SECRETS
from pinnace.ingress import basic_auth, haproxy_config, options, routes, slots
from pinnace.ingress.haproxy_config import Listen
from pinnace.ingress.model import Routing, SecretProblem, Sources
from pinnace.ingress.options import parse
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.wait import eventually

from .support import CLASS, Echo, free_port, front, ingress, service, slices

OURS = "ingress.pinnace.dev/"
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
needs_haproxy = pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")

KEYWORDS = {
    "acl", "backend", "balance", "bind", "cookie", "default_backend", "defaults", "dynamic-cookie-key", "frontend", "global",
    "hard-stop-after", "hash-type", "http-error", "http-request", "http-response", "log", "mode", "option", "redispatch",
    "retries", "retry-on", "server", "ssl-default-bind-options", "stats", "stick-table", "uid", "gid", "timeout", "use_backend", "user",
    "userlist", "#",
}  # fmt: skip
NASTY = st.sampled_from(
    ["\n", "\r", "\0", "\t", " ", "#", "%", "%[env(HOME)]", "\\", "\\n", "'", '"', "{", "}", "$", "$1", "${HOME}", ";", ",", "/", "(", ")",
     "|", "[", "]", "*", "?", "!", "\u2028", "\xa0", "\x85", "é", "fe80::1%x\n  server evil 10.0.0.1:80", "a{99}", "\\Q", "(?x)#", "(?i)", "\\K"]
)  # fmt: skip
TEXT = st.lists(NASTY | st.text(alphabet="abz09.-_:=~", min_size=1, max_size=6), max_size=6).map("".join)
LIKELY = st.sampled_from(
    ["true", "false", "cookie", "basic", "10.0.0.0/8", "10.0.0.1,fd00::/64", "/x", "/$1", "/a b", "30", "30s", "99999999999999999999", "8m",
     "https://a.test/%[x]", "Lax", "GRPC", "$http_x_y", "https://a.test", "*", "users", "round_robin", "301"]
)  # fmt: skip
ANNOTATIONS = st.dictionaries(
    st.sampled_from(sorted([*options._ROWS, *options._SWITCHES])).map(OURS.__add__), LIKELY | TEXT, max_size=6
)
PATHS = st.tuples(
    st.sampled_from(["Exact", "Prefix", "ImplementationSpecific"]), TEXT.map("/".__add__) | st.just("/")
)
HOSTS = st.sampled_from(["", "a.test", "*.a.test", "b"])


@st.composite
def ingresses(draw: st.DrawFn) -> dict[str, Any]:
    rules = [(draw(HOSTS), path, kind, "one") for kind, path in draw(st.lists(PATHS, min_size=1, max_size=4))]
    made = ingress("i", *rules, annotations=draw(ANNOTATIONS))
    made["metadata"]["uid"] = "1"
    return made


def routing_of(*found: dict[str, Any]) -> Routing:
    def secret(namespace: str, name: str) -> Any:
        raise SecretProblem("not found")

    def users(namespace: str, name: str) -> tuple[tuple[str, str], ...]:
        return (("a b%\n", "$6$x$y"),)

    sources = Sources(
        lambda space, name: service(name), lambda space, name: slices(name, ["10.0.0.1:80"]), secret, users
    )
    return routes.build(found, [CLASS], sources)


def rendered(directory: Path, routing: Routing) -> haproxy_config.Configuration:
    servers = slots.assign({}, {backend.name: backend.addresses for backend in routing.backends})
    return haproxy_config.render(routing, Listen(directory, 8080, 0, "127.0.0.1"), servers)


def judged(config: haproxy_config.Configuration, directory: Path) -> subprocess.CompletedProcess[str]:
    for name, content in config.files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "cfg").write_text(config.text())
    return subprocess.run(
        [str(HAPROXY), "-c", "-f", str(directory / "cfg")], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@needs_haproxy
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(ingresses())
def test_no_annotation_or_path_becomes_a_directive(found: dict[str, Any]) -> None:
    assume(not IngressStrategy(BY_GVR[INGRESSES]).validate(found))
    with tempfile.TemporaryDirectory() as directory:
        config = rendered(Path(directory), routing_of(found))
        for line in config.text().split("\n"):
            words = line.split()
            assert not words or words[0] in KEYWORDS, line
            assert not words or words[0] != "server" or re.fullmatch(r"s[0-9]+", words[1]), line
        for name, content in config.files.items():
            for line in content.decode().split("\n") if name.startswith("maps/") else ():
                assert not line or line.count(" ") == 1, (name, line)
        verdict = judged(config, Path(directory))
    assert verdict.returncode == 0, verdict.stderr


def test_a_zone_in_an_address_is_no_way_into_the_configuration() -> None:
    found, problems = parse({f"{OURS}allowlist-source-range": "fe80::1%x\n  server evil 10.0.0.1:80"})
    assert found.allowed == ()
    assert found.closed
    assert "nobody is let in" in problems[0]


@needs_haproxy
def test_a_list_longer_than_a_line_is_whole(tmp_path: Path) -> None:
    ranges = ",".join(f"10.0.{number}.0/24" for number in range(150))
    origins = ",".join(f"https://{number}.test" for number in range(150))
    notes = {
        f"{OURS}allowlist-source-range": ranges, f"{OURS}denylist-source-range": ranges,
        f"{OURS}enable-cors": "true", f"{OURS}cors-allow-origin": origins,
    }  # fmt: skip
    config = rendered(tmp_path, routing_of(ingress("i", ("a.test", "/", "Prefix", "one"), annotations=notes)))
    verdict = judged(config, tmp_path)
    assert verdict.returncode == 0, verdict.stderr
    assert config.text().count("10.0.149.0/24") == 2


@pytest.mark.parametrize("path", ["/a{99999999999999}", "/" + "(" * 3000 + ")" * 3000, "/(?x)a#", "/\0"])
def test_an_expression_that_cannot_be_read_is_told(path: str) -> None:
    found = routing_of(
        ingress("i", ("a.test", path, "Prefix", "one"), annotations={f"{OURS}use-regex": "true"})
    )
    assert "is not a regular expression that can be used" in found.problems[0][1]


@needs_haproxy
async def test_an_expression_says_nothing_about_another_host(tmp_path: Path) -> None:
    """`/|m/.*` of the host shop.co is not a rule of shop.com."""
    mine, theirs = Echo("mine"), Echo("theirs")
    objects = [
        service("mine"), *slices("mine", [await mine.start()]), service("theirs"), *slices("theirs", [await theirs.start()]),
        ingress("attack", ("shop.co", "/x|m/.*", "ImplementationSpecific", "theirs"), annotations={f"{OURS}use-regex": "true"}),
        ingress("shop", ("shop.com", "/", "Prefix", "mine")),
    ]  # fmt: skip
    async with front(tmp_path, objects) as running:

        async def serving() -> bool:
            return (await running.get("shop.co", "/x")).status == 200

        await eventually(serving)
        assert await running.body("shop.com", "/pay") == "mine /pay"
    mine.stop()
    theirs.stop()


@needs_haproxy
async def test_a_secret_that_haproxy_refuses_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose Ingress has no annotations; mended, it is taken."""
    monkeypatch.setattr("pinnace.ingress.certificates.problem", lambda chain, key: "")
    default = TestAuthority(tmp_path / "pki").server("default")
    (tmp_path / "default.pem").write_bytes(default.certificate.read_bytes() + default.key.read_bytes())
    echo, data = (
        Echo("one"),
        {"tls.crt": base64.b64encode(b"no").decode(), "tls.key": base64.b64encode(b"no").decode()},
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bad", "namespace": "shop"},
        "data": data,
    }
    bad = ingress("bad", ("b.test", "/", "Prefix", "one"), tls=[{"hosts": ["b.test"], "secretName": "bad"}])
    objects = [
        service("one"),
        *slices("one", [await echo.start()]),
        secret,
        bad,
        ingress("good", ("a.test", "/", "Prefix", "one")),
    ]
    async with front(tmp_path, objects, https_port=free_port()) as running:

        async def told() -> bool:
            events = (await running.client.list(EVENTS, "shop"))["items"]
            return any(event["message"].startswith(routes.LEFT_OUT) for event in events)

        async def serving() -> bool:
            return await running.body("a.test") == "one /"

        async def mended() -> bool:
            return await running.body("b.test") == "one /"

        await eventually(serving)
        await eventually(told)
        assert (await running.get("b.test")).status == 404
        await running.client.delete(SECRETS, "bad", "shop")
        await eventually(mended)
    echo.stop()


@pytest.mark.parametrize("password", ["$2y$31$abcdefghijklmnopqrstuv", "$6$rounds=999999999$salt$hash"])
def test_a_hash_that_takes_hours_is_refused(password: str) -> None:
    """HAProxy checks passwords in the thread that serves everybody's requests."""
    data = {"auth": base64.b64encode(f"joe:{password}\n".encode()).decode()}
    with pytest.raises(SecretProblem, match="takes too long"):
        basic_auth.users({"data": data})


def test_usual_hashes_are_taken() -> None:
    lines = "a:$2y$05$abcdefghijklmnopqrstuv\nb:$6$salt$hash./\nc:$6$rounds=5000$salt$hash\nd:$1$s$h"
    assert len(basic_auth.users({"data": {"auth": base64.b64encode(lines.encode()).decode()}})) == 4
