"""Colours: of states, cells and descriptions, and when there are none."""

import io
import re

import pytest

from pinnace.cli import colours
from pinnace.cli.printers.columns_text import ColumnWriter

ESCAPES = re.compile(r"\x1b\[\d+m")


class AtTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "at_terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"PINNACE_COLOR": "never"}, True, False),
        ({"PINNACE_COLOR": "always"}, False, True),
        ({"PINNACE_COLOR": "always", "NO_COLOR": "1"}, False, True),
    ],
)
def test_when_there_are_colours(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], at_terminal: bool, wanted: bool
) -> None:
    for name in ("NO_COLOR", "PINNACE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert colours.are_wanted(AtTerminal() if at_terminal else io.StringIO()) is wanted


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        ("Running", colours.GREEN),
        ("Init:0/1", colours.YELLOW),
        ("Terminating", colours.YELLOW),
        ("CrashLoopBackOff", colours.RED),
        ("Init:CrashLoopBackOff", colours.RED),
        ("ErrImagePull", colours.RED),
        ("NotReady", colours.RED),
        ("something new", ""),
    ],
)
def test_states(state: str, colour: str) -> None:
    assert colours.of_state(state) == colour


def test_only_what_speaks_of_a_state_is_coloured() -> None:
    assert colours.of_cell("NAME", "Running") == ""
    assert colours.of_cell("READY", "1/2") == colours.YELLOW
    assert colours.of_cell("READY", "2/2") == ""


def test_coloured_columns_stand_where_they_stood() -> None:
    rows = [["NAME", "STATUS", "AGE"], ["web", "CrashLoopBackOff", "1d"], ["a-longer-name", "Running", "5s"]]
    painted = ColumnWriter(lambda _, text: colours.of_state(text)).render(rows)
    assert "\x1b[31mCrashLoopBackOff\x1b[0m   " in painted
    assert ESCAPES.sub("", painted) == ColumnWriter().render(rows)


DESCRIPTION = """Name:         web
Status:       Running
Containers:
  main:
    State:          Waiting
      Reason:       CrashLoopBackOff
    Image:          registry:5000/a
Events:
  Type     Reason   Age   From     Message
  Warning  BackOff  5s    kubelet  Back-off: restarting
"""


def test_a_description_keeps_its_text() -> None:
    painted = colours.of_description(DESCRIPTION)
    assert ESCAPES.sub("", painted) == DESCRIPTION
    assert f"{colours.RED}CrashLoopBackOff{colours.RESET}" in painted
    assert f"{colours.BOLD}Name:{colours.RESET}         web" in painted
