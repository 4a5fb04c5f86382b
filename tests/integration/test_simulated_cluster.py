"""The simulated cluster of tests: time passes by itself, and containers do what they are told."""

import time
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.core import nodes, pods
from pinnace.api.resources import DEPLOYMENTS, EVENTS, NODES, PODS, REPLICA_SETS
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]


def pod(name: str = "p", **spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "x"}], **spec}}  # fmt: skip


def deployment(replicas: int = 3, image: str = "one", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
            **spec,
        },
    }  # fmt: skip


async def test_a_deployment_becomes_available_and_rolls(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(deployment(minReadySeconds=60))
    begun = cluster.clock.monotonic()
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    assert 59 <= cluster.clock.monotonic() - begun < 65  # ready at once, available after the minute
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}
    await cluster.client.patch(
        DEPLOYMENTS, "web", change, "default", content_type="application/strategic-merge-patch+json"
    )
    await cluster.until(lambda: cluster.is_rolled_out("web"), within=600)
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.list(PODS)} == {"two"}
    assert len(await cluster.list(REPLICA_SETS)) == 2
    await cluster.holds(lambda: cluster.is_rolled_out("web"), seconds=600)


async def test_an_hour_passes_quickly(tmp_path: Path) -> None:
    async with SimulatedCluster(tmp_path, nodes=5) as cluster:
        await cluster.create(deployment(10))
        await cluster.until(lambda: cluster.is_rolled_out("web"))
        begun = time.process_time()
        await cluster.advance(3600)
        assert time.process_time() - begun < 5
        assert all(nodes.is_ready(node) for node in await cluster.list(NODES))


async def phase(cluster: SimulatedCluster, name: str = "p") -> str:
    return pods.phase(await cluster.get(PODS, name))


async def test_pods_run_on_until_told_and_honour_their_restart_policy(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    for name, policy in (("never", "Never"), ("again", "OnFailure"), ("always", "Always")):
        await cluster.create(pod(name, restartPolicy=policy))

    async def all_run() -> bool:
        return all(pods.is_ready(one) for one in await cluster.list(PODS))

    await cluster.until(all_run)
    await cluster.holds(all_run, seconds=120)
    for name in ("never", "again", "always"):
        cluster.pods.fail(name, exit_code=3)
    await cluster.settle()
    never = await cluster.get(PODS, "never")
    assert pods.phase(never) == "Failed"
    assert never["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    for name in ("again", "always"):
        again = await cluster.get(PODS, name)
        assert (pods.phase(again), pods.restart_count(again), pods.is_ready(again)) == ("Running", 1, True)
        cluster.pods.complete(name)
    await cluster.settle()
    assert await phase(cluster, "again") == "Succeeded"
    always = await cluster.get(PODS, "always")
    assert always["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert not pods.is_ready(always)
    await cluster.advance(11)
    assert pods.restart_count(await cluster.get(PODS, "always")) == 2


async def test_a_rule_says_how_long_containers_run(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(30, exit_code=1), Run(60))))
    await cluster.create(pod(restartPolicy="OnFailure"))
    await cluster.advance(20)
    assert await phase(cluster) == "Running"
    await cluster.advance(15)
    assert pods.restart_count(await cluster.get(PODS, "p")) == 1
    await cluster.holds(lambda: phase_is(cluster, "Running"), seconds=50)
    await cluster.until(lambda: phase_is(cluster, "Succeeded"), within=20)


async def phase_is(cluster: SimulatedCluster, wanted: str) -> bool:
    return await phase(cluster) == wanted


async def test_readiness_comes_and_goes(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(ready_after=40),)))
    await cluster.create(pod())

    async def ready() -> bool:
        return pods.is_ready(await cluster.get(PODS, "p"))

    async def unready() -> bool:
        return not await ready()

    await cluster.holds(unready, seconds=38)
    await cluster.until(ready, within=3)
    cluster.pods.not_ready("p")
    await cluster.until(unready, within=0)
    cluster.pods.ready("app=p")
    await cluster.until(ready, within=0)


async def test_init_containers_sidecars_and_gates(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(containers={"first": (Run(10),)}))
    inits = [{"name": "first", "image": "x"}, {"name": "side", "image": "x", "restartPolicy": "Always"}]
    await cluster.create(
        pod(initContainers=inits, readinessGates=[{"conditionType": "example.com/ok"}], restartPolicy="Never")
    )
    await cluster.advance(5)
    waiting = await cluster.get(PODS, "p")
    assert pods.phase(waiting) == "Pending"
    assert waiting["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    await cluster.advance(6)
    assert await phase(cluster) == "Running"
    assert not pods.is_ready(await cluster.get(PODS, "p"))
    found = await cluster.get(PODS, "p")
    gate = [*found["status"]["conditions"], {"type": "example.com/ok", "status": "True"}]
    await cluster.client.patch(PODS, "p", {"status": {"conditions": gate}}, "default", subresource="status")
    await cluster.settle()
    assert pods.is_ready(await cluster.get(PODS, "p"))
    cluster.pods.complete("p")
    await cluster.settle()
    done = await cluster.get(PODS, "p")
    assert pods.phase(done) == "Succeeded"
    assert all("terminated" in one["state"] for one in pods.container_statuses(done))


async def test_a_deleted_pod_takes_its_time_and_tells_who_holds_it(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(leaves_after=20))
    held = pod("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    for one in (held, pod("free")):
        await cluster.create(one)
    await cluster.settle()
    for name in ("held", "free"):
        await cluster.client.delete(PODS, name, "default")
    await cluster.advance(18)
    assert pods.is_terminating(await cluster.get(PODS, "free"))
    await cluster.advance(3)
    assert await cluster.is_gone(PODS, "free")
    ended = await cluster.get(PODS, "held")
    assert pods.phase(ended) == "Failed"
    assert ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    await cluster.client.patch(PODS, "held", {"metadata": {"finalizers": None}}, "default")
    await cluster.until(lambda: cluster.is_gone(PODS, "held"))


async def test_eviction_and_deadline(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(pod())
    await cluster.create(pod("short", activeDeadlineSeconds=30))
    await cluster.settle()
    cluster.pods.evict("p")
    await cluster.settle()
    evicted = await cluster.get(PODS, "p")
    assert (pods.phase(evicted), evicted["status"]["reason"]) == ("Failed", "Evicted")
    assert pods.get_condition(evicted, "DisruptionTarget")
    await cluster.advance(29)
    assert await phase(cluster, "short") == "Running"
    await cluster.advance(2)
    assert (await cluster.get(PODS, "short"))["status"]["reason"] == "DeadlineExceeded"


async def test_a_silent_node_loses_its_pods(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(deployment(4))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    cluster.nodes.silence("sim-0")

    async def moved() -> bool:
        alive = [p for p in await cluster.list(PODS) if pods.is_active(p)]
        return {pods.node_name(p) for p in alive} == {"sim-1"} and await cluster.is_rolled_out("web")

    await cluster.until(moved, within=500)
    await cluster.nodes.revive("sim-0")
    await cluster.until(lambda: node_is_ready(cluster, "sim-0"))
    added = await cluster.nodes.add_node()
    await cluster.until(lambda: node_is_ready(cluster, added))


async def node_is_ready(cluster: SimulatedCluster, name: str) -> bool:
    return nodes.is_ready(await cluster.get(NODES, name))


async def test_waiting_in_vain_tells_what_is_there(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(pod(nodeSelector={"no": "where"}))
    with pytest.raises(AssertionError, match="FailedScheduling") as failure:
        await cluster.until(lambda: phase_is(cluster, "Running"), within=30)
    assert "not within 30 virtual seconds" in str(failure.value)
    with pytest.raises(AssertionError, match="no longer so after"):
        await cluster.holds(lambda: phase_is(cluster, "Running"), seconds=30)
    with pytest.raises(AssertionError, match="no pod 'other'"):
        cluster.pods.fail("other")


async def test_zones_and_a_choice_of_controllers(tmp_path: Path) -> None:
    async with SimulatedCluster(
        tmp_path, nodes=3, zones=("a", "b"), controllers=("*", "-deployment")
    ) as cluster:
        zones = [meta.labels(n)["topology.kubernetes.io/zone"] for n in await cluster.list(NODES)]
        assert zones == ["a", "b", "a"]
        await cluster.create(deployment())
        await cluster.advance(600)
        assert await cluster.list(REPLICA_SETS) == []
        assert not [
            e for e in await cluster.list(EVENTS, None) if e["involvedObject"]["kind"] == "Deployment"
        ]
