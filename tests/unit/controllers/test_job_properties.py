"""Jobs under chance: pods end as they like, people delete them, and the controller is cut off between any two of its writes.

Whatever happens: no more pods than wanted are active, no pod is counted twice or not at all, every status is one that the
API accepts, and the Job ends, as it should.
"""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pinnace.api import meta
from pinnace.api.batch.indexes import IndexSet
from pinnace.api.batch.job_status import TRACKING, finished_as, is_tracked
from pinnace.api.batch.job_status_validation import validate_job_status
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time
from pinnace.controllers.job import ORPHANS, reconcile
from pinnace.controllers.job.snapshot import completion_index
from pinnace.controllers.runtime import Create, Delete, Patch, SetStatus, World
from unit.controllers import builders as b
from unit.controllers.test_job import job

LIMIT = 400  # passes until a Job must have ended


class Universe:
    """A store with one Job and its pods, that does what actions say and checks what must always hold."""

    def __init__(self, work: Object) -> None:
        self.job, self.pods, self.now = work, {}, b.NOW  # type: dict[str, Object]
        self.memory: dict[Any, tuple[Any, datetime]] = {}
        self.made = 0
        self.accounted: dict[str, str] = {}  # uid -> the list it stood in
        self.let_go: dict[str, Object] = {}  # uid -> the pod when its finalizer went
        self.job["status"] = {}

    # -- what the controller does
    def act(self, writes: int | None = None) -> bool:
        """One pass, cut off after so many writes; whether it wrote anything."""
        self.now += timedelta(seconds=1)
        world = World.of((self.job, *self.pods.values()), self.now, memory=self.memory)
        done = 0
        for action in reconcile(self.job, world):
            if isinstance(action, Create | Delete | Patch | SetStatus):
                if writes is not None and done >= writes:
                    return True
                done += 1
                self._carry_out(action)
                self._check()
        return done > 0

    def restart(self) -> None:
        self.memory = {}

    def _carry_out(self, action: Create | Delete | Patch | SetStatus) -> None:
        if isinstance(action, Create):
            self._create(action.obj)
        elif isinstance(action, SetStatus):
            self._set_status(action.status)
        else:
            pod = self.pods.get(meta.uid(action.obj))
            if pod is not None:
                self.delete(pod) if isinstance(action, Delete) else self._untrack(pod)

    def _create(self, made: Object) -> None:
        self.made += 1
        metadata = {**made["metadata"], "name": f"pod-{self.made}", "uid": f"uid-{self.made}",
                    "creationTimestamp": format_time(self.now)}  # fmt: skip
        self.pods[metadata["uid"]] = {**made, "metadata": metadata, "status": {"phase": "Running"}}

    def _set_status(self, status: Object) -> None:
        new = {**self.job, "status": status}
        assert list(validate_job_status(new, self.job)) == []
        for part in ("succeeded", "failed"):
            before = (self.job["status"].get("uncountedTerminatedPods") or {}).get(part) or []
            after = (status.get("uncountedTerminatedPods") or {}).get(part) or []
            for uid in set(after) - set(before):
                assert uid not in self.accounted, "counted twice"
                self.accounted[uid] = part
            if part == "failed" or self.job["spec"]["completionMode"] != "Indexed":
                gained = (status.get(part) or 0) - (self.job["status"].get(part) or 0)
                assert gained == len(set(before) - set(after))
        self.job = new

    def _untrack(self, pod: Object) -> None:
        metadata = pod["metadata"]
        kept = [one for one in metadata["finalizers"] if one != TRACKING]
        self._put({**pod, "metadata": {**metadata, "finalizers": kept}})
        self.let_go[meta.uid(pod)] = pod

    def _check(self) -> None:
        active = sum(pods.is_active(pod) for pod in self.pods.values())
        assert active <= self.job["spec"]["parallelism"]

    # -- what others do
    def delete(self, pod: Object) -> None:
        if not meta.is_terminating(pod):
            stamp = {"deletionTimestamp": format_time(self.now), "deletionGracePeriodSeconds": 0}
            self._put({**pod, "metadata": {**pod["metadata"], **stamp}})

    def end(self, pod: Object, phase: str) -> None:
        if not pods.is_terminal(pod):
            code = {"exitCode": int(phase == "Failed"), "finishedAt": format_time(self.now)}
            status = {"phase": phase, "containerStatuses": [{"name": "main", "state": {"terminated": code}}]}
            self._put({**pod, "status": status})

    def _put(self, pod: Object) -> None:
        """A pod that is deleted, has ended and is held by nobody is gone."""
        gone = meta.is_terminating(pod) and pods.is_terminal(pod) and not is_tracked(pod)
        self.pods.pop(meta.uid(pod), None)
        if not gone:
            self.pods[meta.uid(pod)] = pod

    def settle(self, outcome: Any) -> Object:
        """Everything goes its way until the Job has ended; `outcome(pod)` is how pods that still run end."""
        for _ in range(LIMIT):
            while self.act():
                pass
            end = finished_as(self.job)
            if end is not None:
                return end
            for pod in list(self.pods.values()):
                self.end(pod, outcome(pod))
            self.now += timedelta(seconds=601)  # longer than any back-off
        raise AssertionError(f"never ended: {self.job['status']} {list(self.pods.values())}")


def pick(data: st.DataObject, universe: Universe) -> Object | None:
    found = list(universe.pods.values())
    return data.draw(st.sampled_from(found)) if found else None


def live(universe: Universe, data: st.DataObject) -> None:
    """Some steps of chance."""
    for _ in range(data.draw(st.integers(0, 25))):
        step = data.draw(
            st.sampled_from(["pass", "cut", "cut", "crash", "succeed", "fail", "delete", "time"])
        )
        if step == "pass":
            universe.act()
        elif step in ("cut", "crash"):
            universe.act(data.draw(st.integers(0, 6)))
            if step == "crash":
                universe.restart()
        elif step == "time":
            universe.now += timedelta(seconds=data.draw(st.sampled_from([1, 15, 700])))
        elif (pod := pick(data, universe)) is not None:
            if step == "delete":
                universe.delete(pod)
            else:
                universe.end(pod, "Succeeded" if step == "succeed" else "Failed")


def check_the_end(universe: Universe, end: Object) -> None:
    status, spec = universe.job["status"], universe.job["spec"]
    assert not any(is_tracked(pod) for pod in universe.pods.values())
    assert not any(pods.is_active(pod) for pod in universe.pods.values())
    assert status["uncountedTerminatedPods"] == {}
    assert (status.get("failed") or 0) == sum(part == "failed" for part in universe.accounted.values())
    succeeded = IndexSet.parse(status.get("completedIndexes", ""), spec["completions"] or 0)
    for uid, pod in universe.let_go.items():
        if pods.phase(pod) == "Succeeded":
            index = completion_index(pod)
            assert uid in universe.accounted or (index is not None and index in succeeded)
        elif pods.phase(pod) == "Failed":
            assert uid in universe.accounted
    if end["type"] == "Complete" and spec.get("successPolicy") is None:
        wanted = 1 if spec["completions"] is None else spec["completions"]
        assert (status.get("succeeded") or 0) >= wanted
    if end.get("reason") == "BackoffLimitExceeded":
        assert status["failed"] > spec["backoffLimit"]
    world = World.of((universe.job, *universe.pods.values()), universe.now)
    assert not [one for pod in universe.pods.values() for one in ORPHANS.reconcile(pod, world)]
    assert list(reconcile(universe.job, world)) == []


SIZES = {"parallelism": st.integers(1, 4), "completions": st.integers(0, 6)}
REPLACEMENT = st.sampled_from(["TerminatingOrFailed", "Failed"])


@given(
    **SIZES,
    limit=st.integers(0, 4),
    policy=REPLACEMENT,
    last=st.sampled_from(["Succeeded", "Failed"]),
    data=st.data(),
)
def test_a_job_with_completions(parallelism: int, completions: int, limit: int, policy: str, last: str, data: Any):  # fmt: skip
    universe = Universe(
        job(parallelism=parallelism, completions=completions, backoffLimit=limit, podReplacementPolicy=policy)
    )
    live(universe, data)
    end = universe.settle(lambda _: last)
    check_the_end(universe, end)
    failures = sum(part == "failed" for part in universe.accounted.values())
    assert end["type"] == ("Failed" if failures > limit else "Complete")


@given(parallelism=st.integers(1, 4), limit=st.integers(0, 4), data=st.data())
def test_a_work_queue(parallelism: int, limit: int, data: Any):
    universe = Universe(job(parallelism=parallelism, completions=None, backoffLimit=limit))
    live(universe, data)
    check_the_end(universe, universe.settle(lambda _: "Succeeded"))


@given(
    **SIZES,
    per_index=st.integers(0, 2),
    policy=REPLACEMENT,
    failing=st.sets(st.integers(0, 5)),
    data=st.data(),
)
def test_an_indexed_job_with_a_limit_for_each_index(
    parallelism: int, completions: int, per_index: int, policy: str, failing: set[int], data: Any
):
    spec = {"completionMode": "Indexed", "backoffLimit": 2**31 - 1, "backoffLimitPerIndex": per_index}
    universe = Universe(
        job(parallelism=parallelism, completions=completions, podReplacementPolicy=policy, **spec)
    )
    live(universe, data)
    end = universe.settle(lambda pod: "Failed" if completion_index(pod) in failing else "Succeeded")
    check_the_end(universe, end)
    status = universe.job["status"]
    succeeded = IndexSet.parse(status.get("completedIndexes", ""), completions)
    failed = IndexSet.parse(status["failedIndexes"], completions)
    assert len(succeeded | failed) == len(succeeded) + len(failed) == completions
    assert end["type"] == ("Failed" if failed else "Complete")


@given(**SIZES, wanted=st.integers(1, 3), data=st.data())
def test_an_indexed_job_with_a_success_policy(parallelism: int, completions: int, wanted: int, data: Any):
    rules = {"rules": [{"succeededCount": min(wanted, completions)}]}
    universe = Universe(
        job(
            completionMode="Indexed",
            parallelism=parallelism,
            completions=completions,
            successPolicy=rules,
            backoffLimit=50,
        )
    )
    live(universe, data)
    end = universe.settle(lambda _: "Succeeded")
    check_the_end(universe, end)
    assert end["type"] == "Complete"


@given(**SIZES, data=st.data())
def test_a_job_that_is_suspended_for_a_while(parallelism: int, completions: int, data: Any):
    universe = Universe(job(parallelism=parallelism, completions=completions, backoffLimit=100))
    for suspend in (True, False):
        live(universe, data)
        universe.job = {**universe.job, "spec": {**universe.job["spec"], "suspend": suspend}}
    end = universe.settle(lambda _: "Succeeded")
    check_the_end_without_stopped(universe, end)


def check_the_end_without_stopped(universe: Universe, end: Object) -> None:
    """Pods that a suspension stopped are let go without being counted; what they came to does not matter."""
    status = universe.job["status"]
    assert end["type"] == "Complete"
    assert (status.get("succeeded") or 0) >= universe.job["spec"]["completions"]
    assert (status.get("failed") or 0) == sum(part == "failed" for part in universe.accounted.values())
    assert not any(is_tracked(pod) for pod in universe.pods.values())
