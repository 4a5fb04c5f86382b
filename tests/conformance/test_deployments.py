"""test/e2e/apps/deployment.go: rolling and recreating updates, history, rollover, proportional scaling, life, status, scale."""

from collections.abc import Callable

import pytest

from conformance.workloads import Object, Workload, with_image, workload
from pinnace.api import meta
from pinnace.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from pinnace.kubelet.simulated.behaviour import Behaviour
from pinnace.testing.simulated_cluster import SimulatedCluster

DEPLOYMENT = "[sig-apps] Deployment "
REVISION = "deployment.kubernetes.io/revision"
NEVER_STARTS = Behaviour(starts_after=None)


def absent_images(cluster: SimulatedCluster) -> None:
    """Containers of the image `absent` never start, as one that cannot be pulled."""

    def stuck(pod: Object) -> Behaviour | None:
        return NEVER_STARTS if pod["spec"]["containers"][0]["image"] == "absent" else None

    cluster.pods.behave(stuck)


async def start(
    cluster: SimulatedCluster, name: str, replicas: int = 1, image: str = "one", **spec: object
) -> Workload:
    return await Workload(cluster, workload("Deployment", name, replicas, image, **spec)).start()


async def rolled_out(deployment: Workload) -> None:
    await deployment.cluster.until(lambda: deployment.cluster.is_rolled_out(deployment.name))


async def sets(cluster: SimulatedCluster) -> dict[str, int]:
    """Image -> replicas asked for."""
    return {
        rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs["spec"]["replicas"]
        for rs in await cluster.list(REPLICA_SETS)
    }


def sets_are(cluster: SimulatedCluster, wanted: dict[str, int]) -> Callable[[], object]:
    async def probe() -> bool:
        return await sets(cluster) == wanted

    return probe


@pytest.mark.conformance(
    DEPLOYMENT + "RollingUpdateDeployment should delete old pods and create new ones [Conformance]"
)
async def test_a_rolling_update_adopts_and_replaces(cluster: SimulatedCluster) -> None:
    """The replica set with pods that match is adopted with its revision, and then replaced."""
    old = workload("ReplicaSet", "web", 1)
    old["metadata"] |= {"name": "old", "annotations": {REVISION: "3546343826724305832"}}
    first = await Workload(cluster, old).start()
    await cluster.until(lambda: is_ready(first))
    deployment = await start(cluster, "web", image="two")
    await rolled_out(deployment)
    assert await deployment.images() == ["two"]
    assert meta.annotations(await deployment.read())[REVISION] == "3546343826724305833"
    assert (meta.controller_of(await first.read()) or {})["kind"] == "Deployment"
    assert await sets(cluster) == {"one": 0, "two": 1}


async def is_ready(rs: Workload) -> bool:
    return (await rs.status()).get("readyReplicas") == 1


@pytest.mark.conformance(
    DEPLOYMENT + "RecreateDeployment should delete old pods and create new ones [Conformance]"
)
async def test_recreate_never_runs_both(cluster: SimulatedCluster) -> None:
    cluster.pods.behave(lambda _: Behaviour(leaves_after=20))
    deployment = await start(cluster, "web", 3, strategy={"type": "Recreate"})
    await rolled_out(deployment)
    await deployment.patch(with_image("two"))
    seen: set[frozenset[str]] = set()

    async def replaced() -> bool:
        pods = await cluster.list(PODS)
        images = frozenset(p["spec"]["containers"][0]["image"] for p in pods)
        seen.add(images)
        return images == {"two"} and await cluster.is_rolled_out("web")

    await cluster.until(replaced)
    assert frozenset({"one", "two"}) not in seen


@pytest.mark.conformance(DEPLOYMENT + "deployment should delete old replica sets [Conformance]")
async def test_old_replica_sets_go(cluster: SimulatedCluster) -> None:
    old = workload("ReplicaSet", "web", 1)
    old["metadata"]["name"] = "old"
    first = await Workload(cluster, old).start()
    await cluster.until(lambda: is_ready(first))
    deployment = await start(cluster, "web", image="two", revisionHistoryLimit=0)
    await rolled_out(deployment)
    await cluster.until(sets_are(cluster, {"two": 1}))


@pytest.mark.conformance(DEPLOYMENT + "deployment should support rollover [Conformance]")
async def test_a_rollout_overtakes_another(cluster: SimulatedCluster) -> None:
    absent_images(cluster)
    rolling = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    deployment = await start(cluster, "web", strategy=rolling, minReadySeconds=10)
    await rolled_out(deployment)
    await deployment.patch(with_image("absent"))
    await cluster.until(sets_are(cluster, {"one": 1, "absent": 1}))
    await cluster.holds(sets_are(cluster, {"one": 1, "absent": 1}), seconds=60)
    await deployment.patch(with_image("three"))
    await rolled_out(deployment)
    assert await sets(cluster) == {"one": 0, "absent": 0, "three": 1}
    assert await deployment.images() == ["three"]


@pytest.mark.conformance(DEPLOYMENT + "deployment should support proportional scaling [Conformance]")
async def test_a_stuck_rollout_is_scaled_in_proportion(cluster: SimulatedCluster) -> None:
    """Ten replicas and a rollout that cannot go on (8 old, 5 new) become thirty: 20 and 13."""
    absent_images(cluster)
    deployment = await start(
        cluster, "web", 10, strategy={"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    )
    await rolled_out(deployment)
    await deployment.patch(with_image("absent"))
    await cluster.until(sets_are(cluster, {"one": 8, "absent": 5}))
    await cluster.until(deployment.is_observed)

    async def eight_are_available() -> bool:
        return bool((await deployment.status())["availableReplicas"] == 8)

    await cluster.until(eight_are_available)
    await deployment.scale(30)
    await cluster.until(sets_are(cluster, {"one": 20, "absent": 13}))
    await cluster.holds(sets_are(cluster, {"one": 20, "absent": 13}), seconds=30)


@pytest.mark.conformance(DEPLOYMENT + "Deployment should have a working scale subresource [Conformance]")
async def test_the_scale_subresource(cluster: SimulatedCluster) -> None:
    deployment = await start(cluster, "web")
    await deployment.until_ready(1)
    scale = await cluster.client.get(DEPLOYMENTS, "web", "default", subresource="scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 1, "selector": "app=web"},
    )
    await cluster.client.update(DEPLOYMENTS, {**scale, "spec": {"replicas": 2}}, subresource="scale")
    await deployment.until_ready(2)
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 4}}, "default", subresource="scale")
    await deployment.until_ready(4)


@pytest.mark.conformance(DEPLOYMENT + "should validate Deployment Status endpoints [Conformance]")
async def test_the_status_subresource(cluster: SimulatedCluster) -> None:
    deployment = await start(cluster, "web")
    await deployment.until_ready(1)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    updated = await deployment.change(lambda obj: obj["status"]["conditions"].append(condition), "status")
    assert "StatusUpdate" in {c["type"] for c in updated["status"]["conditions"]}
    patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    await deployment.patch(patch, "status")

    async def kept() -> bool:
        return {"StatusPatched", "StatusUpdate"} <= {
            c["type"] for c in (await deployment.status())["conditions"]
        }

    await cluster.holds(kept, seconds=30)


@pytest.mark.conformance(DEPLOYMENT + "should run the lifecycle of a Deployment [Conformance]")
async def test_the_life_of_a_deployment(cluster: SimulatedCluster) -> None:
    deployment = await start(cluster, "web", 2)
    await deployment.until_ready(2)
    change = with_image("two")
    change["metadata"] = {"labels": {"test-deployment": "patched"}}
    change["spec"]["replicas"] = 1
    await deployment.patch(change)
    await deployment.until_ready(1)
    await cluster.until(lambda: has_images(deployment, ["two"]))
    found = await cluster.list(DEPLOYMENTS, None, labels="test-deployment=patched")
    assert [meta.name(one) for one in found] == ["web"]
    await deployment.change(lambda obj: obj["spec"].update(replicas=2))
    await deployment.until_ready(2)
    status = {"status": {"readyReplicas": 0, "availableReplicas": 0, "unavailableReplicas": 2}}
    answer = await deployment.patch(status, "status")
    assert answer["status"].get("readyReplicas", 0) == 0
    await cluster.client.delete_collection(DEPLOYMENTS, "default", label_selector="test-deployment=patched")
    await deployment.until_gone()
    await cluster.until(sets_are(cluster, {}))


async def has_images(deployment: Workload, images: list[str]) -> bool:
    return await deployment.images() == images
