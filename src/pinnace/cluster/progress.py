"""How far a server is: JSON lines that it appends to a file, and how `pinnace up` and the foreground show them.

The first line names the server's process, so that nobody takes the lines of an earlier start for those of this one.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Progress:
    """Every line is also given to `echo`."""

    def __init__(self, path: Path, echo: Callable[[dict[str, Any]], None] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", buffering=1)
        self._echo = echo
        self._write({"pid": os.getpid()})

    @property
    def is_shown(self) -> bool:
        return self._echo is not None

    def step(self, text: str) -> None:
        self._write({"step": text})

    def note(self, text: str) -> None:
        """Something the user should know that does not stop the start."""
        self._write({"note": text})

    def ready(self, text: str) -> None:
        self._write({"ready": text})

    def failed(self, text: str) -> None:
        self._write({"failed": text})

    def _write(self, line: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a full disk must not hide why the start failed
            self._file.write(json.dumps(line) + "\n")
        if self._echo is not None:
            self._echo(line)


def lines_of(path: Path, pid: int) -> list[dict[str, Any]]:
    """What the server with this pid has told so far; the last line may still be in the making."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1].splitlines()
    lines = [json.loads(line) for line in whole]
    return lines[1:] if lines and lines[0].get("pid") == pid else []


def show(line: dict[str, Any], seconds: float, *, is_terminal: bool) -> int | None:
    """Print one line; the exit code when it is the last one."""
    mark = "\x1b[32m✓\x1b[0m" if is_terminal else " ✓"
    code = None
    if "step" in line:
        sys.stdout.write(f"{mark} {line['step']}  ({seconds:.1f} s)\n")
    elif "note" in line:
        sys.stdout.write(f" ! {line['note']}\n")
    elif "ready" in line:
        sys.stdout.write(f"{mark} Ready  ({seconds:.1f} s)\n\n{line['ready']}\n")
        code = 0
    elif "failed" in line:
        sys.stderr.write(f"error: {line['failed']}\n")
        code = 1
    sys.stdout.flush()
    return code
