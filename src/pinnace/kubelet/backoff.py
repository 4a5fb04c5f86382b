"""Exponential back-off per key that is measured from an event: a container's end, a failed pull.

After client-go's flowcontrol.Backoff: the first wait is `base`, doubling to `longest`; a key that was quiet for ten minutes
(twice the longest wait where that is not configured otherwise) starts over.
"""

from dataclasses import dataclass

QUIET_SECONDS = 600.0


@dataclass(slots=True)
class _Entry:
    wait: float
    updated: float


class Backoff:
    """A `longest` below `base` is the first wait, too."""

    def __init__(self, base: float = 10.0, longest: float = 300.0) -> None:
        self._base, self._longest = min(base, longest), longest
        self._entries: dict[str, _Entry] = {}

    def remaining(self, key: str, since: float, now: float) -> float:
        """Seconds that are left of the wait counted from `since`; 0 when the key may go on.

        What seems to come from the future does not wait: the clock was set back, and nobody knows by how much.
        """
        entry = self._entries.get(key)
        if entry is None or since > now or self._expired(entry, since):
            return 0.0
        return max(0.0, since + entry.wait - now)

    def wait_of(self, key: str) -> float:
        entry = self._entries.get(key)
        return entry.wait if entry else 0.0

    def updated(self, key: str) -> float:
        """When the key failed last; minus infinity when it never did."""
        entry = self._entries.get(key)
        return entry.updated if entry else float("-inf")

    def next(self, key: str, now: float) -> None:
        """One more failure or restart at `now`."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, now):
            self._entries[key] = _Entry(self._base, now)
        else:
            entry.wait, entry.updated = min(entry.wait * 2, self._longest), now

    def forget(self, prefix: str) -> None:
        """Drop every key that starts with `prefix`."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]

    def _expired(self, entry: _Entry, now: float) -> bool:
        return now - entry.updated > QUIET_SECONDS
