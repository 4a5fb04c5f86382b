"""`wait --local`: the objects of files, without a server."""

from pathlib import Path

import pytest

from pinnace.cli.main import main

OBJECT = """{apiVersion: apps/v1, kind: Deployment, metadata: {name: web},
status: {replicas: 3, conditions: [{type: Available, status: "True"}]}}"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    (tmp_path / "object.yaml").write_text(OBJECT)
    return str(tmp_path / "object.yaml")


@pytest.mark.parametrize(
    "wish", ["create", "condition=Available", "condition=available=true", "jsonpath={.status.replicas}=3"]
)
def test_what_holds_in_the_file_is_met(file: str, wish: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "--local", "-f", file, f"--for={wish}"], "kubectl") == 0
    assert capsys.readouterr().out == "deployment.apps/web condition met\n"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("condition=Progressing", "condition not met for deployment.apps/web"),
        ("jsonpath={.status.replicas}=4", "condition not met for deployment.apps/web"),
        ("jsonpath={.status}=4", "jsonpath leads to a nested object or list which is not supported"),
        (
            "jsonpath={.status.conditions[*]['type','status']}",
            "given jsonpath expression matches more than one value",
        ),
        ("delete", "--local cannot tell whether something is deleted"),
    ],
)
def test_what_does_not_hold_is_no_matter_of_time(
    file: str, wish: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["wait", "--local", "-f", file, f"--for={wish}", "--timeout=1h"], "kubectl") == 1
    assert capsys.readouterr().err == f"error: {words}\n"


def test_names_need_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "--local", "pod/web", "--for=delete"], "kubectl") == 1
    assert capsys.readouterr().err.startswith(
        "error: you must specify resources by --filename when --local is set.\n"
    )
