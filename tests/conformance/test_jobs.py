"""[sig-apps] Job: what upstream's conformance tests demand of Jobs, on simulated nodes."""

import asyncio
import itertools
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import conditions, meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import EVENTS, JOBS, NAMESPACES, PODS
from pinnace.apimachinery.errors import Invalid
from pinnace.apimachinery.times import parse_time
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.kubelet.simulated.behaviour import SUCCEEDS, Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster

INDEX = "batch.kubernetes.io/job-completion-index"
NAME, TRACKING = "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-tracking"
FAILS = Behaviour(runs=(Run(seconds=0.0, exit_code=1),))


def job(
    name: str = "work", *, restart: str = "Never", labels: dict[str, str] | None = None, **spec: Any
) -> Object:
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "spec": {
            "template": {"spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "busybox"}]}},
            **spec,
        },
    }  # fmt: skip


def indexed(name: str = "work", *, completions: int, parallelism: int = 2, **spec: Any) -> Object:
    return job(name, completionMode="Indexed", completions=completions, parallelism=parallelism, **spec)


class Watched:
    """One Job of the cluster."""

    def __init__(self, cluster: SimulatedCluster, name: str = "work") -> None:
        self.cluster, self.name = cluster, name

    async def get(self) -> Object:
        return await self.cluster.get(JOBS, self.name)

    async def status(self) -> Object:
        found: Object = (await self.get()).get("status") or {}
        return found

    async def pods(self) -> list[Object]:
        return await self.cluster.list(PODS, labels=f"{NAME}={self.name}")

    async def active(self) -> list[Object]:
        return [pod for pod in await self.pods() if pods.is_active(pod)]

    async def running(self) -> list[Object]:
        return [pod for pod in await self.active() if pods.phase(pod) == "Running"]

    async def has(self, kind: str) -> Object | None:
        found = conditions.find((await self.status()).get("conditions"), kind)
        return found if found is not None and found["status"] == "True" else None

    async def complete(self) -> Object:
        found: Object = await self.cluster.until(lambda: self.has("Complete"), within=3600)
        return found

    async def failed(self) -> Object:
        found: Object = await self.cluster.until(lambda: self.has("Failed"), within=3600)
        return found

    async def events(self) -> list[tuple[str, str]]:
        await self.cluster.settle()
        return [
            (event["reason"], event["message"])
            for event in await self.cluster.list(EVENTS)
            if event["involvedObject"]["name"] == self.name and event["involvedObject"]["kind"] == "Job"
        ]


async def start(cluster: SimulatedCluster, body: Object) -> Watched:
    return Watched(cluster, meta.name(await cluster.create(body)))


def by_index(*, fails: Any) -> Any:
    """Pods of these completion indexes fail, the others succeed."""

    def rule(pod: Object) -> Behaviour | None:
        index = meta.annotations(pod).get(INDEX)
        return None if index is None else FAILS if fails(int(index)) else SUCCEEDS

    return rule


@pytest.mark.conformance(
    "[sig-apps] Job should create pods for an Indexed job with completion indexes and specified hostname [Conformance]"
)
async def test_an_indexed_job_has_a_pod_for_every_index(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(by_index(fails=lambda _: False))
    work = await start(cluster, indexed(completions=4))
    await work.complete()
    status = await work.status()
    assert (status["succeeded"], status["completedIndexes"]) == (4, "0-3")
    found = sorted(await work.pods(), key=lambda pod: meta.annotations(pod)[INDEX])
    assert [meta.annotations(pod)[INDEX] for pod in found] == ["0", "1", "2", "3"]
    for number, pod in enumerate(found):
        assert meta.labels(pod)[INDEX] == str(number)
        assert pod["spec"]["hostname"] == f"work-{number}"
        assert meta.name(pod).startswith(f"work-{number}-")
        env = {one["name"]: one for one in pod["spec"]["containers"][0]["env"]}
        field = env["JOB_COMPLETION_INDEX"]["valueFrom"]["fieldRef"]["fieldPath"]
        assert field == f"metadata.labels['{INDEX}']"
        assert TRACKING not in (pod["metadata"].get("finalizers") or [])


@pytest.mark.conformance(
    "[sig-apps] Job should run a job to completion when tasks sometimes fail and are locally restarted [Conformance]"
)
async def test_pods_that_the_kubelet_restarts_complete_their_job(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(1, exit_code=1), Run(1))))
    work = await start(cluster, job(restart="OnFailure", parallelism=2, completions=4))
    await work.complete()
    found = await work.pods()
    assert len(found) == 4
    assert {pods.restart_count(pod) for pod in found} == {1}
    assert "failed" not in await work.status()


@pytest.mark.conformance("[sig-apps] Job should delete a job [Conformance]")
async def test_a_deleted_job_takes_its_pods_along(cluster: SimulatedCluster) -> None:
    work = await start(cluster, job(parallelism=2, completions=4))

    async def two_run() -> bool:
        return len(await work.running()) == 2 and (await work.status()).get("active") == 2

    await cluster.until(two_run)
    await cluster.holds(two_run, seconds=30)
    await cluster.client.delete(JOBS, "work", "default", propagation_policy="Foreground")
    await cluster.until(lambda: cluster.is_gone(JOBS, "work"))
    assert await work.pods() == []


@pytest.mark.conformance(
    "[sig-apps] Job should adopt matching orphans and release non-matching pods [Conformance]"
)
async def test_a_job_adopts_and_releases_pods(cluster: SimulatedCluster) -> None:
    work = await start(cluster, job(parallelism=2, completions=4))

    async def two_run() -> list[Object]:
        found = await work.running()
        return found if len(found) == 2 else []

    orphan = (await cluster.until(two_run))[0]
    await cluster.client.patch(PODS, meta.name(orphan), {"metadata": {"ownerReferences": None}}, "default")

    async def adopted() -> bool:
        pod = await cluster.get(PODS, meta.name(orphan))
        return meta.controller_of(pod) is not None and TRACKING in pod["metadata"]["finalizers"]

    await cluster.until(adopted)
    await cluster.client.patch(PODS, meta.name(orphan), {"metadata": {"labels": None}}, "default")

    async def released() -> bool:
        pod = await cluster.get(PODS, meta.name(orphan))
        return meta.controller_of(pod) is None and "finalizers" not in pod["metadata"]

    await cluster.until(released)
    await cluster.until(two_run)
    assert "failed" not in await work.status()


@pytest.mark.conformance(
    "[sig-apps] Job should execute all indexes despite some failing when using backoffLimitPerIndex [Conformance]"
)
async def test_every_index_has_its_own_limit(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(by_index(fails=lambda index: index % 2))
    work = await start(cluster, indexed(completions=4, backoffLimitPerIndex=1))
    failed = await work.failed()
    assert (failed["reason"], failed["message"]) == ("FailedIndexes", "Job has failed indexes")
    status = await work.status()
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1,3")
    assert (status["succeeded"], status["failed"]) == (2, 4)
    second = [meta.annotations(pod) for pod in await work.pods() if pods.phase(pod) == "Failed"]
    counts = sorted((own[INDEX], own["batch.kubernetes.io/job-index-failure-count"]) for own in second)
    assert counts == [("1", "0"), ("1", "1"), ("3", "0"), ("3", "1")]


@pytest.mark.conformance(
    "[sig-apps] Job should terminate job execution when the number of failed indexes exceeds maxFailedIndexes [Conformance]"
)
async def test_too_many_failed_indexes_end_a_job(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda pod: FAILS if meta.annotations(pod).get(INDEX) == "0" else Behaviour())
    work = await start(
        cluster, indexed(completions=4, parallelism=2, backoffLimitPerIndex=0, maxFailedIndexes=0)
    )
    failed = await work.failed()
    assert failed["reason"] == "MaxFailedIndexesExceeded"
    assert failed["message"] == "Job has exceeded the specified maximal number of failed indexes"
    status = await work.status()
    assert (status["failedIndexes"], status.get("completedIndexes"), status["terminating"]) == ("0", None, 0)
    assert await work.active() == []


@pytest.mark.conformance(
    "[sig-apps] Job should mark indexes as failed when the FailIndex action is matched in podFailurePolicy [Conformance]"
)
async def test_fail_index_ends_an_index_at_once(cluster: SimulatedCluster) -> None:
    def rule(pod: Object) -> Behaviour | None:
        if INDEX not in meta.annotations(pod):
            return None
        code = {"0": 42, "1": 1}.get(meta.annotations(pod)[INDEX], 0)
        return Behaviour(runs=(Run(0.0, exit_code=code),))

    cluster.pods.behave(rule)
    policy = {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}}]}
    work = await start(
        cluster, indexed(completions=2, parallelism=2, backoffLimitPerIndex=1, podFailurePolicy=policy)
    )
    assert (await work.failed())["reason"] == "FailedIndexes"
    status = await work.status()
    assert (status["failed"], status["failedIndexes"]) == (3, "0,1")  # index 0 once, index 1 twice


@pytest.mark.conformance(
    "[sig-apps] Job should allow to use the pod failure policy on exit code to fail the job early [Conformance]"
)
async def test_an_exit_code_can_end_a_job(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(
        lambda pod: (
            Behaviour(runs=(Run(0.0, 42),)) if meta.annotations(pod).get(INDEX) == "0" else Behaviour()
        )
    )
    rule = {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}
    work = await start(
        cluster, indexed(completions=2, parallelism=2, backoffLimit=6, podFailurePolicy={"rules": [rule]})
    )
    failed = await work.failed()
    (first,) = [pod for pod in await work.pods() if meta.annotations(pod)[INDEX] == "0"]
    assert failed["reason"] == "PodFailurePolicy"
    assert failed["message"] == (
        f"Container c for pod default/{meta.name(first)} failed with exit code 42 matching FailJob rule at index 0"
    )
    target = await work.has("FailureTarget")
    assert target is not None
    assert target["reason"] == "PodFailurePolicy"
    assert (await work.status())["failed"] == 2  # the one that failed, and the one that went with it


@pytest.mark.conformance(
    "[sig-apps] Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition [Conformance]"
)
async def test_disruptions_can_be_ignored(cluster: SimulatedCluster) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    work = await start(
        cluster, indexed(completions=2, parallelism=2, backoffLimit=0, podFailurePolicy={"rules": [rule]})
    )

    async def two_run() -> list[Object]:
        found = await work.running()
        return found if len(found) == 2 else []

    for pod in await cluster.until(two_run):
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": meta.name(pod)}}
        await cluster.client.create(PODS, eviction, "default", name=meta.name(pod), subresource="eviction")
    first = {meta.uid(pod) for pod in await work.pods()}

    async def replaced() -> bool:
        found = await two_run()
        return bool(found) and not first & {meta.uid(pod) for pod in found}

    await cluster.until(replaced)
    for pod in await work.running():
        cluster.pods.complete(pod)
    await work.complete()
    assert "failed" not in await work.status()


@pytest.mark.conformance("[sig-apps] Job should manage the lifecycle of a job [Conformance]")
async def test_the_life_of_a_suspended_job(cluster: SimulatedCluster) -> None:
    work = await start(cluster, job(labels={"e2e": "work"}, suspend=True, parallelism=2, completions=4))
    suspended = await cluster.until(lambda: work.has("Suspended"))
    assert (suspended["reason"], suspended["message"]) == ("JobSuspended", "Job suspended")
    assert await work.pods() == []
    assert "startTime" not in await work.status()
    patched = await cluster.client.patch(
        JOBS, "work", {"metadata": {"labels": {"work": "patched"}}}, "default"
    )
    assert meta.labels(patched)["work"] == "patched"
    body = {**patched, "metadata": {**patched["metadata"], "annotations": {"updated": "true"}}}
    updated = await cluster.client.update(JOBS, body)
    assert meta.annotations(updated)["updated"] == "true"
    everywhere = await cluster.list(JOBS, None, labels="e2e=work")
    assert [meta.name(one) for one in everywhere] == ["work"]
    await cluster.client.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")

    async def two_run() -> bool:
        return len(await work.running()) == 2

    await cluster.until(two_run)
    await cluster.client.delete_collection(JOBS, "default", label_selector="work=patched")
    await cluster.until(lambda: cluster.is_gone(JOBS, "work"))


@pytest.mark.conformance(
    "[sig-apps] Job with successPolicy should succeeded when all indexes succeeded [Conformance]"
)
async def test_a_success_policy_is_met_by_all_indexes(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(by_index(fails=lambda _: False))
    policy = {"rules": [{"succeededIndexes": "0-1"}]}
    work = await start(cluster, indexed(completions=2, successPolicy=policy))
    await _met(work, "0,1")


@pytest.mark.conformance(
    "[sig-apps] Job with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending [Conformance]"
)
async def test_a_success_policy_names_indexes(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda pod: SUCCEEDS if meta.annotations(pod).get(INDEX) == "0" else Behaviour())
    policy = {"rules": [{"succeededIndexes": "0"}]}
    work = await start(cluster, indexed(completions=2, successPolicy=policy))
    await _met(work, "0")


@pytest.mark.conformance(
    "[sig-apps] Job with successPolicy succeededCount rule should succeeded even when some indexes remain pending [Conformance]"
)
async def test_a_success_policy_counts_indexes(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda pod: SUCCEEDS if meta.annotations(pod).get(INDEX) == "0" else Behaviour())
    work = await start(cluster, indexed(completions=2, successPolicy={"rules": [{"succeededCount": 1}]}))
    await _met(work, "0")


async def _met(work: Watched, indexes: str) -> None:
    complete = await work.complete()
    met = await work.has("SuccessCriteriaMet")
    assert met is not None
    for condition in (complete, met):
        assert (condition["reason"], condition["message"]) == ("SuccessPolicy", "Matched rules at index 0")
    status = await work.status()
    assert status["completedIndexes"] == indexes
    assert status.get("active", 0) == 0
    assert status.get("failed", 0) == 0
    assert status["terminating"] == 0


# -- beyond what upstream calls conformance


async def test_a_plain_job_completes_with_upstreams_words(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(5),)))
    work = await start(cluster, job())
    complete = await work.complete()
    words = ("CompletionsReached", "Reached expected number of succeeded pods")
    assert (complete["reason"], complete["message"]) == words
    status = await work.status()
    (pod,) = await work.pods()
    assert (status["succeeded"], status["ready"], status["terminating"]) == (1, 0, 0)
    assert status["uncountedTerminatedPods"] == {}
    assert status["completionTime"] >= status["startTime"]
    assert await work.events() == [
        ("SuccessfulCreate", f"Created pod: {meta.name(pod)}"),
        ("Completed", "Job completed"),
    ]


async def test_failed_pods_come_back_ever_later_until_the_limit(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: FAILS)
    work = await start(cluster, job(backoffLimit=3))
    failed = await work.failed()
    assert (failed["reason"], failed["message"]) == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )
    made = sorted(pod["metadata"]["creationTimestamp"] for pod in await work.pods())
    gaps = [(parse_time(b) - parse_time(a)) // timedelta(seconds=1) for a, b in itertools.pairwise(made)]
    assert [round(gap / 10) for gap in gaps] == [1, 2, 4]
    assert (await work.status())["failed"] == 4
    assert (await work.events())[-1] == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )


async def test_a_deadline_ends_a_job_and_its_pods(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(leaves_after=20))
    work = await start(cluster, job(activeDeadlineSeconds=30, parallelism=3, completions=3))
    await cluster.holds(lambda: _is_not(work, "FailureTarget"), seconds=29)
    target = await cluster.until(lambda: work.has("FailureTarget"), within=3)
    assert (target["reason"], target["message"]) == (
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    )
    await cluster.holds(lambda: _is_not(work, "Failed"), seconds=15)  # its pods take their time
    await work.failed()
    assert ((await work.status())["failed"], await work.pods()) == (3, [])


async def _is_not(work: Watched, kind: str) -> bool:
    return await work.has(kind) is None


async def test_suspending_stops_pods_and_resuming_starts_the_time_anew(cluster: SimulatedCluster) -> None:
    work = await start(cluster, job(parallelism=2, completions=2, activeDeadlineSeconds=100))

    async def two_run() -> bool:
        return len(await work.running()) == 2

    await cluster.until(two_run)
    begun = (await work.status())["startTime"]
    await cluster.advance(60)
    await cluster.client.patch(JOBS, "work", {"spec": {"suspend": True}}, "default")
    await cluster.until(lambda: work.has("Suspended"))

    async def none_there() -> bool:
        return await work.pods() == [] and (await work.status()).get("active", 0) == 0

    await cluster.until(none_there)
    placed = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "sim-1"}}}}}
    await cluster.client.patch(JOBS, "work", placed, "default")
    await cluster.advance(60)
    await cluster.client.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")
    await cluster.until(two_run)
    assert {pods.node_name(pod) for pod in await work.pods()} == {"sim-1"}
    resumed = conditions.find((await work.status())["conditions"], "Suspended")
    assert resumed is not None
    assert (resumed["status"], resumed["reason"]) == ("False", "JobResumed")
    assert (await work.status())["startTime"] > begun
    await cluster.holds(two_run, seconds=90)
    assert (await work.failed())["reason"] == "DeadlineExceeded"
    assert "failed" in await work.status()
    assert {"Suspended", "Resumed", "SuccessfulDelete"} <= {reason for reason, _ in await work.events()}


async def test_a_work_queue_is_done_when_one_pod_says_so_and_the_others_end(
    cluster: SimulatedCluster,
) -> None:
    work = await start(cluster, job(parallelism=3))

    async def running(count: int) -> list[Object]:
        found = await work.running()
        return found if len(found) == count else []

    first, second, third = await cluster.until(lambda: running(3))
    cluster.pods.complete(first)
    await cluster.until(lambda: running(2))
    await cluster.holds(lambda: running(2), seconds=60)
    cluster.pods.complete(second)
    cluster.pods.complete(third)
    await work.complete()
    assert (await work.status())["succeeded"] == 3


async def test_only_failed_pods_are_replaced_if_asked(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(leaves_after=20))
    work = await start(cluster, job(podReplacementPolicy="Failed"))

    async def one_runs() -> list[Object]:
        return await work.running()

    (pod,) = await cluster.until(one_runs)
    await cluster.client.delete(PODS, meta.name(pod), "default")

    async def none_active() -> bool:
        return await work.active() == []

    await cluster.holds(none_active, seconds=19)
    assert (await work.status())["terminating"] == 1
    await cluster.until(one_runs)
    assert (await work.status()).get("failed") == 1


async def test_another_controllers_job_is_left_alone(cluster: SimulatedCluster) -> None:
    work = await start(cluster, job(managedBy="example.com/other"))
    await cluster.advance(60)
    assert (await work.status(), await work.pods()) == ({}, [])


async def test_an_elastic_indexed_job_grows_and_shrinks(cluster: SimulatedCluster) -> None:
    work = await start(cluster, indexed(completions=2, parallelism=2))

    async def indexes() -> list[str]:
        return sorted(meta.annotations(pod)[INDEX] for pod in await work.active())

    async def are(wanted: list[str]) -> bool:
        return await indexes() == wanted

    await cluster.until(lambda: are(["0", "1"]))
    for size, wanted in ((4, ["0", "1", "2", "3"]), (1, ["0"])):
        change = {"spec": {"completions": size, "parallelism": size}}
        await cluster.client.patch(JOBS, "work", change, "default")
        await cluster.until(lambda wanted=wanted: are(wanted))  # type: ignore[misc]
    for pod in await work.active():
        cluster.pods.complete(pod)
    await work.complete()
    assert (await work.status())["completedIndexes"] == "0"


async def test_a_finished_job_goes_after_its_ttl(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: SUCCEEDS)
    work = await start(cluster, job(ttlSecondsAfterFinished=100))
    await work.complete()
    await cluster.holds(work.get, seconds=98)
    await cluster.until(lambda: cluster.is_gone(JOBS, "work"), within=10)
    assert await work.pods() == []


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
async def test_pods_of_a_deleted_job_lose_their_finalizer(cluster: SimulatedCluster, policy: str) -> None:
    work = await start(cluster, job(parallelism=2, completions=2))

    async def two_run() -> bool:
        return len(await work.running()) == 2

    await cluster.until(two_run)
    await cluster.client.delete(JOBS, "work", "default", propagation_policy=policy)
    await cluster.until(lambda: cluster.is_gone(JOBS, "work"))

    async def let_go() -> bool:
        return all("finalizers" not in pod["metadata"] for pod in await work.pods())

    await cluster.until(let_go)
    await cluster.advance(60)
    assert len(await work.running()) == (2 if policy == "Orphan" else 0)


@pytest.mark.slow
async def test_a_job_of_many_pods(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(60),)))
    work = await start(cluster, job(parallelism=100, completions=250))
    await work.complete()
    status = await work.status()
    assert (status["succeeded"], status.get("failed"), status["uncountedTerminatedPods"]) == (250, None, {})
    assert len(await work.pods()) == 250


async def test_a_namespace_with_a_running_job_goes(cluster: SimulatedCluster) -> None:
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gone"}})
    await cluster.settle()
    body = job(parallelism=2, completions=2)
    body["metadata"]["namespace"] = "gone"
    await cluster.create(body)

    async def two_pods() -> bool:
        return len(await cluster.list(PODS, "gone")) == 2

    await cluster.until(two_pods)
    await cluster.client.delete(NAMESPACES, "gone")
    await cluster.until(lambda: cluster.is_gone(NAMESPACES, "gone"))


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
async def test_a_job_outlives_its_controller(tmp_path: Path, mode: str) -> None:
    """Every 0.7 seconds another controller takes over; each pod is counted once all the same."""
    async with SimulatedCluster(tmp_path, controllers=("*", "-job")) as cluster:
        cluster.pods.behave(_every_third_fails)
        work = await start(cluster, job(completionMode=mode, parallelism=4, completions=12, backoffLimit=100))
        config = ControllersConfig(controllers=("job",))

        async def ended() -> bool:
            return await work.has("Complete") is not None

        for _ in range(2000):
            runner = asyncio.create_task(Controllers(cluster.client, cluster.clock, config).run())
            await cluster.advance(0.7)
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
            if await ended():
                break
        status, found = await work.status(), await work.pods()
        phases = Counter(pods.phase(pod) for pod in found)
        assert (status["succeeded"], status["failed"]) == (12, phases["Failed"])
        assert phases["Succeeded"] == 12
        assert phases["Failed"] > 0
        assert status["uncountedTerminatedPods"] == {}
        assert not [pod for pod in found if "finalizers" in pod["metadata"]]


def _every_third_fails(pod: Object) -> Behaviour:
    fails = sum(map(ord, meta.uid(pod))) % 3 == 0
    return Behaviour(runs=(Run(2, exit_code=int(fails)),))


async def test_a_job_at_rest_is_left_alone(cluster: SimulatedCluster) -> None:
    work = await start(cluster, job(parallelism=2, completions=2))
    await cluster.advance(5)
    before = [meta.resource_version(one) for one in (await work.get(), *await work.pods())]
    queue = next(iter(cluster.controllers.running["job"].loops)).metrics.queue  # type: ignore[attr-defined]
    passes = queue.work.count
    await cluster.advance(600)
    assert [meta.resource_version(one) for one in (await work.get(), *await work.pods())] == before
    assert queue.work.count == passes


@pytest.mark.conformance("[sig-apps] Job should apply changes to a job status [Conformance]")
async def test_a_jobs_status_is_patched_replaced_and_read(cluster: SimulatedCluster) -> None:
    """While the controller is at work on it."""
    await cluster.create(job(parallelism=2, completions=4, backoffLimit=6))
    watched = Watched(cluster)

    async def both_run() -> bool:
        return (await watched.status()).get("ready") == 2

    await cluster.until(both_run)
    later = {
        "metadata": {"annotations": {"patched": "true"}},
        "status": {"startTime": "2026-01-01T12:00:01Z"},
    }
    with pytest.raises(Invalid, match="startTime"):  # of a job that runs
        await cluster.client.patch(JOBS, "work", later, "default", subresource="status")
    condition = {
        "type": "CustomConditionType",
        "status": "True",
        "reason": "E2E",
        "message": "Set from a test",
    }
    change = {**later, "status": {"conditions": [condition]}}
    patched = await cluster.client.patch(JOBS, "work", change, "default", subresource="status")
    assert meta.annotations(patched) == {"patched": "true"}
    again = meta.mutable_copy(patched)
    again["status"]["conditions"].append({**condition, "type": "Other"})
    await cluster.client.update(JOBS, again, subresource="status")

    async def kept() -> bool:
        read = await cluster.client.get(JOBS, "work", "default", subresource="status")
        kinds = {one["type"] for one in read["status"]["conditions"]}
        return {"CustomConditionType", "Other"} <= kinds and read["status"]["active"] == 2

    await cluster.holds(kept, seconds=60)
