"""The command line's time. The only module of this package that asks the operating system for it.

`pinnace.component.clock` would bring asyncio along, which costs more time to import than most commands take.
"""

import time


def now() -> float:
    """Seconds since the epoch."""
    return time.time()


def monotonic() -> float:
    return time.monotonic()


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def local(seconds: float) -> time.struct_time:
    """A time since the epoch as the clock on the wall shows it."""
    return time.localtime(seconds)
