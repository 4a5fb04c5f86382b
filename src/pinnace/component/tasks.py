"""Small patterns for tasks: keep a loop alive, run a part until it is cancelled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pinnace.component.clock import Clock

log = logging.getLogger(__name__)


async def keep_running(
    name: str, work: Callable[[], Awaitable[None]], clock: Clock, *, longest_pause: float = 30.0
) -> None:
    """Run `work` for ever: when it ends or fails it is started again after a growing pause (1 s doubling to `longest_pause`).

    A run that lasted a minute resets the pause. Cancellation ends it.
    """
    pause = 1.0
    while True:
        begun = clock.monotonic()
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s failed; it starts again in %.0f s", name, pause)
        if clock.monotonic() - begun > 60:
            pause = 1.0
        await clock.sleep(pause)
        pause = min(pause * 2, longest_pause)
