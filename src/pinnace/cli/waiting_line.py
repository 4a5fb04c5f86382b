"""What a command waits for, and how long already, in one line that is erased again: only where a person looks on.

That is when both standard output and standard error are terminals: what a script reads is kubectl's, to the byte.
Nothing is shown in the first half second, since most waits are shorter.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pinnace.cli import clock

if TYPE_CHECKING:
    from threading import Event

FIRST_SECONDS, EVERY_SECONDS = 0.5, 1.0
ERASE = "\r\x1b[K"


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """`what` is what stands behind "waiting for"."""
    if not _somebody_looks():
        yield
        return
    from threading import Event, Thread  # only here: most waits are a script's

    over = Event()
    thread = Thread(target=_show, args=(what, over), name="waiting line", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # it erases the line before anything else is shown


def _somebody_looks() -> bool:
    return sys.stderr.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _show(what: str, over: "Event") -> None:
    begun, pause, is_shown = clock.monotonic(), FIRST_SECONDS, False
    while not over.wait(pause):
        text, width = f"waiting for {what} ({clock.monotonic() - begun:.0f}s)", _width()
        sys.stderr.write(ERASE + (text if len(text) < width else text[: width - 1]))
        sys.stderr.flush()
        pause, is_shown = EVERY_SECONDS, True
    if is_shown:
        sys.stderr.write(ERASE)
        sys.stderr.flush()


def _width() -> int:
    """A line that wraps cannot be erased."""
    from pinnace.cli.terminal import window_size

    size = window_size()
    return size.columns if size else 80
