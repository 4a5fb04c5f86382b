"""Words that are no commands: plugins, and what was meant."""

import subprocess
import sys
from pathlib import Path

import pytest

from pinnace.cli.main import main


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("frobnicate", ""),
        ("gett", "\n\nDid you mean this?\n\tset\n\tget"),
        ("GTE", "\n\nDid you mean this?\n\tget"),
        ("foo", "\n\nDid you mean this?\n\ttop"),
    ],
)
def test_an_unknown_command_says_what_was_meant(
    word: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main([word], "kubectl") == 1
    assert capsys.readouterr().err == f'error: unknown command "{word}" for "kubectl"{text}\n'


def test_a_plugin_cannot_stand_behind_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "x", "foo"], "kubectl") == 1
    assert capsys.readouterr().err == "Error: flags cannot be placed before plugin name: -n\n"


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    for name in (
        "kubectl-foo",
        "kubectl-foo-bar_baz",
        "kubectl-create-thing",
        "kubectl-create",
        "kubectl-get",
    ):
        script = tmp_path / name
        script.write_text('#!/bin/sh\necho "$(basename $0):$*"\nexit 3\n')
        script.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("front", [[], ["kubectl"]])
@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("foo", "kubectl-foo:"), ("foo a -x", "kubectl-foo:a -x"), ("foo bar-baz -n y", "kubectl-foo-bar_baz:-n y"),
        ("create thing a", "kubectl-create-thing:a"),
    ],
)  # fmt: skip
def test_the_plugin_with_the_longest_name_runs(plugins: Path, front: list[str], line: str, out: str) -> None:
    code = "import sys; from pinnace.cli.main import main; sys.exit(main(sys.argv[1:], 'pinnace'))"
    done = subprocess.run(
        [sys.executable, "-c", code, *front, *line.split()], capture_output=True, text=True, check=False,
        env={"PATH": f"{plugins}:/bin:/usr/bin", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, out, "")


def test_a_command_of_ours_is_never_a_plugin(
    plugins: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{plugins}:/bin:/usr/bin")
    assert main(["get", "--help"]) == 0
    assert main(["create", "nothing"], "kubectl") == 1  # not kubectl-create, which is shorter
    assert "Unexpected args: [nothing]" in capsys.readouterr().err
