"""How long a Job waits before it replaces a failed pod: 10 s, doubling to 10 minutes, starting over with a success."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time

FIRST, LONGEST = 10.0, 600.0  # seconds
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """Failures since the last success."""

    failures: int = 0
    last_failure: datetime | None = None

    def after(self, succeeded: Iterable[datetime], failed: Iterable[datetime]) -> "Record":
        """With these further pods, by the moments at which they finished."""
        ends, success = sorted(failed), max(succeeded, default=None)
        if success is not None:
            later = [end for end in ends if end > success]
            return Record(len(later), later[-1] if later else None)
        return Record(self.failures + len(ends), ends[-1]) if ends else self

    def remaining(self, now: datetime) -> float:
        """Seconds until the next pod may be made."""
        if not self.failures or self.last_failure is None:
            return 0.0
        wait = min(FIRST * 2.0 ** min(self.failures - 1, 30), LONGEST)
        return max(0.0, wait - (now - self.last_failure).total_seconds())


def finished_at(pod: Object) -> datetime:
    """By its containers, else by its condition Ready, else by its deletion, else the moment it was made."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    ended = [
        (one.get("state") or {}).get("terminated") or {} for one in status.get("containerStatuses") or ()
    ]
    if ended and all(one.get("finishedAt") for one in ended):
        return max(parse_time(one["finishedAt"]) for one in ended)
    ready = pods.get_condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_time(ready["lastTransitionTime"])
    if metadata.get("deletionTimestamp"):
        grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
        return parse_time(metadata["deletionTimestamp"]) - grace
    created = metadata.get("creationTimestamp")
    return parse_time(created) if created else _BEGINNING
