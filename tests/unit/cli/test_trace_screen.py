"""The tree of `trace --follow` at a terminal, and the colours of a trace."""

import re
from io import StringIO

import pytest

from pinnace.cli.colours import of_trace
from pinnace.cli.trace_screen import Screen
from pinnace.insight.spans import trees
from unit.insight.test_spans import story


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_tree_is_drawn_over_itself_and_stays_whole_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    screen = Screen(stream, is_full=False)
    screen.draw(trees(story()[:1]))
    first = stream.getvalue()
    assert "\x1b" not in first
    screen.draw(trees(story()))
    second = stream.getvalue().removeprefix(first)
    assert second.startswith(f"\x1b[{first.count(chr(10))}A\r\x1b[J")
    screen.finish(trees(story()))
    assert stream.getvalue().count("pull image") == 2
    assert all(len(line) <= 80 for line in re.sub(r"\x1b\[[0-9]*[AJ]", "", stream.getvalue()).split("\n"))


def test_colours_change_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("PINNACE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    Screen(stream, is_full=False).draw(trees(story()))
    coloured = stream.getvalue()
    assert "\x1b[" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert of_trace(plain) == coloured
    assert "apiserver: create pod/web by jane" in plain
