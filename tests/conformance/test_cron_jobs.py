"""[sig-apps] CronJob: what upstream's conformance tests demand of CronJobs, on simulated nodes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CRON_JOBS, EVENTS, JOBS, RESOURCE_QUOTAS
from pinnace.apimachinery.times import parse_time
from pinnace.kubelet.simulated.behaviour import SUCCEEDS, Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
LONG = Behaviour(runs=(Run(300),))


def cron_job(name: str = "cron", schedule: str = "*/1 * * * *", **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "busybox"}]}}
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": {"metadata": {"labels": {"from": name}}, "spec": {"template": template}}, **spec},
    }  # fmt: skip


async def status(cluster: SimulatedCluster, name: str = "cron") -> Object:
    found: Object = (await cluster.get(CRON_JOBS, name)).get("status") or {}
    return found


async def active(cluster: SimulatedCluster) -> list[str]:
    return [entry["name"] for entry in (await status(cluster)).get("active") or ()]


async def active_are(cluster: SimulatedCluster, count: int) -> list[str]:
    found = await active(cluster)
    return found if len(found) == count else []


async def events(cluster: SimulatedCluster) -> list[tuple[str, str]]:
    await cluster.settle()
    return [
        (event["reason"], event["message"])
        for event in await cluster.list(EVENTS)
        if event["involvedObject"]["kind"] == "CronJob"
    ]


@pytest.mark.conformance("[sig-apps] CronJob should schedule multiple jobs concurrently [Conformance]")
async def test_jobs_of_a_cron_job_may_run_at_once(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: LONG)
    await cluster.create(cron_job(concurrencyPolicy="Allow"))
    first, second = await cluster.until(lambda: active_are(cluster, 2))
    assert first != second
    owned = await cluster.list(JOBS, labels="from=cron")
    assert {meta.name(job) for job in owned} == {first, second}
    for job in owned:
        due = parse_time(meta.annotations(job)[SCHEDULED])
        assert meta.name(job) == f"cron-{int(due.timestamp()) // 60}"
        owner = meta.controller_of(job)
        assert owner is not None
        assert (owner["kind"], owner["name"]) == ("CronJob", "cron")
    made = [text for reason, text in await events(cluster) if reason == "SuccessfulCreate"]
    assert made == [f"Created job {first}", f"Created job {second}"]


@pytest.mark.conformance("[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]")
async def test_a_suspended_cron_job_makes_nothing(cluster: SimulatedCluster) -> None:
    await cluster.create(cron_job(suspend=True))

    async def nothing_made() -> bool:
        return await cluster.list(JOBS) == [] and await active(cluster) == []

    await cluster.holds(nothing_made, seconds=300)


@pytest.mark.conformance(
    "[sig-apps] CronJob should not schedule new jobs when ForbidConcurrent [Slow] [Conformance]"
)
async def test_a_cron_job_can_wait_for_its_job(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: LONG)
    await cluster.create(cron_job(concurrencyPolicy="Forbid"))
    (first,) = await cluster.until(lambda: active_are(cluster, 1))

    async def only_the_first() -> bool:
        return await active(cluster) == [first] and len(await cluster.list(JOBS)) == 1

    await cluster.holds(only_the_first, seconds=200)
    text = "Not starting job because prior execution is running and concurrency policy is Forbid"
    assert ("JobAlreadyActive", text) in await events(cluster)

    async def the_next() -> bool:
        found = await active(cluster)
        return len(found) == 1 and found != [first]

    await cluster.until(the_next)


@pytest.mark.conformance("[sig-apps] CronJob should replace jobs when ReplaceConcurrent [Conformance]")
async def test_a_cron_job_can_replace_its_job(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: LONG)
    await cluster.create(cron_job(concurrencyPolicy="Replace"))
    (first,) = await cluster.until(lambda: active_are(cluster, 1))

    async def replaced() -> bool:
        found, there = await active(cluster), [meta.name(job) for job in await cluster.list(JOBS)]
        return len(found) == 1 and found != [first] and there == found

    await cluster.until(replaced)
    assert ("SuccessfulDelete", f"Deleted job {first}") in await events(cluster)


# -- beyond what upstream calls conformance


async def test_finished_jobs_are_noted_and_kept_up_to_the_limits(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: SUCCEEDS)
    await cluster.create(cron_job(successfulJobsHistoryLimit=2))
    await cluster.advance(330)
    names = sorted(meta.name(job) for job in await cluster.list(JOBS))
    assert len(names) == 2
    seen = await status(cluster)
    assert seen["lastScheduleTime"] == "2026-01-01T12:05:00Z"
    assert seen["lastSuccessfulTime"] >= seen["lastScheduleTime"]
    assert "active" not in seen
    told = await events(cluster)
    assert ("SawCompletedJob", f"Saw completed job: {names[-1]}, condition: Complete") in told
    assert not [reason for reason, _ in told if reason in ("UnexpectedJob", "MissingJob", "FailedCreate")]


@pytest.mark.slow
async def test_a_schedule_is_read_in_its_time_zone(tmp_path: Path) -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)  # clocks go forward in Berlin the night after
    chosen = {"nodes": 0, "controllers": ("cronjob",), "has_scheduler": False}  # two days pass quickly
    async with SimulatedCluster(tmp_path, start=start, **chosen) as cluster:
        await cluster.create(cron_job(schedule="30 6 * * *", timeZone="Europe/Berlin"))

        async def both() -> list[Object]:
            found = await cluster.list(JOBS)
            return found if len(found) == 2 else []

        found = await cluster.until(both, within=2 * 86400)
        assert [meta.annotations(job)[SCHEDULED] for job in found] == [
            "2026-03-29T06:30:00+02:00",
            "2026-03-30T06:30:00+02:00",
        ]


async def test_missed_times_are_made_up_for_once_or_not_at_all(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: SUCCEEDS)
    await cluster.create(cron_job("all", "*/10 * * * *", suspend=True))
    await cluster.create(cron_job("late", "*/10 * * * *", suspend=True, startingDeadlineSeconds=60))
    await cluster.advance(3600 + 300)
    for name in ("all", "late"):
        await cluster.client.patch(CRON_JOBS, name, {"spec": {"suspend": False}}, "default")
    await cluster.settle()
    names = [meta.labels(job)["from"] for job in await cluster.list(JOBS)]
    assert names == ["all"]


async def test_a_job_of_a_hand_is_unexpected_but_counts_when_it_succeeds(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(5),)))
    cron = await cluster.create(cron_job(schedule="0 0 1 1 *", suspend=True))
    await cluster.create({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "by-hand", "ownerReferences": [meta.owner_reference(cron)]},
        "spec": cron["spec"]["jobTemplate"]["spec"],
    })  # fmt: skip

    async def noted() -> bool:
        return "lastSuccessfulTime" in await status(cluster)

    await cluster.until(noted)
    told = await events(cluster)
    assert told[0] == ("UnexpectedJob", "Saw a job that the controller did not create or forgot: by-hand")


async def test_a_quota_that_forbids_the_job_is_told_and_tried_again(cluster: SimulatedCluster) -> None:
    await cluster.create({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    })  # fmt: skip
    await cluster.settle()
    await cluster.create(cron_job(schedule="*/5 * * * *"))
    await cluster.advance(320)
    failures = [text for reason, text in await events(cluster) if reason == "FailedCreate"]
    assert failures
    assert failures[0].startswith("Error creating job: ")
    assert await status(cluster) == {}
    await cluster.client.delete(RESOURCE_QUOTAS, "none", "default")
    await cluster.until(lambda: active_are(cluster, 1))


@pytest.mark.conformance("[sig-apps] CronJob should support CronJob API operations [Conformance]")
async def test_the_operations_on_cron_jobs(cluster: SimulatedCluster) -> None:
    client = cluster.client
    cron = cron_job(schedule="0 0 1 1 *")  # not while the test runs
    cron["metadata"]["labels"] = {"a": "b"}
    made = await cluster.create(cron)
    assert made["metadata"]["generation"] == 1
    for scope in ("default", None):
        assert len((await client.list(CRON_JOBS, scope, label_selector="a=b"))["items"]) == 1
    version = made["metadata"]["resourceVersion"]
    watch = client.watch(CRON_JOBS, "default", resource_version=version, label_selector="a=b")
    patched = await client.patch(CRON_JOBS, "cron", {"metadata": {"annotations": {"p": "1"}}}, "default")
    assert meta.annotations(patched) == {"p": "1"}
    assert patched["metadata"]["generation"] == 1
    suspended = meta.mutable_copy(patched)
    suspended["spec"]["suspend"] = True
    assert (await client.update(CRON_JOBS, suspended))["metadata"]["generation"] == 2
    seen = [await anext(watch), await anext(watch)]
    assert [(one.type, one.object["spec"]["suspend"]) for one in seen] == [
        ("MODIFIED", False),
        ("MODIFIED", True),
    ]
    await watch.aclose()
    told = {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}}
    answer = await client.patch(CRON_JOBS, "cron", told, "default", subresource="status")
    assert answer["status"] == told["status"]
    later = meta.mutable_copy(answer)
    later["status"]["lastScheduleTime"] = "2026-01-01T06:00:00Z"
    answer = await client.update(CRON_JOBS, later, subresource="status")
    assert answer["status"] == later["status"]
    await client.delete(CRON_JOBS, "cron", "default")
    await cluster.create(cron)
    await client.delete_collection(CRON_JOBS, "default", label_selector="a=b")
    await cluster.until(lambda: cluster.is_gone(CRON_JOBS, "cron"))
