"""What a cluster records of an object's life: the parts in one process, tied together by revisions and without annotations."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from integration.conftest import Kubectl
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.insight.spans import Node, trees, walk
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.simulated_cluster import SimulatedCluster

PAGE = "/debug/pinnace/trace"
Object = dict[str, Any]


def deployment(replicas: int = 2, **pod: Any) -> Object:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "x"}], **pod},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


async def told(cluster: SimulatedCluster, resource: str, name: str) -> list[Node]:
    page = await cluster.client.raw(
        "GET", PAGE, query={"resource": resource, "namespace": "default", "name": name}
    )
    return trees(page["spans"])


def chain(node: Node | None) -> list[str]:
    """From the first cause to this span."""
    found: list[str] = []
    while node is not None:
        found.append(f"{node.part} {node.name} {node.about.partition('/')[0]}")
        node = node.parent
    return found[::-1]


async def test_the_life_of_a_deployment_from_request_to_ready_pods(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    await cluster.advance(10)  # the start of the cluster was examined, and now there is time for more
    await cluster.create(deployment())
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    [root] = await told(cluster, "deployments.apps", "web")
    every = [node for _, node in walk([root])]
    last = [
        node
        for node in every
        if node.part == "apiserver" and node.name == "patch" and node.about.startswith("pod/")
    ]
    assert len({node.about for node in last}) == 2
    for written in last:
        assert chain(written) == [
            "apiserver create deployment", "deployment reconcile deployment", "apiserver create replicaset",
            "replicaset reconcile replicaset", "apiserver create pod", "default-scheduler schedule pod",
            "apiserver create pod", "kubelet simulated pod", "apiserver patch pod",
        ]  # fmt: skip
    assert root.facts["user"] == "kubernetes-admin"
    assert {node.trace for node in every} == {root.trace}
    for node in every:
        assert node.end is not None
        assert node.end >= node.start
        assert node.parent is None or node.start >= node.parent.start
    scheduled = next(node for node in every if node.name == "schedule")
    assert (scheduled.facts["attempt"], scheduled.facts["nodes"]) == (1, 2)
    created = next(node for node in every if node.name == "create" and node.about.startswith("pod/"))
    changes = {one["by"]: one["fields"] for one in created.facts["admissionChanges"]}
    assert "spec.serviceAccountName" in changes["ServiceAccount"]


async def test_a_pod_has_its_owners_but_not_its_siblings(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(deployment())
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    one, other = [pod["metadata"]["name"] for pod in await cluster.list(r.PODS)]
    [root] = await told(cluster, "pods", one)
    abouts = {node.about for _, node in walk([root])}
    assert root.about == "deployment/web"
    assert f"pod/{one}" in abouts
    assert f"pod/{other}" not in abouts


async def test_each_attempt_to_schedule_is_told(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(deployment(1, nodeSelector={"disk": "fast"}))
    await cluster.until(lambda: cluster.clock.monotonic() > 0)
    await cluster.advance(1)
    await cluster.client.patch(r.NODES, cluster.nodes.names[0], {"metadata": {"labels": {"disk": "fast"}}})
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    [pod] = await cluster.list(r.PODS)
    attempts = [
        node
        for _, node in walk(await told(cluster, "pods", pod["metadata"]["name"]))
        if node.name == "schedule"
    ]
    assert [bool(node.facts["node"]) for node in attempts] == [False, True]
    assert attempts[0].facts["rejectedBy"] == {"NodeAffinity": 2}


async def test_a_failure_of_a_controller_is_told(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    await cluster.create(quota)

    async def is_counted() -> bool:
        return bool((await cluster.get(r.RESOURCE_QUOTAS, "none")).get("status", {}).get("hard"))

    await cluster.until(is_counted)
    await cluster.create(deployment(1))

    async def refused() -> list[Node]:
        spans = [node for _, node in walk(await told(cluster, "deployments.apps", "web"))]
        return [node for node in spans if node.name == "create" and node.facts.get("code") == 403]

    [first, *_] = await cluster.until(refused)
    assert "exceeded quota: none" in first.facts["error"]
    assert first.parent is not None
    assert "exceeded quota: none" in first.parent.facts["error"]


async def test_requests_over_https_with_who_from_where_and_how_long(api_server: ApiServerInProcess) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}
    trace_id, span_id = "1" * 32, "2" * 16
    headers = {"traceparent": f"00-{trace_id}-{span_id}-01", "User-Agent": "robot/7"}
    pair = api_server.authority.client("jane", ("system:masters",))
    async with aiohttp.ClientSession() as session:
        url = f"{api_server.url}/api/v1/namespaces/default/configmaps"
        async with session.post(url, json=config_map, headers=headers, ssl=api_server.tls(pair)) as answer:
            made = await answer.json()
    client = api_server.local_client()
    page = await client.raw("GET", PAGE, query={"uid": made["metadata"]["uid"]})
    [span] = page["spans"]
    assert (span["traceID"], span["parentSpanID"], span["object"]) == (
        trace_id,
        span_id,
        made["metadata"]["name"],
    )
    facts = span["facts"]
    assert (facts["user"], facts["userAgent"], facts["code"]) == ("jane", "robot/7", 201)
    assert facts["sourceIP"]
    assert facts["revision"] == made["metadata"]["resourceVersion"]
    assert {"authentication", "authorization", "admission", "store"} <= facts["milliseconds"].keys()


async def test_refused_requests_are_told_and_reads_and_leases_are_not(
    api_server: ApiServerInProcess, kubectl: Kubectl
) -> None:
    tracer = api_server.server.services.tracer
    assert tracer is not None
    jane = api_server.rest_client("jane", ())
    with pytest.raises(errors.Forbidden):
        await jane.create(r.CONFIG_MAPS, {"metadata": {"name": "x"}}, "default")
    with pytest.raises(errors.Forbidden):
        await jane.list(r.CONFIG_MAPS, "default")
    client = api_server.local_client()
    await client.create(
        r.LEASES,
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}},
        "default",
    )
    spans = [span for span in tracer.spans() if span.told().get("user") == "jane"]
    assert [(span.name, span.told()["code"]) for span in spans] == [("create", 403)]
    assert "cannot create resource" in spans[0].told()["error"]
    assert not any(span.about.resource.startswith("leases") for span in tracer.spans())


async def test_only_who_may_read_the_page_reads_it(api_server: ApiServerInProcess, kubectl: Kubectl) -> None:
    with pytest.raises(errors.Forbidden):
        await api_server.local_client("jane", ()).raw("GET", PAGE)
    shown = json.loads((await kubectl("get", "--raw", f"{PAGE}?limit=1")).out)
    assert "spans" in shown


async def test_recording_can_be_off(tmp_path: Path) -> None:
    async with SimulatedCluster(tmp_path, trace_buffer_bytes=0) as cluster:
        await cluster.create(deployment())
        await cluster.until(lambda: cluster.is_rolled_out("web"))
        with pytest.raises(errors.StatusError) as error:
            await cluster.client.raw("GET", PAGE)
        assert error.value.code == 404
