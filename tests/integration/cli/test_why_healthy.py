"""`pinnace why` about clusters that are busy and well: what is on its way, over, or as somebody wants it is no finding."""

from pathlib import Path
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster
from why_scenes import Asked, Told, container, has_condition, named, pod, workload


@pytest.fixture
def asked(simulated_cluster: SimulatedCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asked:  # fmt: skip
    return Asked(simulated_cluster, tmp_path / "cache", capsys, monkeypatch)


def well(told: Told) -> Told:
    assert told.code == 0, told.text
    return told


def job(name: str, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]}}
    return named("Job", name, "batch/v1", spec={"template": template, **spec})


async def test_a_rollout_on_its_way(simulated_cluster: SimulatedCluster, asked: Asked) -> None:
    cluster = simulated_cluster
    await cluster.create(named("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}))
    cluster.pods.behave(lambda _: Behaviour(starts_after=20))
    await cluster.create(workload(replicas=3))
    await cluster.until(lambda: _count(cluster, 3))
    first = well(await asked("deploy/web"))
    assert first.cause("short-of-pods") == "in progress: 0 of 3 pods are available"
    assert (
        well(await asked("service/web"))
        .cause("service-endpoints")
        .startswith("in progress: its selector finds 3 pods")
    )
    well(await asked())
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.client.patch(
        r.DEPLOYMENTS, "web", {"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}, "default"
    )
    await cluster.until(lambda: _count(cluster, 4))
    well(await asked())
    well(await asked("deploy/web"))


async def _count(cluster: SimulatedCluster, pods: int) -> bool:
    return len(await cluster.list(r.PODS)) == pods


async def test_sets_that_start_one_pod_after_the_other(
    simulated_cluster: SimulatedCluster, asked: Asked
) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(starts_after=5, runs=(Run(ready_after=20),)))
    await cluster.create(workload("StatefulSet", "db", 3))
    await cluster.create(workload("DaemonSet", "agents"))
    await cluster.create(workload("DaemonSet", "gpu", nodeSelector={"gpu": "yes"}))
    await cluster.until(lambda: _count(cluster, 3))
    well(await asked())
    await cluster.advance(15)
    well(await asked())
    assert well(await asked("sts/db")).cause("ordered-pods").startswith("in progress: ")


async def test_jobs_that_ran_or_will(simulated_cluster: SimulatedCluster, asked: Asked) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(
        lambda one: Behaviour(
            runs=(Run(seconds=1, exit_code=int(one["metadata"]["name"].startswith("flaky"))),)
        )
    )
    await cluster.create(job("done"))
    await cluster.create(job("later", suspend=True))
    await cluster.create(
        named(
            "CronJob",
            "nightly",
            "batch/v1",
            spec={"schedule": "0 3 * * *", "suspend": True, "jobTemplate": job("x")},
        )
    )
    await cluster.until(lambda: has_condition(cluster, r.JOBS, "done", "Complete"))
    await cluster.create(job("flaky", backoffLimit=3))

    async def failed_once() -> bool:
        return bool((await cluster.get(r.JOBS, "flaky")).get("status", {}).get("failed"))

    await cluster.until(failed_once)
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(seconds=1),)))
    await cluster.until(lambda: has_condition(cluster, r.JOBS, "flaky", "Complete"))
    well(await asked())
    assert (await asked("job/later")).cause("suspended") == "it is suspended"
    assert (await asked("cronjob/nightly")).cause("suspended") == "it is suspended"


async def test_what_somebody_turned_off(simulated_cluster: SimulatedCluster, asked: Asked) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(replicas=0))
    await cluster.create(named("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}))
    await cluster.create(workload(name="one"))
    await cluster.create(
        named(
            "PodDisruptionBudget",
            "one",
            "policy/v1",
            spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "one"}}},
        )
    )
    await cluster.until(lambda: cluster.is_rolled_out("one"))

    async def counted() -> bool:
        return bool(
            (await cluster.get(r.POD_DISRUPTION_BUDGETS, "one")).get("status", {}).get("currentHealthy")
        )

    await cluster.until(counted)
    well(await asked())
    service = await asked("service/web")
    assert (
        service.cause("service-endpoints")
        == "its selector finds no pod: Deployment web would make such pods, and is scaled to 0"
    )
    assert service.finding("service-endpoints")["commands"] == [
        "kubectl scale deployment web -n default --replicas=1"
    ]
    assert well(await asked("deploy/web")).cause("scaled-to-0") == "it is scaled to 0: no pods are wanted"
    assert (await asked("pdb/one")).cause("disruption-budget").startswith("no pod may ever be evicted")
    (node,) = {one["spec"]["nodeName"] for one in await cluster.list(r.PODS)}
    await cluster.client.patch(r.NODES, node, {"spec": {"unschedulable": True}})
    drained = await asked()
    assert (
        drained.cause("disruption-budget")
        == "no pod may ever be evicted: it wants 1 of 1 pods healthy, so drains hang"
    )


async def test_objects_of_this_moment(simulated_cluster: SimulatedCluster, asked: Asked) -> None:
    """Created, and looked at before any controller could do its part."""
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(starts_after=5))
    await cluster.create(pod("lone"))
    await cluster.create(
        named("Service", "outside", spec={"type": "LoadBalancer", "selector": {}, "ports": [{"port": 80}]})
    )
    await cluster.create(
        named(
            "HorizontalPodAutoscaler",
            "web",
            "autoscaling/v2",
            spec={
                "maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        )
    )
    await cluster.create(workload())
    await cluster.create(named("Namespace", "going"))
    await cluster.client.delete(r.NAMESPACES, "going")
    well(await asked())


async def test_an_evicted_pod_that_was_replaced(simulated_cluster: SimulatedCluster, asked: Asked) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(replicas=2))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    (one, _) = await cluster.list(r.PODS)
    cluster.pods.evict(one["metadata"]["name"])
    await cluster.until(lambda: _count(cluster, 3))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    well(await asked())
    assert (
        (await asked("pod", one["metadata"]["name"]))
        .cause("pod-failed")
        .startswith("its node ran short of something and evicted it")
    )


async def test_who_may_only_view_is_told_what_is_not_said(
    simulated_cluster: SimulatedCluster, asked: Asked
) -> None:
    cluster = simulated_cluster
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    alice = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}
    await cluster.create(
        named("RoleBinding", "alice", "rbac.authorization.k8s.io/v1", roleRef=role, subjects=[alice])
    )
    await cluster.create(workload(containers=[container(requests={"cpu": "64"})]))
    await cluster.until(lambda: has_condition(cluster, r.DEPLOYMENTS, "web", "Available", "False"))

    async def refused() -> bool:
        return any((one.get("status") or {}).get("conditions") for one in await cluster.list(r.PODS))

    await cluster.until(refused)
    told = await asked("-n", "default", "--as", "alice")
    assert told.code == 2
    assert "it cannot be scheduled: 0/2 nodes are available: 2 Insufficient cpu" in told.cause(
        "unschedulable"
    )
    assert "cannot list resource" in told.text
    assert (await asked.plain("deploy/web", "-n", "default", "--as", "alice")).text.count(
        "Could not be read, so something may be missing above:"
    ) == 1
