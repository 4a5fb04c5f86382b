import tomllib
from pathlib import Path

import pytest

from pinnace.cluster import registries
from pinnace.cluster.errors import UsageError

CONTENT = """
mirrors:
  docker.io:
    endpoint: ["https://mirror.example:5000", "http://other.example"]
  "*":
    endpoint: ["https://any.example"]
configs:
  mirror.example:5000:
    auth: {username: jane, password: sesame}
    tls: {ca_file: /ca.pem, cert_file: /c.pem, key_file: /k.pem}
  private.example:
    auth: {identity_token: abc}
    tls: {insecure_skip_verify: true}
  127.0.0.1:5000:
    auth: {auth: amFuZTpzZXNhbWU=}
"""


def content_of(directory: Path, text: str = CONTENT) -> dict:
    path = directory / "registries.yaml"
    path.write_text(text)
    return registries.read(path)


def hosts(directory: Path, host: str) -> dict:
    return tomllib.loads((directory / host / "hosts.toml").read_text())


def test_mirrors_and_tls_become_hosts_files(tmp_path: Path) -> None:
    out = tmp_path / "hosts"
    (out / "gone.example").mkdir(parents=True)
    registries.write_hosts(out, content_of(tmp_path))
    assert sorted(d.name for d in out.iterdir()) == [
        "127.0.0.1:5000", "_default", "docker.io", "mirror.example:5000", "private.example",
    ]  # fmt: skip
    docker = hosts(out, "docker.io")
    assert docker["server"] == "https://registry-1.docker.io"
    assert list(docker["host"]) == ["https://mirror.example:5000", "http://other.example"]
    mirror = docker["host"]["https://mirror.example:5000"]
    assert (mirror["ca"], mirror["client"]) == ("/ca.pem", [["/c.pem", "/k.pem"]])
    private = hosts(out, "private.example")
    assert private["skip_verify"] is True
    assert private["host"]["https://private.example"]["skip_verify"] is True
    assert "server" not in hosts(out, "_default")


def test_a_registry_on_loopback_speaks_plain_http(tmp_path: Path) -> None:
    registries.write_hosts(tmp_path / "hosts", content_of(tmp_path))
    assert hosts(tmp_path / "hosts", "127.0.0.1:5000")["server"] == "http://127.0.0.1:5000"


def test_logins_are_spelt_as_containerd_does(tmp_path: Path) -> None:
    assert registries.logins(content_of(tmp_path)) == {
        "mirror.example:5000": {"username": "jane", "password": "sesame"},
        "private.example": {"identitytoken": "abc"},
        "127.0.0.1:5000": {"auth": "amFuZTpzZXNhbWU="},
    }


def test_without_a_file_nothing_is_configured(tmp_path: Path) -> None:
    assert registries.read(None) == {}
    registries.write_hosts(tmp_path / "hosts", {})
    assert list((tmp_path / "hosts").iterdir()) == []
    assert registries.logins({}) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "while parsing"),
        ("- a", "the file: must be a mapping"),
        ("mirror: {}", "the file: 'mirror' is not known; known: mirrors, configs"),
        ("mirrors: {a.b: {rewrite: {x: y}}}", "mirrors.a.b: 'rewrite' is not known; known: endpoint"),
        ("mirrors: {a.b: {endpoint: [mirror]}}", "mirrors.a.b.endpoint: must be a list of URLs"),
        ("mirrors: {a.b/c: {}}", "mirrors.a.b/c: must be a host with an optional port"),
        ("configs: {a.b: {auth: {user: x}}}", "configs.a.b.auth: 'user' is not known"),
        ("configs: {a.b: 3}", "configs.a.b: must be a mapping"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        content_of(tmp_path, text)
    assert words in str(refused.value)
