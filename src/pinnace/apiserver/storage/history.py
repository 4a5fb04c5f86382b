"""The newest events of one resource, so that a watch can go on from a recent revision without asking the store."""

from bisect import bisect_right
from collections.abc import Sequence

from pinnace.apiserver.storage.events import StorageEvent
from pinnace.component.clock import Clock

AT_LEAST = 200  # events kept however old they are
AT_MOST = 20_000
SETTLED = 64  # events behind the newest that every watcher in this process has read by now
READ_SECONDS = 1.0  # and after this time, however few came since
FRESH_SECONDS = 75.0  # upstream's eventFreshDuration: a client that lost its connection comes back within it


class History:
    """Complete for revisions above `floor`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[StorageEvent] = []
        self._times: list[float] = []
        self.floor = 0

    def reset(self, revision: int) -> None:
        self._events, self._times, self.floor = [], [], revision

    def append(self, events: Sequence[StorageEvent]) -> None:
        now = self._clock.monotonic()
        self._release_settled(len(events))
        self._events.extend(events)
        self._times.extend([now] * len(events))
        if len(self._events) > AT_LEAST + AT_LEAST // 2:
            self._trim(now)

    def _release_settled(self, count: int) -> None:
        """What is made of events for watchers is of use while these read them, not for as long as events are kept."""
        end = max(0, len(self._events) - SETTLED)
        for event in self._events[max(0, end - count) : end]:
            event.release()

    def read_up_to(self) -> int:
        """The revision up to which every watcher in this process has read by now."""
        count = max(
            bisect_right(self._times, self._clock.monotonic() - READ_SECONDS), len(self._events) - SETTLED
        )
        return self._events[count - 1].revision if count > 0 else self.floor

    def _trim(self, now: float) -> None:
        """Called once per many events, since the front of a list is dear to cut."""
        stale = bisect_right(self._times, now - FRESH_SECONDS)
        excess = max(min(stale, len(self._events) - AT_LEAST), len(self._events) - AT_MOST)
        if excess >= min(AT_LEAST // 2, len(self._events)):
            self.floor = self._events[excess - 1].revision
            del self._events[:excess], self._times[:excess]

    def after(self, revision: int) -> Sequence[StorageEvent]:
        """The events above `revision`, which must not be below `floor`."""
        return self._events[bisect_right(self._events, revision, key=lambda event: event.revision) :]
