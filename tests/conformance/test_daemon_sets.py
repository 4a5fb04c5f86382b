"""test/e2e/apps/daemon_set.go and controller_revision.go: one pod per node, labels of nodes, updates, roll-backs, revisions."""

from typing import Any

import pytest

from conformance.workloads import Object, Workload, with_image, workload
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from pinnace.kubelet.simulated.behaviour import Behaviour
from pinnace.testing.simulated_cluster import SimulatedCluster

DAEMON = "[sig-apps] Daemon set [Serial] should "


async def start(cluster: SimulatedCluster, ready: int = 2, **spec: Any) -> Workload:
    made = await Workload(cluster, workload("DaemonSet", "agent", None, **spec)).start()
    await made.until_ready(ready)
    return made


async def nodes_of(daemons: Workload) -> list[str]:
    return sorted(pods.node_name(pod) for pod in await daemons.pods())


@pytest.mark.conformance(DAEMON + "run and stop simple daemon [Conformance]")
async def test_every_node_has_a_daemon_and_gets_it_back(cluster: SimulatedCluster) -> None:
    daemons = await start(cluster)
    assert await nodes_of(daemons) == sorted(cluster.nodes.names)
    victim, other = await daemons.pods()
    await cluster.client.delete(PODS, meta.name(victim), "default")
    await cluster.until(lambda: cluster.is_gone(PODS, meta.name(victim)))
    after = await daemons.until_ready(2)
    assert meta.uid(other) in {meta.uid(pod) for pod in after}
    added = await cluster.nodes.add_node()
    await daemons.until_ready(3)
    assert added in await nodes_of(daemons)
    await cluster.client.delete(DAEMON_SETS, "agent", "default")
    await daemons.until_gone()


@pytest.mark.conformance(DAEMON + "retry creating failed daemon pods [Conformance]")
async def test_a_failed_daemon_is_replaced(cluster: SimulatedCluster) -> None:
    daemons = await start(cluster)
    victim = (await daemons.pods())[0]
    failed = {"status": {"phase": "Failed"}}
    await cluster.client.patch(PODS, meta.name(victim), failed, "default", subresource="status")
    await cluster.until(lambda: cluster.is_gone(PODS, meta.name(victim)))
    await daemons.until_ready(2)


@pytest.mark.conformance(DAEMON + "run and stop complex daemon [Conformance]")
async def test_daemons_follow_the_labels_of_nodes(cluster: SimulatedCluster) -> None:
    template = workload("DaemonSet", "agent", None)["spec"]["template"]
    template["spec"]["nodeSelector"] = {"daemonset-color": "blue"}
    daemons = await start(cluster, ready=0, template=template)
    node = cluster.nodes.names[0]

    async def paint(colour: str) -> None:
        await cluster.client.patch(NODES, node, {"metadata": {"labels": {"daemonset-color": colour}}})

    async def runs_on(*names: str) -> bool:
        return await nodes_of(daemons) == list(names) and await daemons.has_ready(len(names))

    await cluster.holds(runs_on, seconds=10)
    await paint("blue")
    await cluster.until(lambda: runs_on(node))
    await paint("green")
    await cluster.until(runs_on)
    green = {"spec": {"template": {"spec": {"nodeSelector": {"daemonset-color": "green"}}}}}
    await daemons.patch({"spec": {**green["spec"], "updateStrategy": {"type": "RollingUpdate"}}})
    await cluster.until(lambda: runs_on(node))


@pytest.mark.conformance(
    DAEMON + "update pod when spec was updated and update strategy is RollingUpdate [Conformance]"
)
async def test_a_rolling_update_goes_node_by_node(cluster: SimulatedCluster) -> None:
    daemons = await start(cluster)
    await daemons.patch(with_image("two"))
    fewest = 2

    async def updated() -> bool:
        nonlocal fewest
        fewest = min(fewest, sum(map(pods.is_ready, await daemons.pods())))
        return await daemons.images() == ["two", "two"] and await daemons.has_ready(2)

    await cluster.until(updated)
    assert fewest == 1
    revisions = await cluster.list(CONTROLLER_REVISIONS, labels="app=agent")
    newest = max(revisions, key=lambda one: one["revision"])
    assert len(revisions) == newest["revision"] == 2
    digest = meta.labels(newest)["controller-revision-hash"]
    assert {meta.labels(pod)["controller-revision-hash"] for pod in await daemons.pods()} == {digest}


@pytest.mark.conformance(DAEMON + "rollback without unnecessary restarts [Conformance]")
async def test_a_roll_back_restarts_only_what_was_changed(cluster: SimulatedCluster) -> None:
    def stuck(pod: Object) -> Behaviour | None:
        return Behaviour(starts_after=None) if pod["spec"]["containers"][0]["image"] == "absent" else None

    cluster.pods.behave(stuck)
    await cluster.nodes.add_node()
    daemons = await start(cluster, 3)
    before = {meta.uid(pod) for pod in await daemons.pods()}
    await daemons.patch(with_image("absent"))

    async def halfway() -> bool:
        return sorted(await daemons.images()) == ["absent", "one", "one"]

    await cluster.until(halfway)
    await cluster.holds(halfway, seconds=60)
    await daemons.patch(with_image("one"))
    after = await daemons.until_ready(3)
    assert set(await daemons.images()) == {"one"}
    assert len(before & {meta.uid(pod) for pod in after}) == 2


@pytest.mark.conformance(DAEMON + "list and delete a collection of DaemonSets [Conformance]")
async def test_a_collection_goes_with_its_pods(cluster: SimulatedCluster) -> None:
    daemons = await start(cluster)
    assert len(await cluster.list(DAEMON_SETS, None, labels="app=agent")) == 1
    await cluster.client.delete_collection(DAEMON_SETS, "default", label_selector="app=agent")
    await daemons.until_gone()


@pytest.mark.conformance(DAEMON + "verify changes to a daemon set status [Conformance]")
async def test_the_status_subresource(cluster: SimulatedCluster) -> None:
    daemons = await start(cluster)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    updated = await daemons.change(lambda obj: obj["status"].update(conditions=[condition]), "status")
    assert updated["status"]["conditions"] == [condition]
    await daemons.patch({"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}, "status")

    async def kept() -> bool:
        return {c["type"] for c in (await daemons.status())["conditions"]} == {
            "StatusPatched",
            "StatusUpdate",
        }

    await cluster.holds(kept, seconds=30)


@pytest.mark.conformance(
    "[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision [Conformance]"
)
async def test_the_life_of_a_controller_revision(cluster: SimulatedCluster) -> None:
    daemons = await start(cluster)

    async def revisions(selector: str = "app=agent") -> list[Object]:
        return await cluster.list(CONTROLLER_REVISIONS, labels=selector)

    async def there_are(count: int, selector: str = "app=agent") -> bool:
        return len(await revisions(selector)) == count

    (first,) = await revisions()
    name = meta.name(first)
    patch = {"metadata": {"labels": {name: "patched"}}}
    patched = await cluster.client.patch(CONTROLLER_REVISIONS, name, patch, "default")
    assert meta.labels(patched)[name] == "patched"
    second = {
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": first["revision"] + 1, "data": first["data"],
        "metadata": {
            "name": "another", "namespace": "default", "labels": {"app": "agent"},
            "ownerReferences": first["metadata"]["ownerReferences"],
        },
    }  # fmt: skip
    await cluster.create(second)
    await cluster.until(lambda: there_are(2))
    await cluster.client.delete(CONTROLLER_REVISIONS, name, "default")
    await cluster.until(lambda: there_are(1))
    (left,) = await revisions()
    updated = meta.mutable_copy(left)
    updated["metadata"]["labels"][meta.name(left)] = "updated"
    await cluster.client.update(CONTROLLER_REVISIONS, updated)
    await daemons.patch({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}})
    await cluster.until(lambda: there_are(2))
    await cluster.client.delete_collection(
        CONTROLLER_REVISIONS, "default", label_selector=f"{meta.name(left)}=updated"
    )
    await cluster.until(lambda: there_are(1))
    (last,) = await revisions()
    assert last["revision"] == 3
    await daemons.until_ready(2)
