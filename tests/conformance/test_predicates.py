"""test/e2e/scheduling/predicates.go, and what test/e2e/common/node/runtimeclass.go says of scheduling: where a pod may go."""

from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import EVENTS, NODES, PODS
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
PREDICATES = "[sig-scheduling] SchedulerPredicates [Serial] validates "
RUNTIME_CLASS = "[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass "
C = " [Conformance]"
CPUS = 32  # of a simulated node


def pause(name: str, cpu: str = "", ports: tuple[Object, ...] = (), **spec: Any) -> Object:
    amounts = {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}} if cpu else {}
    container = {"name": "pause", "image": "pause", "resources": amounts, "ports": list(ports)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


async def scheduled(cluster: SimulatedCluster, body: Object) -> Object:
    await cluster.create(body)
    return await placed(cluster, meta.name(body))


async def placed(cluster: SimulatedCluster, name: str) -> Object:
    async def runs() -> Object | None:
        found = await cluster.get(PODS, name)
        return found if pods.is_ready(found) else None

    pod: Object = await cluster.until(runs)
    return pod


async def stays_pending(cluster: SimulatedCluster, name: str, why: str) -> None:
    """The scheduler says why, in the condition and in an event, and minutes later it is still so."""

    async def waits() -> bool:
        pod = await cluster.get(PODS, name)
        condition = meta.find_condition(pod, "PodScheduled") or {}
        return (
            not pods.node_name(pod)
            and (condition.get("status"), condition.get("reason")) == ("False", "Unschedulable")
            and why in condition["message"]
        )

    await cluster.until(waits)
    await cluster.holds(waits, seconds=600)
    told = [e for e in await cluster.list(EVENTS) if e["involvedObject"]["name"] == name]
    assert {event["reason"] for event in told} == {"FailedScheduling"}
    assert why in told[0]["message"]


async def label(cluster: SimulatedCluster, node: str, **labels: str | None) -> None:
    await cluster.client.patch(NODES, node, {"metadata": {"labels": labels}})


@pytest.mark.conformance(PREDICATES + "resource limits of pods that are allowed to run" + C)
async def test_a_pod_that_is_larger_than_what_is_left_waits(cluster: SimulatedCluster) -> None:
    """Seven tenths of every node are taken, so that half a node fits nowhere."""
    for node in cluster.nodes.names:
        await label(cluster, node, filled=node)
        filler = await scheduled(
            cluster, pause(f"filler-{node}", f"{CPUS * 700}m", nodeSelector={"filled": node})
        )
        assert pods.node_name(filler) == node
    await cluster.create(pause("additional", f"{CPUS * 500}m"))
    await stays_pending(cluster, "additional", "Insufficient cpu")
    await cluster.client.delete(PODS, f"filler-{cluster.nodes.names[0]}", "default")
    assert pods.node_name(await placed(cluster, "additional")) == cluster.nodes.names[0]


@pytest.mark.conformance(PREDICATES + "that NodeSelector is respected if matching" + C)
async def test_a_selector_that_matches(cluster: SimulatedCluster) -> None:
    for number, node in enumerate(cluster.nodes.names):  # each in turn, so that no default could be right
        await label(cluster, node, suite="42")
        pod = await scheduled(cluster, pause(f"with-labels-{number}", nodeSelector={"suite": "42"}))
        assert pods.node_name(pod) == node
        await label(cluster, node, suite=None)


@pytest.mark.conformance(PREDICATES + "that NodeSelector is respected if not matching" + C)
async def test_a_selector_that_does_not_match(cluster: SimulatedCluster) -> None:
    await cluster.create(pause("restricted", nodeSelector={"label": "nonempty"}))
    await stays_pending(cluster, "restricted", "node(s) didn't match Pod's node affinity/selector")


@pytest.mark.conformance(
    PREDICATES
    + "that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP"
    + C
)
async def test_a_host_port_on_all_addresses_is_taken_on_each(cluster: SimulatedCluster) -> None:
    node = cluster.nodes.names[1]
    await label(cluster, node, suite="95")
    status = (await cluster.get(NODES, node))["status"]
    address = next(a["address"] for a in status["addresses"] if a["type"] == "InternalIP")

    def with_port(name: str, **more: str) -> Object:
        port = {"containerPort": 8080, "hostPort": 54322, "protocol": "TCP", **more}
        return pause(name, ports=(port,), nodeSelector={"suite": "95"})

    assert pods.node_name(await scheduled(cluster, with_port("pod4"))) == node
    await cluster.create(with_port("pod5", hostIP=address))
    await stays_pending(cluster, "pod5", "node(s) didn't have free ports for the requested pod ports")
    await scheduled(cluster, with_port("other-protocol", hostIP=address, protocol="UDP"))
    await cluster.client.delete(PODS, "pod4", "default")
    assert pods.node_name(await placed(cluster, "pod5")) == node


async def with_class(cluster: SimulatedCluster, cpu: str = "", **runtime_class: Any) -> Object:
    made = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "boxed"}}
    await cluster.create({**made, "handler": "x", **runtime_class})
    return await scheduled(cluster, pause("in-class", cpu, runtimeClassName="boxed"))


@pytest.mark.conformance(RUNTIME_CLASS + "without PodOverhead [NodeConformance]" + C)
async def test_a_runtime_class_says_where_its_handler_is(cluster: SimulatedCluster) -> None:
    for node in cluster.nodes.names[1:]:
        await label(cluster, node, box="yes")
    pod = await with_class(cluster, scheduling={"nodeSelector": {"box": "yes"}})
    assert pods.node_name(pod) in cluster.nodes.names[1:]
    assert "overhead" not in pod["spec"]


@pytest.mark.conformance(RUNTIME_CLASS + "and initialize its Overhead [NodeConformance]" + C)
async def test_the_overhead_of_a_runtime_class_takes_room(cluster: SimulatedCluster) -> None:
    """With it the pod fits beside nothing else, without it a second one would fit."""
    overhead = {"cpu": f"{CPUS * 300}m", "memory": "1Mi"}
    pod = await with_class(cluster, f"{CPUS * 300}m", overhead={"podFixed": overhead})
    assert pod["spec"]["overhead"] == overhead
    other = await scheduled(cluster, pause("second", f"{CPUS * 300}m", runtimeClassName="boxed"))
    assert pods.node_name(other) != pods.node_name(pod)
    await cluster.create(pause("third", f"{CPUS * 300}m", runtimeClassName="boxed"))
    await stays_pending(cluster, "third", "Insufficient cpu")
