"""The clock of programs without an event loop: the command line, the launcher. Costs nothing to import."""

import time


class BlockingClock:
    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
