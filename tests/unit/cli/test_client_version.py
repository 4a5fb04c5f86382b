"""The client's version, and `--match-server-version`."""

from typing import Any

import pytest

from pinnace.cli.client_version import check_match, client_version
from pinnace.cli.commands.version import _warn_of_difference
from pinnace.cli.errors import CliError


class Http:
    def __init__(self, version: dict[str, str]) -> None:
        self._version = version

    def get(self, path: str, query: Any) -> Any:
        assert path == "/version"
        return self._version


def test_the_same_version_is_taken() -> None:
    check_match(Http({**client_version(), "gitTreeState": "clean", "platform": "any"}))  # type: ignore[arg-type]


def test_another_version_is_refused_in_the_words_of_kubectl() -> None:
    server = {
        "major": "1",
        "minor": "33",
        "gitVersion": "v1.33.1",
        "gitCommit": "8adc",
        "gitTreeState": "clean",
    }
    with pytest.raises(CliError) as caught:
        check_match(Http(server))  # type: ignore[arg-type]
    words = str(caught.value)
    assert words.startswith(
        'server version (&version.Info{Major:"1", Minor:"33", EmulationMajor:"", EmulationMinor:"", MinCompatibilityMajor:"", '
        'MinCompatibilityMinor:"", GitVersion:"v1.33.1", GitCommit:"8adc", GitTreeState:"clean", BuildDate:"", GoVersion:"", '
        'Compiler:"", Platform:""}) differs from client version (version.Info{Major:"1", Minor:"36", '
    )


@pytest.mark.parametrize(
    ("minor", "is_warned"),
    [("34", True), ("35", False), ("36+", False), ("37", False), ("38+", True), ("", False)],
)
def test_two_minor_versions_apart_is_said(
    minor: str, is_warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _warn_of_difference(client_version(), {"major": "1", "minor": minor})
    expected = (
        f"WARNING: version difference between client (1.36) and server (1.{minor.rstrip('+')}) exceeds the supported "
        "minor version skew of +/-1\n"
    )
    assert capsys.readouterr().err == (expected if is_warned else "")
