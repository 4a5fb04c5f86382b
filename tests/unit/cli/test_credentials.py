"""Who we say we are: tokens, certificates and plugins of a kubeconfig, and when they are asked for again. Words are kubectl 1.33's."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pinnace.cli import clock
from pinnace.cli.command import GLOBAL_FLAGS
from pinnace.cli.config_checks import check
from pinnace.cli.connecting import is_known, with_flags
from pinnace.cli.errors import CliError
from pinnace.cli.exec_credentials import Credentials, ExecPlugin
from pinnace.cli.flags import parse
from pinnace.client.kubeconfig import Connection, KubeconfigError, connection

V1 = "client.authentication.k8s.io/v1"
PEM = "-----BEGIN X-----\n"


def connected(user: dict[str, Any], *flags: str, server: str = "https://s:1", **cluster: Any) -> Connection:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    values, _ = parse(list(flags), GLOBAL_FLAGS, "kubectl")
    check(config, values)
    return with_flags(connection(config), config, values)


def plugin(tmp_path: Path, answer: Any, **changes: Any) -> dict[str, Any]:
    """Writes each call's KUBERNETES_EXEC_INFO to `calls`, and says `answer` with the number of the call in it."""
    text = (
        answer
        if isinstance(answer, str)
        else json.dumps({"apiVersion": V1, "kind": "ExecCredential", **answer})
    )
    program = (
        "import os, sys; calls = open(sys.argv[1], 'a+'); calls.write(os.environ['KUBERNETES_EXEC_INFO']); calls.seek(0);"
        "print(sys.argv[2].replace('NUMBER', str(len(calls.readlines()))))"
    )
    return {
        "apiVersion": V1, "command": sys.executable, "args": ["-c", program, str(tmp_path / "calls"), text],
        "interactiveMode": "IfAvailable", **changes,
    }  # fmt: skip


def test_a_plugin_is_asked_once_and_again_when_it_is_refused_or_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = {"token": "t-NUMBER", "expirationTimestamp": "2030-01-01T00:00:00Z"}
    asked = ExecPlugin(connected({"exec": plugin(tmp_path, {"status": status})}))
    monkeypatch.setattr(clock, "now", lambda: 1_800_000_000.0)  # 2027
    assert [asked.credentials().token for _ in range(2)] == ["t-1", "t-1"]
    assert asked.refresh()
    assert asked.credentials().token == "t-2"
    monkeypatch.setattr(clock, "now", lambda: 1_900_000_000.0)  # 2030
    assert asked.credentials().token == "t-3"


def test_a_plugin_is_told_about_the_cluster_when_it_wants(tmp_path: Path) -> None:
    wanted = plugin(
        tmp_path, {"status": {"clientCertificateData": PEM, "clientKeyData": PEM}}, provideClusterInfo=True
    )
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}
    ca: dict[str, Any] = {
        "certificate-authority-data": "Q0E=",
        "extensions": [extension],
        "tls-server-name": "n",
    }
    assert ExecPlugin(connected({"exec": wanted}, **ca)).credentials() == Credentials("", PEM, PEM)
    told = json.loads((tmp_path / "calls").read_text())
    cluster = {"server": "https://s:1", "tls-server-name": "n", "certificate-authority-data": "Q0E=", "config": {"audience": "a"}}  # fmt: skip
    assert told == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {"cluster": cluster, "interactive": False},
    }


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "exec plugin didn't return a status field"),
        ({"status": {}}, "exec plugin didn't return a token or cert/key pair"),
        ({"status": {"clientKeyData": PEM}}, "exec plugin returned only certificate or key, not both"),
        (
            {"status": {"clientCertificateData": "x", "clientKeyData": PEM}},
            "failed parsing client key/certificate: tls: failed to find any PEM data in certificate input",
        ),
        (
            {"apiVersion": "v1", "kind": "Pod"},
            'decoding stdout: no kind "Pod" is registered for version "v1"',
        ),
        (
            {"apiVersion": f"{V1}beta1", "status": {"token": "t"}},
            f"exec plugin is configured to use API version {V1}, plugin returned version {V1}beta1",
        ),
        ("", "plugin returned version client.authentication.k8s.io/__internal"),
        ("hello", "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value"),
        ("a: [", "decoding stdout: couldn't get version/kind"),
    ],
)
def test_what_a_plugin_may_not_answer(tmp_path: Path, answer: Any, message: str) -> None:
    with pytest.raises(CliError) as caught:
        ExecPlugin(connected({"exec": plugin(tmp_path, answer)})).credentials()
    assert str(caught.value).startswith("Unable to connect to the server: getting credentials: ")
    assert message in str(caught.value)


def test_a_plugin_may_answer_in_yaml(tmp_path: Path) -> None:
    text = f"kind: ExecCredential\napiVersion: {V1}\nstatus: {{token: t, expirationTimestamp: 2030-01-01T00:00:00Z}}"
    assert ExecPlugin(connected({"exec": plugin(tmp_path, text)})).credentials().token == "t"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": "nonesuch-", "installHint": "apt"}, "executable nonesuch- not found\n\nIt looks like"),
        (
            {"command": "/nonesuch", "installHint": "apt"},
            "exec: fork/exec /nonesuch: no such file or directory",
        ),
        ({"args": ["-c", "exit(7)"]}, f"exec: executable {sys.executable} failed with exit code 7"),
        ({"args": ["-c", "import os; os.kill(os.getpid(), 9)"]}, "failed with exit code -1"),
        (
            {"interactiveMode": "Always"},
            "exec plugin cannot support interactive mode: standard input is not a",
        ),
        ({"command": ""}, "command must be specified for u to use exec authentication plugin"),
        ({"apiVersion": None}, "apiVersion must be specified for u to use exec authentication plugin"),
        ({"apiVersion": f"{V1}alpha1"}, f'exec plugin: invalid apiVersion "{V1}alpha1"'),
        (
            {"interactiveMode": None},
            "interactiveMode must be specified for u to use exec authentication plugin",
        ),
        ({"interactiveMode": "Sometimes"}, 'invalid interactiveMode for u: "Sometimes"'),
        (
            {"env": [{"name": ""}]},
            "env variable name must be specified for u to use exec authentication plugin",
        ),
    ],
)
def test_plugins_that_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("os.isatty", lambda _: False)
    with pytest.raises(CliError) as caught:
        ExecPlugin(connected({"exec": plugin(tmp_path, {"status": {"token": "t"}}, **changes)})).credentials()
    assert message in str(caught.value)


def test_a_command_is_relative_to_its_kubeconfig(tmp_path: Path) -> None:
    from pinnace.client.kubeconfig import load

    file = tmp_path / "config"
    file.write_text(
        json.dumps({"users": [{"name": "u", "user": {"exec": {"command": "./bin/p", "args": ["./a"]}}}]})
    )
    assert load(str(file))["users"][0]["user"]["exec"] == {"command": f"{tmp_path}/bin/p", "args": ["./a"]}


def test_whom_we_are_taken_for() -> None:
    user = {
        "token": "t",
        "as": "joe",
        "as-groups": ["g", "h"],
        "as-uid": "5",
        "as-user-extra": {"a/B": ["v", "w"]},
    }
    groups = (("Impersonate-Group", "g"), ("Impersonate-Group", "h"))
    extra = (("Impersonate-Extra-a%2FB", "v"), ("Impersonate-Extra-a%2FB", "w"))
    assert connected(user).impersonate == (
        ("Impersonate-User", "joe"),
        *groups,
        ("Impersonate-Uid", "5"),
        *extra,
    )
    assert set(connected(user, "--as=ann", "--as-group=i").impersonate) == {
        ("Impersonate-User", "ann"), ("Impersonate-Group", "i"), ("Impersonate-Uid", "5"), *extra,
    }  # fmt: skip
    with pytest.raises(
        CliError, match="requesting uid, groups or user-extra for u without impersonating a user"
    ):
        connected({"token": "t"}, "--as-uid=5")


def test_which_credentials_win(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-file\n")
    file = {"tokenFile": str(tmp_path / "token")}
    assert connected({**file, "token": "t"}).token == "of-file"
    assert connected(file, "--token=flag").token == "of-file"
    assert connected({"token": "t"}, "--token=flag").token == "flag"
    assert connected({"token": "t", "tokenFile": "/none"}).token == "t"
    with pytest.raises(KubeconfigError, match="open /none: no such file or directory"):
        connected({"tokenFile": "/none"})
    with pytest.raises(
        CliError, match=r"more than one authentication method found for u; found \[token basicAuth\]"
    ):
        connected({"token": "t"}, "--username=x")
    with pytest.raises(
        CliError, match="client-key-data or client-key must be specified for u to use the clientCert"
    ):
        connected({"client-certificate-data": "QQ=="})


def test_nothing_secret_goes_to_a_server_without_tls() -> None:
    user = {"token": "t", "as": "joe"}
    found = connected(user, server="http://s:1")
    assert found == Connection(server="http://s:1", impersonate=(("Impersonate-User", "joe"),))
    assert is_known(found)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            {"proxy-url": "ftp://x"},
            'invalid \'proxy-url\' "ftp://x" for cluster "c": unsupported scheme "ftp", must be',
        ),
        ({"proxy-url": "x"}, 'unsupported scheme ""'),
    ],
)
def test_clusters_that_cannot_be_reached(cluster: dict[str, Any], message: str) -> None:
    with pytest.raises(CliError, match=message):
        connected({"token": "t"}, **cluster)


def test_files_that_are_not_there() -> None:
    gone = "due to open /none: no such file or directory"
    with pytest.raises(CliError, match=f"unable to read client-cert /none for u {gone}"):
        connected({"client-certificate": "/none"})
    gone_authority: dict[str, Any] = {"certificate-authority": "/none"}
    with pytest.raises(CliError, match=f"unable to read certificate-authority /none for c {gone}"):
        connected({"token": "t"}, **gone_authority)
    with pytest.raises(CliError, match=f"unable to read client-key /none for u {gone}"):
        connected({"token": "t"}, "--client-key=/none")


def test_who_says_nothing_is_not_known() -> None:
    assert not is_known(connected({}))
    assert is_known(connected({"token": "t"}))
