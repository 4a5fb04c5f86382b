"""The decisions of the CronJob and the TTL-after-finished controllers, as calls."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Forbidden, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.controllers import ttl_after_finished
from pinnace.controllers.cronjob import reconcile
from pinnace.controllers.runtime import Create, Delete, Emit, RequeueAfter, SetStatus, World
from unit.controllers import builders as b
from unit.controllers.test_job import job

NOON = b.NOW  # 2026-01-01 12:00, a Thursday


def cron(
    schedule: str = "*/10 * * * *", *, age: float = 3600, status: Object | None = None, **spec: Any
) -> Object:
    obj = b._named(
        "CronJob", "batch/v1", "cron", creationTimestamp=format_time(NOON - timedelta(seconds=age))
    )
    obj["spec"] = {
        "schedule": schedule, "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1, "jobTemplate": {"metadata": {}, "spec": job()["spec"]}, **spec,
    }  # fmt: skip
    obj["status"] = status or {}
    return obj


def made(owner: Object, minute: int, *, end: str = "", started: str = "") -> Object:
    """A Job that the controller made for that minute of eleven o'clock."""
    moment = NOON.replace(hour=11, minute=minute)
    one = job(f"cron-{int(moment.timestamp()) // 60}")
    one["metadata"]["ownerReferences"] = [meta.owner_reference(owner)]
    one["metadata"]["annotations"] = {"batch.kubernetes.io/cronjob-scheduled-timestamp": format_time(moment)}
    one["status"] = {"startTime": started or format_time(moment)}
    if end:
        finished = format_time(moment + timedelta(seconds=30))
        one["status"]["conditions"] = [{"type": end, "status": "True", "lastTransitionTime": finished}]
        if end == "Complete":
            one["status"]["completionTime"] = finished
    return one


def decide(*objects: Object, now: datetime = NOON, failure: StatusError | None = None, memory: Any = None) -> list[Any]:  # fmt: skip
    return list(reconcile(objects[0], World.of(objects, now, failure, memory)))


def names(actions: list[Any], kind: type) -> list[str]:
    return [meta.name(action.obj) for action in actions if isinstance(action, kind)]


def told(actions: list[Any]) -> list[tuple[str, str, str]]:
    return [(one.kind, one.reason, one.message) for one in actions if isinstance(one, Emit)]


def status_of(actions: list[Any]) -> Object:
    (action,) = [one for one in actions if isinstance(one, SetStatus)]
    found: Object = action.status
    return found


def wait_of(actions: list[Any]) -> float:
    (action,) = [one for one in actions if isinstance(one, RequeueAfter)]
    return float(action.seconds)


AT_NOON = f"cron-{int(NOON.timestamp()) // 60}"


def test_the_latest_missed_time_is_served_and_the_next_one_waited_for():
    actions = decide(cron(), now=NOON + timedelta(seconds=90))
    assert names(actions, Create) == [AT_NOON]
    assert wait_of(actions) == pytest.approx(510.1)


def test_nothing_is_due_before_its_time():
    actions = decide(cron(age=30), now=NOON - timedelta(seconds=10))
    assert names(actions, Create) == []
    assert wait_of(actions) == pytest.approx(10.1)


def test_a_moment_is_served_once_even_if_its_job_vanished_at_once():
    one, memory = cron(), {}
    assert names(decide(one, memory=memory), Create) == [AT_NOON]
    actions = decide(one, memory=memory)
    assert names(actions, Create) == []
    assert status_of(actions)["lastScheduleTime"] == format_time(NOON)


def test_a_moment_is_served_again_if_its_job_could_not_be_made():
    one, memory = cron(), {}
    decide(one, memory=memory)
    assert names(decide(one, memory=memory, failure=Forbidden("no")), Create) == [AT_NOON]


def test_another_one_that_has_the_name_is_left_alone():
    assert names(decide(cron(), job(AT_NOON)), Create) == []


def test_the_status_follows_the_jobs():
    owner = cron()
    running, done = made(owner, 50), made(owner, 40, end="Complete")
    owner["status"]["active"] = [meta.object_reference(done)]
    actions = decide(owner, running, done, now=NOON - timedelta(seconds=1))
    status = status_of(actions)
    assert [entry["name"] for entry in status["active"]] == [meta.name(running)]
    assert status["lastScheduleTime"] == "2026-01-01T11:50:00Z"
    assert status["lastSuccessfulTime"] == "2026-01-01T11:40:30Z"
    message = f"Saw completed job: {meta.name(done)}, condition: Complete"
    assert told(actions) == [("Normal", "SawCompletedJob", message)]


def test_an_active_job_that_is_gone_is_missing():
    lost = {"name": "lost", "namespace": "default", "uid": "u"}
    actions = decide(cron(suspend=True, status={"active": [lost]}))
    assert told(actions) == [("Normal", "MissingJob", "Active job went missing: lost")]
    assert status_of(actions) == {}


def test_replacing_deletes_what_runs():
    owner = cron(concurrencyPolicy="Replace")
    running = made(owner, 50)
    actions = decide(owner, running)
    assert names(actions, Delete) == [meta.name(running)]
    assert names(actions, Create) == [AT_NOON]


def test_history_goes_by_the_start():
    owner = cron(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0, suspend=True)
    jobs = [made(owner, 10, end="Complete"), made(owner, 20, end="Complete"), made(owner, 30, end="Failed")]
    assert names(decide(owner, *jobs), Delete) == [meta.name(jobs[0]), meta.name(jobs[2])]


def test_too_late_is_missed():
    actions = decide(cron(startingDeadlineSeconds=60), now=NOON + timedelta(seconds=61))
    assert names(actions, Create) == []
    actions = decide(
        cron(startingDeadlineSeconds=60, status={"lastScheduleTime": "2026-01-01T11:50:00Z"}),
        now=NOON + timedelta(seconds=61),
    )
    assert names(actions, Create) == []


def test_many_missed_times_are_told():
    actions = decide(cron("* * * * *", age=3 * 3600))
    message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
    assert told(actions) == [("Warning", "TooManyMissedTimes", message)]
    assert names(actions, Create) == [AT_NOON]


def test_an_hour_from_years_ago_is_found_quickly():
    actions = decide(cron("0 * * * *", age=20 * 365 * 86400))
    assert names(actions, Create) == [AT_NOON]


def test_every_so_often_counts_from_the_creation():
    (name,) = names(decide(cron("@every 25m", age=3600)), Create)
    assert name == f"cron-{int((NOON - timedelta(minutes=10)).timestamp()) // 60}"


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"schedule": "nope"}, "UnparseableSchedule", 'unparseable schedule: "nope" : expected exactly 5 fields, found 1: [nope]'),
        ({"timeZone": "Mars/Base"}, "UnknownTimeZone", 'invalid timeZone: "Mars/Base": unknown time zone Mars/Base'),
        ({"schedule": "0 0 31 2 *"}, "InvalidSchedule", "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second"),
    ],
)  # fmt: skip
def test_what_cannot_be_scheduled(spec: Object, reason: str, message: str):
    actions = decide(cron(**spec))
    assert told(actions) == [("Warning", reason, message)]
    assert names(actions, Create) == []


def test_a_zone_inside_an_old_schedule_still_counts():
    actions = decide(cron("TZ=Asia/Tokyo 0 21 * * *", age=86400))
    assert names(actions, Create) == [AT_NOON]
    assert [reason for _, reason, _ in told(actions)] == ["UnsupportedSchedule"]


def test_the_job_is_what_the_template_says():
    owner = cron(timeZone="Asia/Tokyo")
    owner["spec"]["jobTemplate"]["metadata"] = {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    (action,) = [one for one in decide(owner) if isinstance(one, Create)]
    metadata = action.obj["metadata"]
    assert metadata["labels"] == {"a": "b"}
    assert metadata["annotations"] == {
        "c": "d",
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T21:00:00+09:00",
    }
    assert action.obj["spec"] == owner["spec"]["jobTemplate"]["spec"]


# -- TTL after finished ----------------------------------------------------------------------------------------------
def test_a_finished_job_waits_for_its_ttl_and_goes_as_it_was_seen():
    one = made(cron(), 59, end="Failed")
    one["spec"]["ttlSecondsAfterFinished"] = 60
    world = World.of([one], NOON)
    assert [action.seconds for action in ttl_after_finished.reconcile(one, world)] == [30.0]
    (action,) = ttl_after_finished.reconcile(one, World.of([one], NOON + timedelta(seconds=30)))
    assert action == Delete(one, propagation_policy="Foreground", guarded=True)
    assert not ttl_after_finished.is_concerned(None, made(cron(), 59))
