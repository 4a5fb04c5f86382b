"""One pass over one Job: decide, start and stop pods, write the status, and let go of the pods that are counted.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/job/job_controller.go
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from pinnace.api import conditions, meta
from pinnace.api.meta import Object
from pinnace.api.resources import NAMESPACES
from pinnace.apimachinery.times import format_time
from pinnace.controllers.job import counts, sizing, verdict
from pinnace.controllers.job.backoff import Record, finished_at
from pinnace.controllers.job.snapshot import Snapshot
from pinnace.controllers.runtime import Action, Delete, Emit, RequeueAfter, SetStatus, World, pods

MAX_UNCOUNTED = 500  # pods that a status may name


class Pass:
    def __init__(self, job: Object, world: World, owned: list[Object]) -> None:
        self.job, self.world = job, world
        self.seen = Snapshot(job, owned, world.now)
        namespace = world.get(NAMESPACES, meta.namespace(job))  # where it is going, no pod gets a successor
        self.leaving = meta.is_terminating(job) or (namespace is not None and meta.is_terminating(namespace))
        self.events: list[Action] = []
        self.handled: Counter[str] = Counter()  # failed pods, by what the failure policy does about them
        self.conditions: list[Object] = list(self.seen.status.get("conditions") or [])

    def run(self) -> Iterator[Action]:
        seen, record = self.seen, self._failures()
        verdict_, scaling = verdict.decided(seen), list[Action]()
        if verdict_ is None and not self.leaving:
            scaling += sizing.scale(seen, record)
        if verdict_ is None:
            verdict_ = verdict.completed(seen)
        else:
            for pod in seen.active:
                yield Delete(pod, about=self.job)
        if verdict_ is None and not self.leaving:
            self._note_suspension()
        status, counted = self._status(verdict_)
        if status != seen.status:
            yield SetStatus(self.job, status)
            yield from counts.written(self.job, seen.status, status)
        yield from counts.handled(self.handled)
        yield from self.events
        for pod in counted:
            yield sizing.untrack(pod)
        yield from scaling  # last: pods that cannot be made (a quota, say) hold up no counting
        left = verdict.until_deadline(seen)
        if verdict_ is None and left is not None:
            yield RequeueAfter(left)

    def _failures(self) -> Record:
        """Failures since the last success. What was counted in earlier passes is remembered; after a restart the pods tell."""
        seen, fact = self.seen, failures_fact(meta.key(self.job))
        fresh = {meta.uid(pod) for pod in (*seen.newly_succeeded, *seen.newly_failed)}
        known = self.world.recall(fact)
        if known is not None and known[0][0] == meta.uid(self.job):
            _, base, pending = known[0]
        else:
            done = [pod for pod in seen.pods if pods.is_terminal(pod) and meta.uid(pod) not in fresh]
            base, pending = _extended(Record(), [_end(pod) for pod in done]), ()
        base = _extended(base, [end for end in pending if end[0] not in fresh])
        now = (
            *(_end(pod) for pod in seen.newly_succeeded),
            *(_end(pod, failed=True) for pod in seen.newly_failed),
        )
        self.world.remember(fact, (meta.uid(self.job), base, now))
        return _extended(base, now)

    def _note_suspension(self) -> None:
        """Suspended is True or False only if the Job was suspended at some time."""
        known = conditions.find(self.conditions, "Suspended")
        if self.seen.is_suspended and (known is None or known["status"] != "True"):
            self._set(verdict.new_condition(self.seen, "Suspended", "JobSuspended", "Job suspended"))
            self.events.append(Emit(self.job, "Normal", "Suspended", "Job suspended"))
        elif not self.seen.is_suspended and known is not None and known["status"] == "True":
            self._set(verdict.new_condition(self.seen, "Suspended", "JobResumed", "Job resumed", "False"))
            self.events.append(Emit(self.job, "Normal", "Resumed", "Job resumed"))
            self.resumed = True

    resumed = False

    def _set(self, new: Object) -> None:
        if any(one["type"] == new["type"] for one in self.conditions):
            self.conditions = [new if one["type"] == new["type"] else one for one in self.conditions]
        else:
            self.conditions.append(new)

    # -- the status
    def _status(self, verdict_: Object | None) -> tuple[Object, list[Object]]:
        """(the status to be, the pods that it accounts for and whose finalizers can go when it is written)."""
        seen = self.seen
        tracked = {meta.uid(pod) for pod in seen.tracked}
        succeeded = [uid for uid in seen.uncounted_succeeded if uid in tracked]
        failed = [uid for uid in seen.uncounted_failed if uid in tracked]
        numbers = {
            "succeeded": (seen.status.get("succeeded") or 0) + len(seen.uncounted_succeeded) - len(succeeded),
            "failed": (seen.status.get("failed") or 0) + len(seen.uncounted_failed) - len(failed),
        }
        counted, all_done = self._account(verdict_, succeeded, failed)
        if seen.is_indexed:
            numbers["succeeded"] = len(seen.succeeded_indexes)
        if verdict_ is not None:
            self._set_if_new(verdict_)
            if all_done and not (counted or succeeded or failed or seen.active or seen.terminating):
                self._end(verdict_, numbers["succeeded"])
        return self._compose(numbers, succeeded, failed), counted

    def _account(
        self, verdict_: Object | None, succeeded: list[str], failed: list[str]
    ) -> tuple[list[Object], bool]:
        """Add finished pods to the two lists; returns the pods that need no finalizer any more, and whether that is all."""
        counted: list[Object] = []
        new_indexes = 0
        for pod in self._in_order(verdict_):
            if not self._may_go(pod, verdict_):
                continue
            counted.append(pod)
            uid = meta.uid(pod)
            if pods.phase(pod) == "Succeeded" and uid not in failed:
                if not self.seen.is_indexed:
                    if uid not in succeeded:
                        succeeded.append(uid)
                elif (index := self.seen.index_of(pod)) is not None:
                    new_indexes += index not in self.seen.known_succeeded_indexes
            elif uid not in failed and self._counts_as_failed(pod, verdict_):
                failed.append(uid)
            if new_indexes + len(succeeded) + len(failed) >= MAX_UNCOUNTED:
                return counted, False
        return counted, True

    def _in_order(self, verdict_: Object | None) -> list[Object]:
        """The pods that come into question, by index."""
        seen = self.seen
        all_go = verdict_ is not None or self.leaving
        found = seen.tracked if all_go else seen.ended
        if not seen.is_indexed:
            return found
        return sorted(found, key=lambda pod: -1 if (index := seen.index_of(pod)) is None else index)

    def _may_go(self, pod: Object, verdict_: Object | None) -> bool:
        """Nothing of the pod is needed any more, once the status says what became of it."""
        if self.leaving or verdict_ is not None or pods.phase(pod) == "Succeeded":
            return True
        if not self.seen.is_failed(pod):
            return False
        index = self.seen.index_of(pod)
        heir_missing = index is not None and self.seen.awaiting_successor.get(index) is pod
        return not heir_missing

    def _counts_as_failed(self, pod: Object, verdict_: Object | None) -> bool:
        """A pod that is stopped because its Job failed, failed with it."""
        failing = verdict_ is not None and verdict_["type"] == "FailureTarget"
        if not (failing or self.seen.is_failed(pod)) or not self.seen.is_counted_kind(pod):
            return False
        match = self.seen.judged(pod)
        if match.action:
            self.handled[match.action] += 1
        return match.counts

    def _set_if_new(self, condition: Object) -> None:
        if not conditions.is_true(self.conditions, condition["type"]):
            self._set(condition)

    def _end(self, verdict_: Object, succeeded: int) -> None:
        reason, message = verdict_.get("reason", ""), verdict_.get("message", "")
        if verdict_["type"] == "FailureTarget":
            self._set(verdict.new_condition(self.seen, "Failed", reason, message))
            self.events.append(Emit(self.job, "Warning", reason, message))
            return
        self._set(verdict.new_condition(self.seen, "Complete", reason, message))
        if self.seen.completions is not None and succeeded > self.seen.completions:
            text = "Too many succeeded pods running after completion count reached"
            self.events.append(Emit(self.job, "Warning", "TooManySucceededPods", text))
        self.events.append(Emit(self.job, "Normal", "Completed", "Job completed"))

    def _compose(self, numbers: dict[str, int], succeeded: list[str], failed: list[str]) -> Object:
        seen, now = self.seen, format_time(self.world.now)
        status: Object = {name: value for name, value in numbers.items() if value}
        begun = seen.status.get("startTime")
        has_ended = any(conditions.is_true(self.conditions, kind) for kind in ("Complete", "Failed"))
        if self.resumed or (not begun and (has_ended or not seen.is_suspended)):
            begun = now
        if begun:
            status["startTime"] = begun
        if seen.active:
            status["active"] = len(seen.active)
        status["ready"] = sum(map(pods.is_ready, seen.active))
        status["terminating"] = len(seen.terminating)
        lists = {"succeeded": succeeded, "failed": failed}
        status["uncountedTerminatedPods"] = {name: uids for name, uids in lists.items() if uids}
        if seen.is_indexed and seen.succeeded_indexes:
            status["completedIndexes"] = str(seen.succeeded_indexes)
        if seen.failed_indexes is not None:
            status["failedIndexes"] = str(seen.failed_indexes)
        if self.conditions:
            status["conditions"] = self.conditions
        if conditions.is_true(self.conditions, "Complete"):
            status["completionTime"] = now
        return status


def failures_fact(key: tuple[str, str]) -> tuple[str, tuple[str, str]]:
    """Under which a Job's past failures are remembered while it runs."""
    return "failures", key


End = tuple[str, datetime, bool]  # uid, when, failed


def _end(pod: Object, *, failed: bool | None = None) -> End:
    return meta.uid(pod), finished_at(pod), pods.phase(pod) == "Failed" if failed is None else failed


def _extended(record: Record, ends: Iterable[End]) -> Record:
    listed = list(ends)
    return record.after(
        [when for _, when, failed in listed if not failed], [when for _, when, failed in listed if failed]
    )
