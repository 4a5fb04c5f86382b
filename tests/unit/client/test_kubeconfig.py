"""Reading kubeconfigs."""

import base64
from pathlib import Path

import pytest
import yaml

from pinnace.client import kubeconfig

FIRST = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: one, cluster: {server: "https://one:6443", certificate-authority: ca.crt}}]
users: [{name: admin, user: {token: secret}}]
contexts:
- {name: one, context: {cluster: one, user: admin, namespace: web}}
- {name: broken, context: {cluster: nowhere, user: admin}}
"""
DATA = base64.b64encode(b"PEM").decode()
SECOND = f"""{{"clusters": [{{"name": "two", "cluster": {{"server": "https://two", "certificate-authority-data": "{DATA}"}}}},
 {{"name": "one", "cluster": {{"server": "https://other"}}}}],
 "contexts": [{{"name": "two", "context": {{"cluster": "two", "user": "admin"}}}}], "current-context": "two"}}"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "first").write_text(FIRST)
    (tmp_path / "second").write_text(SECOND)
    (tmp_path / "ca.crt").write_text("CA")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'first'}:{tmp_path / 'missing'}:{tmp_path / 'second'}")
    return tmp_path


def test_the_first_file_wins_and_paths_are_relative_to_their_file(files: Path) -> None:
    found = kubeconfig.connection(kubeconfig.load())
    assert found == kubeconfig.Connection(server="https://one:6443", ca="CA", token="secret", namespace="web")


def test_another_context_and_inline_data(files: Path) -> None:
    found = kubeconfig.connection(kubeconfig.load(), context="two")
    assert (found.server, found.ca, found.token) == ("https://two", "PEM", "secret")


def test_what_is_missing_is_named(files: Path) -> None:
    with pytest.raises(kubeconfig.KubeconfigError, match='context "x" does not exist'):
        kubeconfig.connection(kubeconfig.load(), context="x")
    with pytest.raises(kubeconfig.KubeconfigError, match='cluster "nowhere" does not exist'):
        kubeconfig.connection(kubeconfig.load(), cluster="nowhere")
    assert not kubeconfig.connection(kubeconfig.load(), context="broken").server  # whose cluster is not there
    with pytest.raises(kubeconfig.KubeconfigError, match="no such file"):
        kubeconfig.load(str(files / "missing"))


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nclusters:\n- cluster:\n    server: https://127.0.0.1:6443\n    insecure-skip-tls-verify: true\n  name: a\n"
        "contexts:\n- context:\n    cluster: a\n    user: u\n  name: c\ncurrent-context: c\nkind: Config\npreferences: {}\nusers: []\n",
        "users:\n  - name: u\n    user:\n      token: abc.def-ghi\n  - name: v\n    user: {}\nempty:\nlast: x\n",
    ],
)
def test_the_fast_reader_reads_as_yaml_does(text: str) -> None:
    assert kubeconfig.simple_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 'quoted'",
        "a: 1",
        "a: yes",
        "a: b # c",
        "a: [x]",
        "a: |\n  text",
        "a: &x b",
        "- a",
        "a: b\n   c: d",
        "a: b: c",
        "a: 2026-01-01",
    ],
)
def test_the_fast_reader_leaves_what_it_does_not_know(text: str) -> None:
    assert kubeconfig.simple_yaml(text) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "it is not UTF-8 text"),
        (b'{"a":', "yaml: line"),
        (b'{"clusters": 5}', r"cannot unmarshal number into Go struct field Config.clusters of type \[\]v1.NamedCluster"),
        (b"contexts: [1]", "cannot unmarshal number into Go struct field Config.contexts of type v1.NamedContext"),
        (b"users: [{name: a, user: [1]}]", "cannot unmarshal array into Go struct field NamedAuthInfo.users.user of type v1.AuthInfo"),
        (b"clusters: [{name: a, cluster: {server: 5}}]", "into Go struct field Cluster.clusters.cluster.server of type string"),
        (b"current-context: [1]", "Config.current-context of type string"),
    ],
)  # fmt: skip
def test_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config").write_bytes(content)
    with pytest.raises(kubeconfig.KubeconfigError, match=message):
        kubeconfig.load(str(tmp_path / "config"))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        kubeconfig.KubeconfigError, match=f'loading config file "{tmp_path}": read .*: is a directory'
    ):
        kubeconfig.load(str(tmp_path))


def test_an_authority_that_is_not_base64_is_not_left_out() -> None:
    """Else the authorities of the system would be trusted in its place."""
    cluster = {"server": "https://x", "certificate-authority-data": "!!!"}
    with pytest.raises(kubeconfig.KubeconfigError, match="illegal base64 data in certificate-authority-data"):
        kubeconfig.connection({"clusters": [{"name": "c", "cluster": cluster}]}, cluster="c")
