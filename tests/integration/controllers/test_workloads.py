"""Deployments, ReplicaSets and DaemonSets against the real API server, on simulated nodes."""

import asyncio
from typing import Any

from integration.controllers.conftest import Start
from pinnace.api import meta
from pinnace.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS
from pinnace.client.interface import Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def deployment(replicas: int = 3, image: str = "one", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
            **spec,
        },
    }  # fmt: skip


def image_patch(image: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


async def items(client: Client, gvr: tuple) -> list[Object]:
    return (await client.list(gvr, "default"))["items"]  # type: ignore[arg-type]


async def rolled_out(client: Client, image: str, replicas: int) -> bool:
    d = await client.get(DEPLOYMENTS, "web", "default")
    status = d.get("status") or {}
    pods = await items(client, PODS)
    return (
        status.get("observedGeneration", 0) == d["metadata"].get("generation", 0)
        and status.get("availableReplicas")
        == status.get("updatedReplicas")
        == status.get("replicas")
        == replicas
        and [p["spec"]["containers"][0]["image"] for p in pods] == [image] * replicas
    )


async def test_rolling_update_and_back(start: Start) -> None:
    client = await start("deployment", "replicaset", "garbage-collector")
    await client.create(DEPLOYMENTS, deployment(4))
    await eventually(lambda: rolled_out(client, "one", 4))
    first = meta.name((await items(client, REPLICA_SETS))[0])
    await client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")
    await eventually(lambda: rolled_out(client, "two", 4))
    assert len(await items(client, REPLICA_SETS)) == 2

    await client.patch(DEPLOYMENTS, "web", image_patch("one"), "default")
    await eventually(lambda: rolled_out(client, "one", 4))
    back = await client.get(REPLICA_SETS, first, "default")
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    found = await client.get(DEPLOYMENTS, "web", "default")
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    progressing = meta.find_condition(found, "Progressing")
    assert progressing is not None
    assert progressing["message"] == f'ReplicaSet "{first}" has successfully progressed.'

    messages = [e["message"] for e in await items(client, EVENTS) if e["reason"] == "ScalingReplicaSet"]
    assert f"Scaled up replica set {first} from 0 to 4" in messages


async def test_recreate_and_scale(start: Start) -> None:
    client = await start("deployment", "replicaset")
    await client.create(DEPLOYMENTS, deployment(3, strategy={"type": "Recreate"}))
    await eventually(lambda: rolled_out(client, "one", 3))
    await client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")
    await eventually(lambda: rolled_out(client, "two", 3))
    await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default", subresource="scale")
    await eventually(lambda: rolled_out(client, "two", 1))


async def test_pause_and_resume(start: Start) -> None:
    client = await start("deployment", "replicaset")
    await client.create(DEPLOYMENTS, deployment(2))
    await eventually(lambda: rolled_out(client, "one", 2))
    await client.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}}, "default")
    await client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")

    async def is_paused() -> bool:
        d = await client.get(DEPLOYMENTS, "web", "default")
        condition = meta.find_condition(d, "Progressing") or {}
        return condition.get("reason") == "DeploymentPaused" and (
            d["status"].get("observedGeneration", 0) == d["metadata"].get("generation", 0)
        )

    await eventually(is_paused)
    assert len(await items(client, REPLICA_SETS)) == 1
    await client.patch(DEPLOYMENTS, "web", {"spec": {"paused": None}}, "default")
    await eventually(lambda: rolled_out(client, "two", 2))


async def test_history_is_limited(start: Start) -> None:
    client = await start("deployment", "replicaset")
    await client.create(DEPLOYMENTS, deployment(1, "v0", revisionHistoryLimit=1))
    for number in range(4):
        if number:
            await client.patch(DEPLOYMENTS, "web", image_patch(f"v{number}"), "default")
        await eventually(lambda n=number: rolled_out(client, f"v{n}", 1))  # type: ignore[misc]

    async def images() -> list[str]:
        return sorted(
            rs["spec"]["template"]["spec"]["containers"][0]["image"]
            for rs in await items(client, REPLICA_SETS)
        )

    await eventually(lambda: _equals(images, ["v2", "v3"]))


async def _equals(ask: Any, wanted: list[str]) -> bool:
    return bool(await ask() == wanted)


async def test_deleting_a_pod_brings_a_new_one(start: Start) -> None:
    client = await start("deployment", "replicaset")
    await client.create(DEPLOYMENTS, deployment(2))
    await eventually(lambda: rolled_out(client, "one", 2))
    victim = meta.name((await items(client, PODS))[0])
    await client.delete(PODS, victim, "default")

    async def replaced() -> bool:
        return victim not in [meta.name(p) for p in await items(client, PODS)] and (
            await rolled_out(client, "one", 2)
        )

    await eventually(replaced)


async def test_a_daemon_set_follows_nodes_and_template(start: Start) -> None:
    client = await start("daemonset", "node-lifecycle", nodes=3)
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "c", "image": "one"}]},
    }
    await client.create(DAEMON_SETS, {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
    })  # fmt: skip

    async def runs(image: str) -> bool:
        ds = await client.get(DAEMON_SETS, "agent", "default")
        status = ds.get("status") or {}
        pods = await items(client, PODS)
        return (
            status.get("numberAvailable") == status.get("updatedNumberScheduled") == 3
            and status.get("observedGeneration", 0) == ds["metadata"].get("generation", 0)
            and {p["spec"]["nodeName"] for p in pods} == {"sim-0", "sim-1", "sim-2"}
            and {p["spec"]["containers"][0]["image"] for p in pods} == {image}
        )

    await eventually(lambda: runs("one"))
    await client.patch(DAEMON_SETS, "agent", image_patch("two"), "default")
    await eventually(lambda: runs("two"))
    assert sorted(r["revision"] for r in await items(client, CONTROLLER_REVISIONS)) == [1, 2]


async def test_a_refused_pod_shows_as_replica_failure(start: Start) -> None:
    client = await start("deployment", "replicaset")
    spec = {"serviceAccountName": "nobody", "containers": [{"name": "c", "image": "x"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    await client.create(DEPLOYMENTS, deployment(2, template=template))

    async def failed() -> bool:
        d = await client.get(DEPLOYMENTS, "web", "default")
        condition = meta.find_condition(d, "ReplicaFailure")
        return condition is not None and condition["reason"] == "FailedCreate"

    await eventually(failed)
    messages = [e["message"] for e in await items(client, EVENTS) if e["reason"] == "FailedCreate"]
    assert any("Error creating: pods" in m and "forbidden" in m for m in messages)


async def test_controllers_that_are_killed_and_started_again_reach_the_same_state(
    start: Start, api_server: ApiServerInProcess
) -> None:
    client = await start("endpoints")  # nodes and binding, but none of the controllers that matter here
    manager = api_server.local_client("system:kube-controller-manager", ())

    async def run_for(seconds: float) -> None:
        controllers = Controllers(manager, RealClock(), ControllersConfig(("deployment", "replicaset")))
        try:
            async with asyncio.timeout(seconds):
                await controllers.run()
        except TimeoutError:
            return

    await client.create(DEPLOYMENTS, deployment(30))
    for attempt in range(12):
        await run_for(0.01 + attempt * 0.02)
        if attempt == 6:
            await client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")
    task = asyncio.create_task(run_for(60))
    try:
        await eventually(lambda: rolled_out(client, "two", 30))
    finally:
        task.cancel()
    assert len(await items(client, REPLICA_SETS)) == 2
