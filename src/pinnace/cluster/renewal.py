"""The cluster's own certificates while it runs: made anew before they expire, and in use without a restart.

A start does the same (`Pki.ensure`); this is for a cluster that runs for most of a year. Nobody has to be asked: the CA is here.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from pinnace.cluster.pki import Leaf, Pki
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

LONGEST_SLEEP = 86400.0  # the machine may sleep or its clock be set: a look a day
RETRY_SECONDS = 300.0


class Renewal:
    """`changed` puts what was made into the connections to come."""

    def __init__(self, pki: Pki, leaves: list[Leaf], clock: Clock, changed: Callable[[], None]) -> None:
        self._pki, self._leaves, self._clock, self._changed = pki, leaves, clock, changed

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._wait(self._clock.now()))
            try:
                if self._pki.ensure(self._leaves, self._clock.now()):
                    self._changed()
                    log.info("certificates made anew, the next ones after %s", self._pki.due())
            except OSError as error:  # a full disk
                log.warning("no new certificates: %s; next attempt in %.0f s", error, RETRY_SECONDS)
                await self._clock.sleep(RETRY_SECONDS)

    def _wait(self, now: datetime) -> float:
        """A second more than is left, because a certificate is old only when the moment is over."""
        left = (self._pki.due() - now).total_seconds() + 1.0
        return min(max(left, 1.0), LONGEST_SLEEP)
