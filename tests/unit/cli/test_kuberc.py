"""Preferences: aliases and defaults in the command line, what is wrong with the file, and the policy for credential plugins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pinnace.cli import kuberc
from pinnace.cli.errors import CliError
from pinnace.cli.main import _command_of, main

HEAD = {"apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference"}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    for name in ("KUBERC", "KUBECTL_KUBERC", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def save(**preference: Any) -> Path:
        path = tmp_path / "rc"
        path.write_text(yaml.safe_dump({**HEAD, **preference}))
        return path

    return save


def meant(path: Path, line: str) -> str:
    argv, _ = kuberc.applied([f"--kuberc={path}", *line.split()], "kubectl", _command_of)
    return " ".join(argv[1:])


ALIASES = [
    {"name": "getn", "command": "get", "prependArgs": ["nodes"], "options": [{"name": "output", "default": "wide"}]},
    {"name": "runx", "command": "run", "appendArgs": ["--", "x"], "options": [{"name": "image", "default": "nginx"}]},
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("getn", "get --output=wide nodes"), ("getn a -o yaml", "get nodes a -o yaml"), ("getn a -oyaml", "get nodes a -oyaml"),
        ("runx pod", "run --image=nginx pod -- x"), ("-n=b getn", "-n=b get --output=wide nodes"), ("-n b getn", "-n b getn"), ("get pods", "get pods"),
        ("other", "other"),
    ],
)  # fmt: skip
def test_aliases(write: Write, line: str, out: str) -> None:
    assert meant(write(aliases=ALIASES), line) == out


def test_defaults_are_for_what_is_not_given(write: Write) -> None:
    defaults = [
        {"command": "set env", "options": [{"name": "output", "default": "yaml"}]},
        {"command": "get", "options": [{"name": "watch", "default": "true"}]},
    ]
    path = write(defaults=defaults, aliases=[{"name": "show", "command": "get"}])
    assert meant(path, "get pod a") == "get --watch=true pod a"
    assert meant(path, "get pod a -w=false") == "get pod a -w=false"
    assert meant(path, "set env deploy/a A=1") == "set env --output=yaml deploy/a A=1"
    assert meant(path, "set image deploy/a a=b") == "set image deploy/a a=b"
    assert meant(path, "show pod a") == "get pod a"  # defaults of a command are not those of its aliases


@pytest.mark.parametrize(
    ("preference", "line", "message"),
    [
        ({"aliases": [{"name": "a-b", "command": "get"}]}, "get", "invalid alias name, can only include alphabetical characters"),
        ({"aliases": [{"name": "a", "command": "get"}] * 2}, "get", "duplicate alias name a"),
        ({"aliases": [{"name": "a", "command": "gett x"}]}, "a", 'command "gett x" not found to set alias "a": [gett x]'),
        ({"aliases": [{"name": "a", "command": "get", "options": [{"name": "x", "default": ""}]}]}, "a", "invalid alias flag x in alias kubectl"),
        ({"defaults": [{"command": "get", "options": [{"name": "-o", "default": ""}]}]}, "get", "flag name -o should be in long form without dashes"),
        ({"defaults": [{"command": "get", "options": [{"name": "x", "default": ""}]}]}, "get", "invalid flag x for command get"),
        ({"defaults": [{"command": "get", "options": [{"name": "watch", "default": "x"}]}]}, "get", "could not apply override value x to flag watch in command get err: "),
        ({"defaults": [{"command": "a"}], "aliases": [{"name": "a", "command": "get"}]}, "a", "alias a can not be overridden"),
    ],
)  # fmt: skip
def test_what_is_wrong(write: Write, preference: dict[str, Any], line: str, message: str) -> None:
    with pytest.raises(CliError) as error:
        meant(write(**preference), line)
    assert str(error.value).startswith(f"error occurred while applying preferences {message}")


def test_files(write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "error occurred while applying preferences kuberc error "
    assert main(["--kuberc", "/nope", "version", "--client"]) == 1
    assert capsys.readouterr().err == f"{prefix}kuberc: open /nope: no such file or directory\n"
    path = write(
        defaults=[
            {"command": "nope"},
            {"command": "version", "options": [{"name": "output", "default": "yaml"}]},
        ],
        x=1,
    )
    monkeypatch.setenv("KUBERC", str(path))
    assert main(["version", "--client"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("clientVersion:\n")
    assert err == (
        f'kuberc: ignoring strict decoding error in {path}: strict decoding error: unknown field "x"'
        'Warning: command "nope" not found to set kuberc override\n'
    )
    monkeypatch.setenv("KUBERC", "off")
    assert main(["version", "--client"]) == 0
    assert capsys.readouterr().out.startswith("Client Version:")
    assert main(["version", f"--kuberc={path}"]) == 1
    assert "mutually exclusive" in capsys.readouterr().err
    path.write_text("kind: Other\n")
    monkeypatch.setenv("KUBERC", str(path))
    assert main(["version", "--client"]) == 1
    assert (
        capsys.readouterr().err
        == f"{prefix}kuberc: no valid preferences found in {path}, use --v=5 to see details\n"
    )


def test_set_and_view(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "rc"
    change = ["kuberc", "set", f"--kuberc={path}", "--section"]
    assert (
        main([*change, "defaults", "--command", "get", "--option", "output=wide"]) == 1
    )  # named, but not there yet
    path.parent.mkdir()
    path.write_text("")
    assert main([*change, "defaults", "--command", "get", "--option", "output=wide"]) == 0
    assert main([*change, "aliases", "--command", "get", "--name", "getn", "--prependarg", "nodes"]) == 0
    assert main([*change, "credentialplugin", "--policy", "Allowlist", "--allowlist-entry", "name=sh"]) == 0
    capsys.readouterr()
    assert main(["kuberc", "view", f"--kuberc={path}"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {
        **HEAD,
        "aliases": [{"name": "getn", "command": "get", "prependArgs": ["nodes"]}],
        "defaults": [{"command": "get", "options": [{"name": "output", "default": "wide"}]}],
        "credentialPluginPolicy": "Allowlist",
        "credentialPluginAllowlist": [{"name": "sh"}],
    }
    assert main([*change, "defaults", "--command", "get"]) == 1
    assert (
        capsys.readouterr().err
        == 'error: defaults for command "get" already exist, use --overwrite to replace\n'
    )
    assert main([*change, "defaults", "--command", "get", "--option", "watch=true", "--overwrite"]) == 0
    assert main([*change, "x", "--command", "get"]) == 1
    assert main([*change, "aliases", "--command", "get"]) == 1
    assert "--name is required when --section=aliases" in capsys.readouterr().err


def test_the_policy_for_credential_plugins() -> None:
    plugin = {"command": "sh"}
    kuberc.check_plugin({}, plugin)
    kuberc.check_plugin({"credentialPluginPolicy": "AllowAll"}, plugin)
    entries = [{"name": "ls"}, {"name": "sh"}]
    allow = {"credentialPluginPolicy": "Allowlist", "credentialPluginAllowlist": entries}
    kuberc.check_plugin(allow, plugin)
    for preference in (
        {"credentialPluginPolicy": "DenyAll"},
        {**allow, "credentialPluginAllowlist": entries[:1]},
    ):
        with pytest.raises(CliError, match="is not allowed"):
            kuberc.check_plugin(preference, plugin)


@pytest.mark.parametrize(
    "content",
    [
        "\udcff\udcfe",
        "[" * 5_000,
        *(
            f"apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n{rest}\n"
            for rest in (
                "aliases: 5", "aliases: [{name: x, command: get, options: 5}]", "aliases: [{name: x, command: get, options: [null]}]",
                "aliases: [{name: x, command: get ns, prependArgs: 5}]", "defaults: {a: b}", "credentialPluginAllowlist: 5",
                "credentialPluginAllowlist: [1]", "a: 2024-13-45",
            )
        ),
    ],
)  # fmt: skip
def test_files_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rc"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CliError, match="no valid preferences found in"):
        kuberc.read(str(path))
