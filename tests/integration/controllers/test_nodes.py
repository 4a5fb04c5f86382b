"""A node falls silent: it turns Unknown, is tainted, and its pods move; all with quick settings of the real controllers."""

import pytest

from integration.controllers.conftest import Start
from integration.controllers.test_workloads import deployment, items, rolled_out
from pinnace.api import meta
from pinnace.api.resources import DEPLOYMENTS, EVENTS, LEASES, NODES, PODS
from pinnace.client.interface import Client
from pinnace.controllers.nodes.lifecycle import NodeLifecycleConfig
from pinnace.testing.wait import eventually

QUICK = NodeLifecycleConfig(
    node_monitor_period=0.2, node_monitor_grace_period=2.0, node_startup_grace_period=2.0
)


async def add_silent_node(client: Client, name: str) -> None:
    """A node that once was ready and has nobody who speaks for it."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
             "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {},
        "status": {"conditions": [ready]},
    }
    await client.create(NODES, node)


@pytest.mark.slow
async def test_a_silent_node_loses_its_pods(start: Start) -> None:
    client = await start("node-lifecycle", "taint-eviction", nodes=2, nodes_config=QUICK)
    await add_silent_node(client, "lost")
    await client.create(PODS, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "lost", "containers": [{"name": "c", "image": "x"}],
                 "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                                  "tolerationSeconds": 1}]},
    })  # fmt: skip
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await client.patch(PODS, "p", {"status": status}, "default", subresource="status")

    async def is_unknown() -> bool:
        node = await client.get(NODES, "lost")
        condition = meta.find_condition(node, "Ready") or {}
        taints = {(t["key"], t["effect"]) for t in node["spec"].get("taints") or ()}
        return condition["reason"] == "NodeStatusUnknown" and taints == {
            ("node.kubernetes.io/unreachable", "NoSchedule"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
        }

    await eventually(is_unknown)

    async def is_leaving() -> bool:
        pod = await client.get(PODS, "p", "default")
        return meta.is_terminating(pod) and pod["status"].get("reason") == "NodeLost"

    await eventually(is_leaving)
    pod = await client.get(PODS, "p", "default")
    assert not meta.condition_is_true(pod, "Ready")
    assert meta.condition_is_true(pod, "DisruptionTarget")

    async def told() -> bool:
        reasons = {e["reason"] for e in await items(client, EVENTS)}
        return {"NodeNotReady", "TaintManagerEviction", "RegisteredNode"} <= reasons

    await eventually(told)


@pytest.mark.slow
async def test_a_node_that_speaks_again_is_clean_again(start: Start) -> None:
    client = await start("node-lifecycle", nodes=1, nodes_config=QUICK)
    await add_silent_node(client, "lost")

    async def tainted() -> bool:
        taints = (await client.get(NODES, "lost"))["spec"].get("taints") or ()
        return "node.kubernetes.io/unreachable" in [taint["key"] for taint in taints]

    await eventually(tainted)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"name": "lost", "namespace": "kube-node-lease"},
             "spec": {"renewTime": "2026-01-02T00:00:00.000000Z"}}  # fmt: skip
    await client.create(LEASES, lease)
    fresh = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": "2026-01-02T00:00:00Z",
    }
    await client.patch(NODES, "lost", {"status": {"conditions": [fresh]}}, subresource="status")

    async def clean() -> bool:
        return not (await client.get(NODES, "lost"))["spec"].get("taints")

    await eventually(clean)


async def test_a_cordoned_node_is_tainted(start: Start) -> None:
    client = await start("node-lifecycle", nodes=1, nodes_config=QUICK)

    async def keys() -> list[str]:
        try:
            return [t["key"] for t in (await client.get(NODES, "sim-0"))["spec"].get("taints") or ()]
        except Exception:
            return ["not there yet"]

    async def are(*wanted: str) -> bool:
        return await keys() == list(wanted)

    await eventually(are)
    await client.patch(NODES, "sim-0", {"spec": {"unschedulable": True}})
    await eventually(lambda: are("node.kubernetes.io/unschedulable"))
    await client.patch(NODES, "sim-0", {"spec": {"unschedulable": None}})
    await eventually(are)


async def test_a_replacement_runs_when_a_node_is_deleted(start: Start) -> None:
    client = await start("deployment", "replicaset", "pod-garbage-collector", pod_gc_quick=True)
    await client.create(DEPLOYMENTS, deployment(2))
    await eventually(lambda: rolled_out(client, "one", 2))
    victims = [p for p in await items(client, PODS) if p["spec"]["nodeName"] == "sim-1"]
    await client.delete(NODES, "sim-1")

    async def swept() -> bool:
        names = {meta.name(p) for p in await items(client, PODS)}
        return not names & {meta.name(v) for v in victims}

    await eventually(swept)
