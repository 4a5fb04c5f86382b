"""`pinnace why` about pods that fit nowhere: what it computes is what the scheduler does, and what it proposes makes them fit."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.testing.simulated_cluster import SimulatedCluster
from why_scenes import Asked, bound_to, container, named, pod, unscheduled, workload

TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
ZONE = "topology.kubernetes.io/zone"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[SimulatedCluster, None]:
    """Nodes sim-0 in zone a, sim-1 in zone b; 32 CPUs and 256 GiB each."""
    async with SimulatedCluster(tmp_path / "pki", zones=("a", "b")) as made:
        yield made


@pytest.fixture
def asked(cluster: SimulatedCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asked:  # fmt: skip
    return Asked(cluster, tmp_path / "cache", capsys, monkeypatch)


async def node_names(cluster: SimulatedCluster) -> dict[str, str]:
    """By zone."""
    return {one["metadata"]["labels"][ZONE]: one["metadata"]["name"] for one in await cluster.list(r.NODES)}


def affinity(which: str, key: str, **labels: str) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": labels}}
    return {which: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


async def test_the_smallest_of_several_changes_is_named_and_makes_it_fit(
    cluster: SimulatedCluster, asked: Asked
) -> None:
    nodes = await node_names(cluster)
    await cluster.client.patch(r.NODES, nodes["a"], {"spec": {"taints": [TAINT]}})
    await cluster.client.patch(r.NODES, nodes["b"], {"spec": {"unschedulable": True}, "metadata": {"labels": {"disk": "hdd"}}})  # fmt: skip
    await cluster.create(workload(containers=[container(requests={"cpu": "33"})], nodeSelector={"disk": "ssd"}))  # fmt: skip
    await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    first = told.findings[0]
    assert first["rule"] == "unschedulable"
    assert first["cause"] == (
        f"several things keep it off every node; the least that would do: it fits on {nodes['a']} if the taint dedicated=db:NoSchedule "
        "is tolerated and the node is labelled disk=ssd and its cpu request is at most 32"
    )
    assert f"it fits on {nodes['b']} if the node is uncordoned and the node is labelled disk=ssd" in told.seen("unschedulable")  # fmt: skip
    assert f"kubectl label node {nodes['a']} disk=ssd" in first["commands"]
    await cluster.client.patch(
        r.NODES, nodes["a"], {"metadata": {"labels": {"disk": "ssd"}}, "spec": {"taints": None}}
    )
    changed = {"spec": {"template": {"spec": {"containers": [container(requests={"cpu": "32"})]}}}}
    await cluster.client.patch(r.DEPLOYMENTS, "web", changed, "default")
    await cluster.until(lambda: _runs_on(cluster, nodes["a"]))


async def _runs_on(cluster: SimulatedCluster, node: str) -> bool:
    return await cluster.is_rolled_out("web") and await bound_to(cluster, "web") == [node]


async def test_pods_that_keep_it_away_are_named(cluster: SimulatedCluster, asked: Asked) -> None:
    anti = affinity("podAntiAffinity", "kubernetes.io/hostname", app="web")
    await cluster.create(workload(replicas=3, affinity=anti))
    (pending,) = await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    cause = told.cause("unschedulable")
    assert "spec.affinity.podAntiAffinity keeps it away from pods" in cause
    assert "its podAntiAffinity (app=web) keeps it away from pod default/web-" in cause
    others = [one["metadata"]["name"] for one in await cluster.list(r.PODS) if one["spec"].get("nodeName")]
    seen = told.seen("unschedulable")
    assert len(others) == 2
    assert all(f"if pod default/{name} leaves the node" in seen for name in others)
    assert pending["metadata"]["name"] not in seen.split("what if")[1]


async def test_the_anti_affinity_of_others(cluster: SimulatedCluster, asked: Asked) -> None:
    await cluster.create(workload("Deployment", "alone", 2, affinity={
        **affinity("podAntiAffinity", ZONE, app="web"),
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
    }, topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "alone"}}}]))  # fmt: skip
    await cluster.until(lambda: cluster.is_rolled_out("alone"))
    await cluster.create(workload())
    await cluster.until(lambda: unscheduled(cluster, "web"))
    cause = (await asked("deploy/web")).cause("unschedulable")
    assert "the podAntiAffinity of others keeps it away: pod default/alone-" in cause
    assert f"in {ZONE}=" in cause


async def test_company_that_is_not_there_or_elsewhere(cluster: SimulatedCluster, asked: Asked) -> None:
    nodes = await node_names(cluster)
    await cluster.create(workload(affinity=affinity("podAffinity", ZONE, app="cache")))
    await cluster.until(lambda: unscheduled(cluster, "web"))
    cause = (await asked("deploy/web")).cause("unschedulable")
    assert "its podAffinity wants a pod with app=cache in topology.kubernetes.io/zone=" in cause
    assert "no such pod runs anywhere" in cause
    await cluster.create(workload(name="cache", nodeName=nodes["a"]))
    await cluster.client.patch(r.NODES, nodes["a"], {"spec": {"unschedulable": True}})
    await cluster.create(workload(name="db", affinity=affinity("podAffinity", ZONE, app="cache")))
    await cluster.until(lambda: cluster.is_rolled_out("cache"))
    await cluster.until(lambda: unscheduled(cluster, "db"))
    told = await asked("deploy/db")
    assert "such pods are in a (cache-" in told.seen("unschedulable")
    assert f"it fits on {nodes['a']} if the node is uncordoned" in told.seen("unschedulable")
    await cluster.client.patch(r.NODES, nodes["a"], {"spec": {"unschedulable": False}})
    assert await cluster.until(lambda: bound_to(cluster, "db")) == [nodes["a"]]


async def test_a_topology_spread_with_its_numbers(cluster: SimulatedCluster, asked: Asked) -> None:
    nodes = await node_names(cluster)
    spread = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}  # fmt: skip
    await cluster.client.patch(r.NODES, nodes["b"], {"spec": {"taints": [TAINT]}})
    await cluster.create(workload(replicas=2, topologySpreadConstraints=[spread]))
    await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    seen = told.seen("unschedulable")
    assert (
        f"topology spread over {ZONE}: a has 1 pods with app=web, b has 0; one more makes a skew of 2, maxSkew is 1"
        in seen
    )
    assert f"it fits on {nodes['b']} if the taint dedicated=db:NoSchedule is tolerated" in seen
    assert f"it fits on {nodes['a']} if maxSkew over {ZONE} is at least 2" in seen
    changed = {"spec": {
        "strategy": {"type": "Recreate", "rollingUpdate": None},  # else the old pods are counted, too
        "template": {"spec": {"topologySpreadConstraints": [{**spread, "maxSkew": 2}]}},
    }}  # fmt: skip
    await cluster.client.patch(r.DEPLOYMENTS, "web", changed, "default")
    await cluster.until(lambda: cluster.is_rolled_out("web"))


async def test_host_ports_and_the_pod_that_has_them(cluster: SimulatedCluster, asked: Asked) -> None:
    ports = [container(ports=[{"containerPort": 80, "hostPort": 8080}])]
    await cluster.create(workload(name="first", replicas=2, containers=ports))
    await cluster.until(lambda: cluster.is_rolled_out("first"))
    await cluster.create(workload(containers=ports))
    await cluster.until(lambda: unscheduled(cluster, "web"))
    cause = (await asked("deploy/web")).cause("unschedulable")
    assert "host port 8080/TCP of sim-0 is taken by pod default/first-" in cause


async def test_a_volume_that_is_elsewhere(cluster: SimulatedCluster, asked: Asked) -> None:
    nodes = await node_names(cluster)
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [nodes["a"]]}
    await cluster.create(named("PersistentVolume", "disk", spec={
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": "/x"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}}}))  # fmt: skip
    await cluster.create(named("PersistentVolumeClaim", "data", spec={
        "storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}))  # fmt: skip
    await cluster.until(lambda: _is_bound(cluster, "data"))
    await cluster.create(workload(nodeSelector={ZONE: "b"}, volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]))  # fmt: skip
    await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    assert (
        f"volume disk (claim data) can only be reached from nodes with kubernetes.io/hostname In ({nodes['a']})"
        in told.cause("unschedulable")
    )
    assert f"it fits on {nodes['a']} if the node is labelled {ZONE}=b" in told.seen("unschedulable")


async def _is_bound(cluster: SimulatedCluster, name: str) -> bool:
    claim = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, name)
    return bool((claim.get("status") or {}).get("phase") == "Bound")


async def test_an_affinity_term_that_nearly_holds(cluster: SimulatedCluster, asked: Asked) -> None:
    nodes = await node_names(cluster)
    await cluster.client.patch(r.NODES, nodes["b"], {"metadata": {"labels": {"disk": "ssd"}}})
    terms = [
        {"matchExpressions": [{"key": "gpu", "operator": "Exists"}, {"key": "cpus", "operator": "Gt", "values": ["64"]}]},
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}, {"key": ZONE, "operator": "In", "values": ["c", "d"]}]},
    ]  # fmt: skip
    required = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    await cluster.create(workload(affinity=required))
    await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    assert f"it fits on {nodes['b']} if the node has a label with {ZONE} In (c, d)" in told.seen(
        "unschedulable"
    )
    assert f"nodeAffinity wants {ZONE} In (c, d) (term 2 of 2, the nearest), and {nodes['b']} has {ZONE}=b" in told.cause("unschedulable")  # fmt: skip
    assert told.finding("unschedulable")["commands"][0] == f"kubectl label node {nodes['b']} {ZONE}=c --overwrite"  # fmt: skip
    await cluster.client.patch(r.NODES, nodes["b"], {"metadata": {"labels": {ZONE: "c"}}})
    assert await cluster.until(lambda: bound_to(cluster, "web")) == [nodes["b"]]


async def test_what_would_fit_is_said_of_pods_that_wait_for_room(
    cluster: SimulatedCluster, asked: Asked
) -> None:
    """As many pods as the node takes; then the number that fits is the number that makes it fit."""
    nodes = await node_names(cluster)
    await cluster.client.patch(r.NODES, nodes["b"], {"spec": {"unschedulable": True}})
    await cluster.create(workload(name="first", containers=[container(requests={"cpu": "31700m"})]))
    await cluster.until(lambda: cluster.is_rolled_out("first"))
    await cluster.create(workload(containers=[container(requests={"cpu": "1"})]))
    await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    assert f"it fits on {nodes['a']} if its cpu request is at most 300m" in told.seen("unschedulable")
    assert "kubectl set resources deployment web -n default --requests=cpu=300m" in told.finding("unschedulable")["commands"]  # fmt: skip
    changed = {"spec": {"template": {"spec": {"containers": [container(requests={"cpu": "300m"})]}}}}
    await cluster.client.patch(r.DEPLOYMENTS, "web", changed, "default")
    await cluster.until(lambda: _runs_on(cluster, nodes["a"]))


async def placed(cluster: SimulatedCluster, asked: Asked, app: str, *, done: str = "") -> list[str]:
    """Types what is proposed and contains `done`, and waits for the node."""
    findings = (await asked(f"deploy/{app}")).findings
    first = next(one for one in findings if one["rule"] == "unschedulable" and done in str(one["commands"]))
    steps = [
        step["command"] for step in first["steps"] if step["does"] == "change" and done in step["command"]
    ]
    assert steps, first
    for step in steps:
        assert (await asked.run(step)).code == 0, step
    found: list[str] = await cluster.until(lambda: bound_to(cluster, app))
    await cluster.client.delete(r.DEPLOYMENTS, app, "default")
    await cluster.until(lambda: cluster.is_gone(r.DEPLOYMENTS, app))
    return found


async def test_what_is_typed_as_proposed_places_the_pod(cluster: SimulatedCluster, asked: Asked) -> None:
    """One obstacle after the other, each taken away by the command that is printed."""
    nodes = await node_names(cluster)
    await cluster.client.patch(r.NODES, nodes["b"], {"spec": {"taints": [{**TAINT, "key": "b"}]}})
    await cluster.client.patch(r.NODES, nodes["a"], {"spec": {"taints": [TAINT]}})
    await cluster.create(workload(name="taint", nodeSelector={ZONE: "a"}))
    await cluster.until(lambda: unscheduled(cluster, "taint"))
    assert await placed(cluster, asked, "taint") == [nodes["a"]]
    await cluster.client.patch(r.NODES, nodes["a"], {"spec": {"unschedulable": True}})
    await cluster.create(workload(name="cordon"))
    await cluster.until(lambda: unscheduled(cluster, "cordon"))
    assert await placed(cluster, asked, "cordon", done="uncordon") == [nodes["a"]]
    await cluster.create(
        workload(name="label", nodeSelector={"disk": "ssd"}, tolerations=[{"operator": "Exists"}])
    )
    await cluster.until(lambda: unscheduled(cluster, "label"))
    assert len(await placed(cluster, asked, "label")) == 1
    await cluster.create(workload(name="large", containers=[container(requests={"cpu": "40"})]))
    await cluster.until(lambda: unscheduled(cluster, "large"))
    assert await placed(cluster, asked, "large", done="set resources") == [nodes["a"]]


async def test_pods_that_are_named_leave_and_make_room(cluster: SimulatedCluster, asked: Asked) -> None:
    """Host ports, both kinds of anti-affinity, the number of pods: whoever is named as in the way is deleted."""
    nodes = await node_names(cluster)
    await cluster.client.patch(r.NODES, nodes["b"], {"spec": {"unschedulable": True}})
    ports = [container(ports=[{"containerPort": 80, "hostPort": 8080}])]
    apart = affinity("podAntiAffinity", "kubernetes.io/hostname", app="lone")
    for first, second in (
        (pod("p1", containers=ports), workload(name="ports", containers=ports)),
        (pod("p2", labels={"app": "lone"}), workload(name="apart", affinity=apart)),
        (pod("p3", labels={"app": "x"}, affinity=affinity("podAntiAffinity", "kubernetes.io/hostname", app="shy")), workload(name="shy")),
    ):  # fmt: skip
        await cluster.create(first)
        await cluster.until(lambda name=first["metadata"]["name"]: _has_node(cluster, name))
        name, app = first["metadata"]["name"], second["metadata"]["name"]
        await cluster.create(second)
        await cluster.until(lambda app=app: unscheduled(cluster, app))
        assert f"it fits on {nodes['a']} if pod default/{name} leaves the node" in (
            await asked(f"deploy/{app}")
        ).seen("unschedulable")
        await cluster.client.delete(r.PODS, name, "default")
        assert await cluster.until(lambda app=app: bound_to(cluster, app)) == [nodes["a"]]


async def _has_node(cluster: SimulatedCluster, name: str) -> bool:
    return bool((await cluster.get(r.PODS, name))["spec"].get("nodeName"))


async def test_a_priority_that_makes_room(cluster: SimulatedCluster, asked: Asked) -> None:
    nodes = await node_names(cluster)
    await cluster.client.patch(r.NODES, nodes["b"], {"spec": {"unschedulable": True}})
    for name, value in (("low", 10), ("middle", 20), ("high", 30)):
        await cluster.create(named("PriorityClass", name, "scheduling.k8s.io/v1", value=value))
    await cluster.create(pod("small", priorityClassName="low", containers=[container(requests={"cpu": "4"})]))
    await cluster.create(
        pod("big", priorityClassName="middle", containers=[container(requests={"cpu": "27"})])
    )
    await cluster.until(lambda: _has_node(cluster, "big"))
    await cluster.create(workload(containers=[container(requests={"cpu": "5"})]))
    await cluster.until(lambda: unscheduled(cluster, "web"))
    told = await asked("deploy/web")
    assert (
        f"it takes the place of default/small on {nodes['a']} if its priority is at least 11 (priority class middle)"
        in told.seen("unschedulable")
    )
    assert await placed(cluster, asked, "web", done="middle") == [nodes["a"]]
    assert await cluster.is_gone(r.PODS, "small")
    assert not await cluster.is_gone(r.PODS, "big")


async def test_a_volume_and_a_claim_that_are_given(cluster: SimulatedCluster, asked: Asked) -> None:
    """The node is labelled as the volume wants it; a claim that was not there is made by the printed command."""
    nodes = await node_names(cluster)
    there = {"key": "disk", "operator": "In", "values": ["here"]}
    await cluster.create(named("PersistentVolume", "disk", spec={
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}}}))  # fmt: skip
    await cluster.create(pod("user", labels={"app": "user"}, volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]))  # fmt: skip
    await cluster.until(lambda: unscheduled(cluster, "user"))
    steps = (await asked("pod/user")).finding("claim-missing")["steps"]
    assert (await asked.run(steps[0]["command"], {"YOUR_SIZE": "1Gi"})).code == 0
    await cluster.until(lambda: _is_bound(cluster, "data"))
    await cluster.until(lambda: unscheduled(cluster, "user"))
    await cluster.advance(10)
    told = await asked("pod/user")
    assert "volume disk (claim data) can only be reached from nodes with disk In (here)" in told.seen("unschedulable") + told.cause("unschedulable")  # fmt: skip
    await cluster.client.patch(r.NODES, nodes["b"], {"metadata": {"labels": {"disk": "here"}}})
    assert await cluster.until(lambda: bound_to(cluster, "user")) == [nodes["b"]]
