"""The size of the user's terminal, in a pseudo terminal of the test's own."""

import os
import sys
from collections.abc import Iterator

import pexpect
import pytest

PROGRAM = """
import signal, sys
from pinnace.cli.terminal import Terminal
tell = lambda columns, lines: print("size", columns, lines, end=";\\r\\n", flush=True)
terminal = Terminal(tell, redraw=sys.argv[1] == "attach")
with terminal.raw():
    print("raw", flush=True)
    for line in sys.stdin:
        if line.startswith("q"):
            break
        terminal.tell_again()
print("handler", signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL, flush=True)
"""


def start(kind: str) -> "pexpect.spawn[str]":
    source = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": source, "COLUMNS": "80", "LINES": "24"}
    return pexpect.spawn(
        sys.executable, ["-c", PROGRAM, kind], env=environment, dimensions=(33, 101), encoding="utf-8",
        timeout=60, echo=False,
    )  # fmt: skip


@pytest.fixture
def running() -> "Iterator[pexpect.spawn[str]]":
    child = start("exec")
    yield child
    child.close(force=True)


def test_the_size_is_the_terminals_own_and_follows_it(running: "pexpect.spawn[str]") -> None:
    running.expect("size 101 33;")
    running.expect("raw")
    running.setwinsize(40, 120)
    running.expect("size 120 40;")
    running.sendline("again")
    running.expect("size 120 40;")
    running.sendline("q")
    running.expect("handler True")


def test_attach_has_the_screen_drawn_anew() -> None:
    child = start("attach")
    child.expect(r"size 102 34;\s+size 101 33;")
    child.close(force=True)
