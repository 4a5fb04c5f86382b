"""What several controllers do to one object: namespaces, quotas, owners and finalizers that meet."""

from typing import Any

from conformance.workloads import Object, Workload, lone_pod, workload
from pinnace.api import conditions, meta
from pinnace.api.core import pods
from pinnace.api.resources import (
    CRON_JOBS,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESOURCE_QUOTAS,
)
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster


def a_job(name: str = "work", **spec: Any) -> Object:
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "one"}]},
            },
            **spec,
        },
    }  # fmt: skip


def quota(count: int) -> Object:
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
        "spec": {"hard": {"pods": str(count)}},
    }  # fmt: skip


async def of_job(cluster: SimulatedCluster, namespace: str = "default") -> list[Object]:
    return await cluster.list(PODS, namespace, "app=work")


# --- namespaces


async def in_namespace(cluster: SimulatedCluster, obj: Object) -> None:
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "doomed"}})
    await cluster.create(obj, "doomed")


async def test_a_namespace_with_a_job_of_limited_indexes_goes(cluster: SimulatedCluster):
    await in_namespace(
        cluster, a_job(completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=2)
    )

    async def runs() -> bool:
        found = await of_job(cluster, "doomed")
        return len(found) == 3 and all(map(pods.is_ready, found))

    await cluster.until(runs)
    await cluster.client.delete(NAMESPACES, "doomed")
    await cluster.until(lambda: cluster.is_gone(NAMESPACES, "doomed"), within=120)


async def test_a_namespace_with_a_job_that_waits_for_pods_to_fail_goes(cluster: SimulatedCluster):
    await in_namespace(cluster, a_job(completions=3, parallelism=3, podReplacementPolicy="Failed"))

    async def runs() -> bool:
        return len([p for p in await of_job(cluster, "doomed") if pods.is_ready(p)]) == 3

    await cluster.until(runs)
    await cluster.client.delete(NAMESPACES, "doomed")
    await cluster.until(lambda: cluster.is_gone(NAMESPACES, "doomed"), within=120)


# --- quotas


async def test_a_job_counts_its_pods_while_a_quota_lets_it_make_no_more(cluster: SimulatedCluster):
    await cluster.create(quota(1))
    await cluster.until(lambda: _has_status(cluster))
    cluster.pods.behave(lambda pod: Behaviour(runs=(Run(seconds=30),)))
    await cluster.create(a_job(completions=3, parallelism=3))

    async def one_is_counted() -> bool:
        job = await cluster.get(JOBS, "work")
        return (job["status"].get("succeeded") or 0) == 1

    await cluster.until(one_is_counted, within=40)

    async def complete() -> bool:
        return conditions.is_true((await cluster.get(JOBS, "work"))["status"].get("conditions"), "Complete")

    await cluster.until(complete, within=200)


async def _has_status(cluster: SimulatedCluster) -> bool:
    return bool(((await cluster.get(RESOURCE_QUOTAS, "few")).get("status") or {}).get("hard"))


async def test_a_rollout_goes_on_soon_after_its_quota_grew(cluster: SimulatedCluster):
    await cluster.create(quota(2))
    await cluster.until(lambda: _has_status(cluster))
    await Workload(cluster, workload("Deployment", "web", 4)).start()

    async def has(count: int) -> bool:
        return len(await cluster.list(PODS, labels="app=web")) == count

    await cluster.until(lambda: has(2))
    await cluster.holds(lambda: has(2), seconds=1500)
    await cluster.client.patch(RESOURCE_QUOTAS, "few", {"spec": {"hard": {"pods": "9"}}}, "default")
    await cluster.until(lambda: has(4), within=60)


async def test_daemons_in_the_wrong_place_make_room_for_others(cluster: SimulatedCluster):
    one, other = cluster.nodes.names
    await cluster.client.patch(NODES, one, {"metadata": {"labels": {"disk": "ssd"}}})
    await cluster.create(quota(1))
    await cluster.until(lambda: _has_status(cluster))
    spec = workload("DaemonSet", "agent", None)
    spec["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    await cluster.create(spec)

    async def runs_on(node: str) -> bool:
        found = await cluster.list(PODS, labels="app=agent")
        return [pods.node_name(pod) for pod in found] == [node]

    await cluster.until(lambda: runs_on(one))
    await cluster.client.patch(NODES, other, {"metadata": {"labels": {"disk": "ssd"}}})
    await cluster.advance(10)
    await cluster.client.patch(NODES, one, {"metadata": {"labels": {"disk": None}}})
    await cluster.until(lambda: runs_on(other), within=60)


# --- owners


def with_ephemeral_volume(name: str) -> Object:
    pod = lone_pod(name, app=name)
    claim = {"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "disk",
                      "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    pod["spec"]["volumes"] = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": claim}}]
    return pod


async def test_a_pod_with_an_ephemeral_volume_can_be_deleted_in_the_foreground(cluster: SimulatedCluster):
    await cluster.create({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                 "hostPath": {"path": "/tmp/disk"}},
    })  # fmt: skip
    await cluster.create(with_ephemeral_volume("p"))

    async def runs() -> bool:
        return pods.is_ready(await cluster.get(PODS, "p"))

    await cluster.until(runs)
    await cluster.client.delete(PODS, "p", "default", propagation_policy="Foreground")
    await cluster.until(lambda: cluster.is_gone(PODS, "p"), within=120)
    await cluster.until(lambda: cluster.is_gone(PERSISTENT_VOLUME_CLAIMS, "p-scratch"), within=30)


async def test_a_cron_job_that_replaces_goes_on_with_foreground_deletion_of_its_jobs(
    cluster: SimulatedCluster,
):
    spec = a_job()["spec"]
    await cluster.create({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
        "spec": {"schedule": "* * * * *", "concurrencyPolicy": "Replace", "startingDeadlineSeconds": 10**15,
                 "jobTemplate": {"spec": spec}},
    })  # fmt: skip

    async def jobs_are(count: int) -> bool:
        return len(await cluster.list(JOBS)) == count

    await cluster.until(lambda: jobs_are(1), within=120)
    first = meta.name((await cluster.list(JOBS))[0])
    await cluster.until(lambda: cluster.is_gone(JOBS, first), within=120)
    await cluster.client.delete(CRON_JOBS, "tick", "default", propagation_policy="Foreground")
    await cluster.until(lambda: cluster.is_gone(CRON_JOBS, "tick"), within=120)
    assert await cluster.list(JOBS) == []
