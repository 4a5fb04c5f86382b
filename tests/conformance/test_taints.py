"""test/e2e/node/taints.go: what a NoExecute taint does to the pods of its node, and when."""

from typing import Any

import pytest

from conformance.workloads import lone_pod
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import NODES, PODS
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
TAINTS = "[sig-node] NoExecuteTaintManager "
KEY, VALUE = "kubernetes.io/e2e-evict-taint-key", "evictTaintVal"


def tolerant(name: str, seconds: int) -> Object:
    toleration = {
        "key": KEY, "operator": "Equal", "value": VALUE, "effect": "NoExecute", "tolerationSeconds": seconds,
    }  # fmt: skip
    body = lone_pod(name)
    body["spec"] |= {"tolerations": [toleration], "terminationGracePeriodSeconds": 1}
    return body


async def start(cluster: SimulatedCluster, **tolerations: int) -> str:
    """Pods that tolerate the taint for so many seconds, all on one node, whose name is answered."""
    node: str = cluster.nodes.names[0]
    await cluster.client.patch(NODES, node, {"metadata": {"labels": {"here": "yes"}}})
    for name, seconds in tolerations.items():
        body = tolerant(name, seconds)
        body["spec"]["nodeSelector"] = {"here": "yes"}
        await cluster.create(body)

    async def run() -> bool:
        return all(map(pods.is_ready, await cluster.list(PODS)))

    await cluster.until(run)
    return node


async def taint(cluster: SimulatedCluster, node: str, *taints: Object) -> None:
    await cluster.client.patch(NODES, node, {"spec": {"taints": list(taints)}})


EVICT = {"key": KEY, "value": VALUE, "effect": "NoExecute"}


@pytest.mark.conformance(
    TAINTS + "Single Pod [Serial] removing taint cancels eviction [Disruptive] [Conformance]"
)
async def test_a_taint_that_goes_in_time_evicts_nobody(cluster: SimulatedCluster) -> None:
    node = await start(cluster, stays=135)
    await taint(cluster, node, EVICT)

    async def stays() -> bool:
        return not meta.is_terminating(await cluster.get(PODS, "stays"))

    await cluster.holds(stays, seconds=60)
    await taint(cluster, node)
    await cluster.holds(stays, seconds=600)


@pytest.mark.conformance(
    TAINTS + "Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive] [Conformance]"
)
async def test_a_taint_evicts_each_pod_after_its_time(cluster: SimulatedCluster) -> None:
    node = await start(cluster, soon=10, later=75)
    begun = cluster.now()
    await taint(cluster, node, EVICT)
    for name, seconds in (("soon", 10), ("later", 75)):
        await cluster.until(lambda name=name: cluster.is_gone(PODS, name))
        assert seconds <= (cluster.now() - begun).total_seconds() < seconds + 1


async def test_a_pod_that_a_taint_evicts_says_so(cluster: SimulatedCluster) -> None:
    """It is held by a finalizer, because it would be gone in the same moment."""
    node = await start(cluster, held=10)
    await cluster.client.patch(PODS, "held", {"metadata": {"finalizers": ["example.com/hold"]}}, "default")
    await taint(cluster, node, EVICT)

    async def disruption() -> Object | None:
        pod = await cluster.get(PODS, "held")
        return meta.find_condition(pod, "DisruptionTarget") if meta.is_terminating(pod) else None

    condition = await cluster.until(disruption)
    assert (condition["status"], condition["reason"]) == ("True", "DeletionByTaintManager")
    assert condition["message"] == "Taint manager: deleting due to NoExecute taint"
