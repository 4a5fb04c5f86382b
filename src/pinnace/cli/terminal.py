"""The user's terminal during `exec -it` and `attach -it`: raw, and its size told at the start and at every change.

A size that is lost leaves the command with a screen that does not fit, so: the signal's handler is there before the size is
read; it only wakes a thread, since it may interrupt a sending; and `tell_again` repeats the size once the command is known to run.
"""

import contextlib
import os
import queue
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator

Tell = Callable[[int, int], None]  # columns, lines


class Terminal:
    """`redraw`: as kubectl does on attach, the size changes for a moment, so that what runs there draws its screen anew."""

    def __init__(self, tell: Tell, *, redraw: bool = False) -> None:
        self._tell, self._redraw = tell, redraw
        self._changes: queue.SimpleQueue[bool] = queue.SimpleQueue()  # may be fed by a signal's handler

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        before = termios.tcgetattr(0)
        handler = signal.signal(signal.SIGWINCH, lambda *_: self.tell_again())
        try:
            if self._redraw:
                self._tell_size(more=1)
            self._tell_size()
            threading.Thread(target=self._follow, name="terminal size", daemon=True).start()
            tty.setraw(0, termios.TCSANOW)  # what was typed already counts
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, handler)
            self._changes.put(False)

    def tell_again(self) -> None:
        self._changes.put(True)

    def _follow(self) -> None:
        while self._changes.get():
            self._tell_size()

    def _tell_size(self, more: int = 0) -> None:
        if size := window_size():
            self._tell(size.columns + more, size.lines + more)


def window_size() -> os.terminal_size | None:
    """What the terminal itself says: COLUMNS and LINES may be those of another one. None where output is no terminal."""
    try:
        size = os.get_terminal_size(1)
    except OSError:
        return None
    return size if size.columns and size.lines else None
