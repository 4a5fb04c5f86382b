"""The entrance: dispatch, help, unknown commands; and that it starts without what it does not need."""

import subprocess
import sys

import pytest

from pinnace.cli.main import COMMANDS, main, program_name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"pinnace {name}" in capsys.readouterr().out


def test_the_name_it_is_called_by() -> None:
    assert program_name("/usr/local/bin/kubectl") == "kubectl"
    assert program_name("/x/pinnace/__main__.py") == "pinnace"


def test_version_needs_neither_asyncio_nor_yaml() -> None:
    code = (
        "import sys; from pinnace.cli.main import main; main(['version', '--client']);"
        "print(sorted({'asyncio', 'yaml', 'ssl', 'aiohttp', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    assert main(["get", "pods", "-s", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n"
    )
