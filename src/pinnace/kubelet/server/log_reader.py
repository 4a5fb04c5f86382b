"""Read one container's log file, to its end or on and on while the container runs.

Following polls through the clock: ten times a second it reads what there is and, if that is nothing, asks for the file's
name, only while somebody follows. A rotated file is read to its end before the new one is opened.
"""

import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import BinaryIO

from pinnace.component.clock import Clock
from pinnace.kubelet.server.log_lines import BLOCK, LineFilter, LogOptions, tail_start

POLL_SECONDS = 0.1


async def read_log(
    path: Path, options: LogOptions, clock: Clock, is_over: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    """Pieces for the client; while following an empty piece at each poll, so that the caller can notice a client that left.

    `is_over` says that the container writes no more. Raises FileNotFoundError.
    """
    lines = LineFilter(options)
    file = path.open("rb")
    try:
        if options.tail is not None:
            file.seek(tail_start(file, options.tail))
        last_round = False
        while not lines.is_full:
            if data := file.read(BLOCK):
                if out := lines.feed(data):
                    yield out
                # A long file must not keep everybody else waiting, and what is just being written comes in many small pieces.
                is_waiting = options.follow and len(data) < BLOCK and not is_over()
                await clock.sleep(POLL_SECONDS if is_waiting else 0)
            elif not options.follow:
                return
            elif _is_rotated(path, file):
                if not (rest := file.read()):
                    file.close()
                    file = path.open("rb")
                else:
                    yield lines.feed(rest)
            elif last_round:
                return
            else:
                last_round = is_over()
                yield b""
                await clock.sleep(0 if last_round else POLL_SECONDS)
    finally:
        file.close()


def _is_rotated(path: Path, file: BinaryIO) -> bool:
    """Another file has this name now; while there is none, the runtime has not reopened its log yet."""
    try:
        there, here = path.stat(), os.fstat(file.fileno())
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)
