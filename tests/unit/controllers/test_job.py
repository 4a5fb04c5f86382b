"""The Job controller's decisions, as calls."""

from typing import Any

import pytest

from pinnace.api import conditions, meta
from pinnace.api.batch.job_status import COMPLETION_INDEX, TRACKING
from pinnace.api.meta import Object
from pinnace.controllers.job import ORPHANS, reconcile
from pinnace.controllers.job.failure_policy import match
from pinnace.controllers.runtime import Create, Delete, Emit, Patch, RequeueAfter, SetStatus, World
from unit.controllers import builders as b

NOW = b.NOW


def job(name: str = "work", status: Object | None = None, **spec: Any) -> Object:
    obj = b._named("Job", "batch/v1", name)
    template = b.template(app=name)
    template["spec"]["restartPolicy"] = "Never"
    obj["spec"] = {
        "parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed", "selector": {"matchLabels": {"app": name}}, "template": template,
        **spec,
    }  # fmt: skip
    obj["status"] = {"startTime": b.ago(100), **(status or {})}
    return obj


def pod(name: str, owner: Object, phase: str = "Running", *, ended: float = 50, index: int | None = None, tracked: bool = True, **more: Any) -> Object:  # fmt: skip
    made = b.pod(name, owner, phase=phase, ready=phase == "Running", labels={"app": meta.name(owner)}, **more)
    if tracked:
        made["metadata"]["finalizers"] = [TRACKING]
    if index is not None:
        made["metadata"]["annotations"] = {COMPLETION_INDEX: str(index)}
    if phase in ("Succeeded", "Failed"):
        exit_code = int(phase == "Failed")
        made["status"]["containerStatuses"] = [
            {"name": "main", "state": {"terminated": {"exitCode": exit_code, "finishedAt": b.ago(ended)}}}
        ]
    return made


def decide(*objects: Object, memory: Any = None) -> list[Any]:
    return list(reconcile(objects[0], World.of(objects, NOW, memory=memory)))


def of(kind: type, actions: list[Any]) -> list[Any]:
    return [action for action in actions if isinstance(action, kind)]


def status_of(actions: list[Any]) -> Object:
    (action,) = of(SetStatus, actions)
    found: Object = action.status
    return found


def test_a_new_job_starts_its_pods_tracked():
    made = of(Create, decide(job(parallelism=3, completions=2)))
    assert len(made) == 2
    metadata = made[0].obj["metadata"]
    assert (metadata["finalizers"], metadata["generateName"]) == ([TRACKING], "work-")


def test_a_finished_pod_is_written_down_before_it_is_let_go_and_counted_after():
    work = job()
    done = pod("work-1", work, "Succeeded")
    actions = decide(work, done)
    assert [type(action) for action in actions] == [SetStatus, Patch]
    written = status_of(actions)
    assert written["uncountedTerminatedPods"] == {"succeeded": [meta.uid(done)]}
    assert "succeeded" not in written
    work["status"] = written
    done["metadata"]["finalizers"] = []
    actions = decide(work, done)
    last = status_of(actions)
    assert (last["succeeded"], last["uncountedTerminatedPods"]) == (1, {})
    assert [one["type"] for one in last["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert [action.reason for action in of(Emit, actions)] == ["Completed"]


def test_a_pod_that_vanished_after_it_was_written_down_counts():
    work = job(status={"uncountedTerminatedPods": {"failed": ["gone"]}})
    assert status_of(decide(work))["failed"] == 1


def test_a_pod_that_is_deleted_is_a_failure_unless_only_failed_ones_are_replaced():
    for policy, counts in (("TerminatingOrFailed", True), ("Failed", False)):
        work = job(podReplacementPolicy=policy)
        leaving = pod("work-1", work, deletionTimestamp=b.ago(20), deletionGracePeriodSeconds=0)
        actions = decide(work, leaving)
        assert bool(of(Patch, actions)) is counts
        assert len(of(Create, actions)) == int(counts)


@pytest.mark.parametrize(("failures", "waits"), [(1, 10), (2, 20), (3, 40), (6, 320), (8, 600)])
def test_the_wait_doubles_up_to_ten_minutes(failures: int, waits: int):
    work = job(backoffLimit=20)
    failed = [pod(f"work-{n}", work, "Failed", ended=9 + 0 * n) for n in range(failures)]
    actions = decide(work, *failed)
    assert of(Create, actions) == []
    assert [round(action.seconds) for action in of(RequeueAfter, actions)] == [waits - 9]


def test_a_success_starts_the_wait_over():
    work = job(completions=3, backoffLimit=20)
    failed = [pod(f"work-{n}", work, "Failed", ended=5) for n in range(3)]
    assert of(Create, decide(work, *failed, pod("work-9", work, "Succeeded", ended=2)))


def test_past_failures_are_remembered_when_their_pods_are_gone_and_told_by_pods_after_a_restart():
    work, memory = job(backoffLimit=20), {}
    failed = [pod(f"work-{n}", work, "Failed", ended=5) for n in range(2)]
    decide(work, *failed, memory=memory)
    work["status"]["uncountedTerminatedPods"] = {"failed": [meta.uid(one) for one in failed]}
    (wait,) = of(RequeueAfter, decide(work, memory=memory))
    assert round(wait.seconds) == 15
    work["status"]["uncountedTerminatedPods"] = {}
    work["status"]["failed"] = 2
    for one in failed:
        one["metadata"]["finalizers"] = []
    (wait,) = of(RequeueAfter, decide(work, *failed))
    assert round(wait.seconds) == 15


def test_pods_that_go_for_less_parallelism_are_no_failures():
    work = job(parallelism=1, completions=5)
    running = [pod(f"work-{n}", work) for n in range(3)]
    actions = decide(work, *running)
    kinds = [type(action) for action in actions]
    assert kinds == [SetStatus, Patch, Patch, Delete, Delete]
    assert (
        "uncountedTerminatedPods" not in status_of(actions)
        or not status_of(actions)["uncountedTerminatedPods"]
    )


def test_a_second_pod_of_an_index_goes():
    work = job(completionMode="Indexed", completions=2, parallelism=2)
    pods = [pod("work-a", work, index=0), pod("work-b", work, index=0, node=""), pod("work-c", work, index=7)]
    gone = {meta.name(action.obj) for action in of(Delete, decide(work, *pods))}
    assert gone == {"work-b", "work-c"}


def test_a_failed_pod_of_an_index_stays_until_its_successor_inherits_its_count():
    work = job(completionMode="Indexed", completions=1, backoffLimit=100, backoffLimitPerIndex=5)
    failed = pod("work-0-a", work, "Failed", index=0)
    failed["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] = "1"
    actions = decide(work, failed)
    (made,) = of(Create, actions)
    assert made.obj["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "2"
    assert of(Patch, actions) == []
    successor = pod("work-0-b", work, index=0)
    assert len(of(Patch, decide(work, failed, successor))) == 1


def test_too_many_restarts_end_a_job():
    work = job(backoffLimit=2)
    work["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    running = pod("work-1", work)
    running["status"]["containerStatuses"] = [{"name": "main", "restartCount": 2}]
    actions = decide(work, running)
    assert [meta.name(action.obj) for action in of(Delete, actions)] == ["work-1"]
    target = conditions.find(status_of(actions)["conditions"], "FailureTarget")
    assert target is not None
    assert target["reason"] == "BackoffLimitExceeded"


def test_the_end_waits_for_pods_that_are_still_going():
    ending = [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "m"}]
    work = job(status={"conditions": ending})
    leaving = pod("work-1", work, tracked=False, deletionTimestamp=b.ago(1), deletionGracePeriodSeconds=30)
    status = status_of(decide(work, leaving))
    assert [one["type"] for one in status["conditions"]] == ["FailureTarget"]
    assert status["terminating"] == 1
    assert [one["type"] for one in status_of(decide(work))["conditions"]] == ["FailureTarget", "Failed"]


def test_nothing_to_do_is_done_at_once():
    status = status_of(decide(job(completions=0)))
    assert [one["type"] for one in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]


def test_five_hundred_pods_a_pass():
    work = job(parallelism=2000, completions=2000)
    assert len(of(Create, decide(work))) == 500
    done = [pod(f"work-{n}", work, "Succeeded") for n in range(700)]
    actions = decide(work, *done)
    assert len(status_of(actions)["uncountedTerminatedPods"]["succeeded"]) == 500
    assert len(of(Patch, actions)) == 500


def test_a_finished_or_foreign_job_is_left_alone():
    assert decide(job(status={"conditions": [{"type": "Failed", "status": "True"}]})) == []
    memory: dict[Any, Any] = {}
    (counted,) = decide(job(managedBy="example.com/x"), memory=memory)
    assert (counted.measure.name, counted.labels) == (
        "job_controller_jobs_by_external_controller_total", ("example.com/x",),
    )  # fmt: skip
    assert decide(job(managedBy="example.com/x"), memory=memory) == []


def test_names_of_indexed_pods_fit():
    work = job("w" * 60, completionMode="Indexed", completions=1)
    (made,) = of(Create, decide(work))
    assert made.obj["metadata"]["generateName"] == "w" * 55 + "-0-"


# -- failure policies -----------------------------------------------------------------------------------------------
def rules(*listed: Object) -> Object:
    return {"rules": list(listed)}


def codes(action: str, *values: int, operator: str = "In", **more: Any) -> Object:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


def test_the_first_rule_that_matches_counts():
    failed = pod("work-1", job(), "Failed")
    assert match(rules(codes("Ignore", 7), codes("Count", 1), codes("FailJob", 1)), failed).action == "Count"
    assert match(rules(codes("FailJob", 1, containerName="other")), failed).action == ""
    assert not match(rules(codes("Ignore", 7, operator="NotIn")), failed).counts


def test_a_condition_matches_by_its_status_too():
    failed = pod("work-1", job(), "Failed")
    failed["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    rule = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    message = "Pod default/work-1 has condition DisruptionTarget matching FailJob rule at index 0"
    assert match(rules(rule), failed).message == message
    rule["onPodConditions"][0]["status"] = "False"
    assert match(rules(rule), failed).action == ""


# -- orphans --------------------------------------------------------------------------------------------------------
def let_go(one: Object, *others: Object) -> bool:
    return bool(list(ORPHANS.reconcile(one, World.of((one, *others), NOW))))


def test_pods_without_an_unfinished_job_are_let_go():
    work = job()
    one = pod("work-1", work)
    assert let_go(one)
    assert not let_go(one, work)
    assert let_go(one, job(status={"conditions": [{"type": "Complete", "status": "True"}]}))
    assert let_go(one, {**work, "metadata": {**work["metadata"], "uid": "another"}})
    assert not let_go(pod("work-1", b.replicaset()))
    ownerless = pod("work-1", work)
    del ownerless["metadata"]["ownerReferences"]
    assert let_go(ownerless)


def test_an_index_that_is_no_number_of_any_use_counts_for_none() -> None:
    work = job(completionMode="Indexed", completions=1)
    wrong = pod("work-1", work, index=0)
    wrong["metadata"]["annotations"] = {COMPLETION_INDEX: "9" * 5000}
    assert [action.obj for action in of(Delete, decide(work, wrong))] == [wrong]
