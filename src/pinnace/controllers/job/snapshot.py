"""What a Job and its pods come to at one moment: who is active, who finished and is not counted yet, which indexes are done.

A pod carries a finalizer until it has been counted. On its way it stands in `status.uncountedTerminatedPods`: first the
status is written, then the finalizer goes, then the number goes up. So no pod is lost or counted twice, wherever a
controller stops and another takes over. An index that succeeded stands in `completedIndexes`, which needs no such list.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property

from pinnace.api import meta
from pinnace.api.batch.indexes import IndexSet
from pinnace.api.batch.job_status import COMPLETION_INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES, is_tracked
from pinnace.api.meta import Object
from pinnace.controllers.job import failure_policy
from pinnace.controllers.job.backoff import finished_at
from pinnace.controllers.runtime import pods

_MAX_INT32 = 2**31 - 1


def completion_index(pod: Object) -> int | None:
    return _number(meta.annotations(pod).get(COMPLETION_INDEX))


def failures_of_index(pod: Object) -> tuple[int, int]:
    """(counted, ignored) failures of the pod's index before this pod."""
    own = meta.annotations(pod)
    counted, ignored = _number(own.get(INDEX_FAILURES)) or 0, _number(own.get(INDEX_IGNORED_FAILURES)) or 0
    return counted, ignored


def _number(text: str | None) -> int | None:
    """Annotations are anybody's to write: what is no number up to 2^31-1 does not count."""
    if text is None or len(text) > 10 or not (text.isascii() and text.isdecimal()) or int(text) > _MAX_INT32:
        return None
    return int(text)


class Snapshot:
    def __init__(self, job: Object, owned: list[Object], now: datetime) -> None:
        self.job, self.spec, self.now = job, job["spec"], now
        self.status: Object = job.get("status") or {}
        self.pods = owned
        self.completions: int | None = self.spec.get("completions")
        self.is_indexed = self.spec.get("completionMode") == "Indexed"
        self.limit_per_index: int | None = self.spec.get("backoffLimitPerIndex")
        self.failure_policy = self.spec.get("podFailurePolicy")
        replacement = self.spec.get("podReplacementPolicy")
        self.replaces_only_failed = replacement == "Failed" or self.failure_policy is not None
        self.is_suspended = bool(self.spec.get("suspend"))
        self.active: list[Object] = []
        self.terminating: list[Object] = []
        self.tracked: list[Object] = []  # not let go yet
        self.ended: list[Object] = []  # of those, the ones that succeeded or failed
        self._sort(owned)
        self._indexes: dict[str, int | None] = {}  # of pods, by uid
        uncounted = self.status.get("uncountedTerminatedPods") or {}
        self.uncounted_succeeded: list[str] = uncounted.get("succeeded") or []
        self.uncounted_failed: list[str] = uncounted.get("failed") or []

    def _sort(self, owned: list[Object]) -> None:
        for pod in owned:
            has_ended = pods.is_terminal(pod)
            if not has_ended:
                (self.terminating if meta.is_terminating(pod) else self.active).append(pod)
            if is_tracked(pod):
                self.tracked.append(pod)
                if has_ended or self.is_failed(pod):
                    self.ended.append(pod)

    # -- pods
    def index_of(self, pod: Object) -> int | None:
        """The pod's completion index, if the Job has that many."""
        uid = meta.uid(pod)
        if uid not in self._indexes:
            index = completion_index(pod)
            self._indexes[uid] = index if index is not None and index < (self.completions or 0) else None
        return self._indexes[uid]

    def is_counted_kind(self, pod: Object) -> bool:
        """Indexed Jobs count only pods with an index of theirs."""
        return not self.is_indexed or self.index_of(pod) is not None

    def is_failed(self, pod: Object) -> bool:
        """Failed, or on its way out, unless only pods that really failed are replaced."""
        if pods.phase(pod) == "Failed":
            return True
        return not self.replaces_only_failed and meta.is_terminating(pod) and pods.phase(pod) != "Succeeded"

    def judged(self, pod: Object) -> failure_policy.Match:
        return failure_policy.match(self.failure_policy, pod)

    def _fresh(self, known: Iterable[str], wanted: Callable[[Object], bool]) -> list[Object]:
        """Tracked pods that no list of the status names."""
        listed = set(known)
        return [
            pod
            for pod in self.ended
            if meta.uid(pod) not in listed and wanted(pod) and self.is_counted_kind(pod)
        ]

    @cached_property
    def newly_succeeded(self) -> list[Object]:
        """Not those that were written down as failures on their way out."""
        known = (*self.uncounted_succeeded, *self.uncounted_failed)
        return self._fresh(known, lambda pod: pods.phase(pod) == "Succeeded")

    @cached_property
    def newly_failed(self) -> list[Object]:
        return self._fresh(self.uncounted_failed, self.is_failed)

    # -- counts
    @cached_property
    def succeeded(self) -> int:
        if self.is_indexed:
            return len(self.succeeded_indexes)
        counted: int = self.status.get("succeeded") or 0
        return counted + len(self.newly_succeeded) + len(self.uncounted_succeeded)

    @cached_property
    def failed(self) -> int:
        counted: int = self.status.get("failed") or 0
        fresh = sum(self.judged(pod).counts for pod in self.newly_failed)
        return counted + fresh + len(self.uncounted_failed)

    # -- indexes
    @cached_property
    def known_succeeded_indexes(self) -> IndexSet:
        return IndexSet.parse(self.status.get("completedIndexes") or "", self.completions or 0)

    @cached_property
    def known_failed_indexes(self) -> IndexSet:
        return IndexSet.parse(self.status.get("failedIndexes") or "", self.completions or 0)

    @cached_property
    def succeeded_indexes(self) -> IndexSet:
        """What was said to have failed stays so, even if its pod, on its way out, succeeds after all."""
        fresh = (
            self.index_of(pod) for pod in self.newly_succeeded if meta.uid(pod) not in self.uncounted_failed
        )
        return self.known_succeeded_indexes | IndexSet.of(
            index for index in fresh if index is not None and index not in self.known_failed_indexes
        )

    @cached_property
    def failed_indexes(self) -> IndexSet | None:
        """None unless failures are limited for each index."""
        if not self.is_indexed or self.limit_per_index is None:
            return None
        fresh = {self.index_of(pod) for pod in self.ended if self._ends_its_index(pod)}
        return self.known_failed_indexes | IndexSet.of(
            index for index in fresh if index is not None and index not in self.succeeded_indexes
        )

    def _ends_its_index(self, pod: Object) -> bool:
        if not self.is_failed(pod):
            return False
        verdict = self.judged(pod)
        if verdict.action == "FailIndex":
            return True
        return verdict.counts and failures_of_index(pod)[0] >= (self.limit_per_index or 0)

    @cached_property
    def active_indexes(self) -> IndexSet:
        return _indexes(self.active)

    @cached_property
    def awaiting_successor(self) -> dict[int, Object]:
        """By index, the last failed pod: it stays until its successor, which inherits its count of failures, is there."""
        if self.failed_indexes is None:
            return {}
        last: dict[int, Object] = {}
        for pod in self._fresh((), self.is_failed):
            index = self.index_of(pod)
            if index is None or index in self.active_indexes:
                continue
            if index in self.succeeded_indexes or index in self.failed_indexes:
                continue
            if index not in last or _rank(pod) >= _rank(last[index]):
                last[index] = pod
        return last

    @cached_property
    def pending_indexes(self) -> Iterable[int]:
        """Indexes that need a pod, lowest first."""
        taken = self.succeeded_indexes | self.active_indexes
        if self.replaces_only_failed:
            taken |= _indexes(self.terminating)
        if self.failed_indexes is not None:
            taken |= self.failed_indexes
        return taken.missing(self.completions or 0)


def _indexes(of: Iterable[Object]) -> IndexSet:
    return IndexSet.of(index for pod in of if (index := completion_index(pod)) is not None)


def _rank(pod: Object) -> tuple[int, datetime]:
    return sum(failures_of_index(pod)), finished_at(pod)
