"""Why objects went: who asked for it, and through which owners it reached them; and other kinds of objects that are traced."""

from pathlib import Path
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.component.trace_page import show
from pinnace.insight.ending import why_gone
from pinnace.insight.recording import Asked
from pinnace.insight.spans import Node, trees, walk
from pinnace.insight.trace import Told, trace
from pinnace.testing.simulated_cluster import SimulatedCluster
from unit.insight.recorded import Recorded

Object = dict[str, Any]
KINDS = {"pods": "Pod", "deployments.apps": "Deployment", "configmaps": "ConfigMap"}


class Record(Recorded):
    """The cluster as the command line sees it: the record, and none of the objects."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        super().__init__([])
        self._cluster = cluster

    def spans(self, about: tuple[str, str, str], uids: list[str], node: str = "") -> Object | None:
        assert self._cluster.tracer is not None
        if node:
            return None
        query = dict(zip(("resource", "namespace", "name"), about, strict=True)) | {"uid": ",".join(uids)}
        found: Object | None = show(self._cluster.tracer, ("trace",), query)
        return found


def gone(cluster: SimulatedCluster, resource: str, name: str, uid: str = "") -> Told:
    question = Asked(resource, KINDS.get(resource, ""), "default", name, uid)
    return trace([], Record(cluster), 0.0, ValueError, [question])


def workload(kind: str = "Deployment", replicas: int = 2, **spec: Any) -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    return {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }  # fmt: skip


async def no_pods(cluster: SimulatedCluster) -> bool:
    return not await cluster.list(r.PODS)


async def test_a_pod_went_with_its_deployment_and_the_chain_is_told(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    await cluster.create(workload())
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    name = (await cluster.list(r.PODS))[0]["metadata"]["name"]
    [replica_set] = await cluster.list(r.REPLICA_SETS)
    await cluster.client.acting_as("jane", ("system:masters",)).delete(r.DEPLOYMENTS, "web", "default")
    await cluster.until(lambda: no_pods(cluster))
    told = gone(cluster, "pods", name)
    lines = [line.partition("Z  ")[2] for line in told.endings[f"pod/{name}"]]
    owner = f"replicaset/{replica_set['metadata']['name']}"
    assert lines == [
        "jane deleted deployment/web",
        f"garbage-collector controller deleted {owner}: its owner deployment/web is gone",
        f"garbage-collector controller deleted pod/{name}: its owner {owner} is gone",
    ]
    assert told.as_text().startswith(f"Why pod/{name} went:\n")
    assert told.as_json().count('"endings"') == 1


async def test_in_the_foreground_owners_wait_and_that_is_told(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(replicas=1))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.client.delete(r.DEPLOYMENTS, "web", "default", propagation_policy="Foreground")

    async def is_gone() -> bool:
        return not await cluster.list(r.DEPLOYMENTS)

    await cluster.until(is_gone)
    reasons = [
        node.facts["why"]
        for _, node in walk(gone(cluster, "deployments.apps", "web").roots)
        if "why" in node.facts
    ]
    assert "its owner deployment/web is deleted in the foreground" in reasons
    assert "what it owned is gone" in reasons


async def test_of_two_with_one_name_the_last_is_told_and_the_other_by_its_uid(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    uids = []
    for data in ("one", "two"):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": data}}
        uids.append((await cluster.create(body))["metadata"]["uid"])
        await cluster.client.delete(r.CONFIG_MAPS, "c", "default")
    last = gone(cluster, "configmaps", "c")
    assert {node.uid for _, node in walk(last.roots)} == {uids[1]}
    assert f"An earlier configmap/c had the uid {uids[0]}: --uid {uids[0]} tells of it." in last.notes
    first = gone(cluster, "", "", uids[0])
    assert {node.uid for _, node in walk(first.roots)} == {uids[0]}
    assert list(first.endings) == ["configmap/c"]


async def test_an_evicted_pod(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(replicas=1))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    name = (await cluster.list(r.PODS))[0]["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await cluster.client.create(r.PODS, body, "default", name=name, subresource="eviction")

    async def is_gone() -> bool:
        return name not in [one["metadata"]["name"] for one in await cluster.list(r.PODS)]

    await cluster.until(is_gone)
    [why] = gone(cluster, "pods", name).endings[f"pod/{name}"]
    assert why.endswith(f"kubernetes-admin evicted pod/{name}")


async def test_everything_in_a_namespace_goes_with_it(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.client.create(
        r.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    )
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}}
    uid = (await cluster.client.create(r.CONFIG_MAPS, body, "shop"))["metadata"]["uid"]
    await cluster.client.acting_as("jane", ("system:masters",)).delete(r.NAMESPACES, "shop")

    async def is_gone() -> bool:
        return all(
            one["metadata"]["name"] != "shop" for one in (await cluster.client.list(r.NAMESPACES))["items"]
        )

    await cluster.until(is_gone)
    told = gone(cluster, "configmaps", "c", uid)
    why = next(iter(told.endings.values()))
    assert why[0].endswith("jane deleted namespace/shop")
    assert "namespace controller deleted all configmaps" in why[-1]


async def test_who_was_refused_and_why(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    with pytest.raises(errors.Invalid):
        await cluster.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"/": "x"}}
        )
    [span] = [node for _, node in walk(gone(cluster, "configmaps", "c").roots)]
    assert (span.facts["user"], span.facts["code"]) == ("kubernetes-admin", 422)
    assert "data[/]" in span.facts["error"]


async def test_later_changes_follow_in_sections(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(replicas=1))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.advance(120)
    scale = {"spec": {"replicas": 2}}
    await cluster.client.patch(r.DEPLOYMENTS, "web", scale, "default", subresource="scale")
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    told = gone(cluster, "deployments.apps", "web")
    lines = told.as_text().splitlines()
    heads = [line for line in lines if "TOOK" in line]
    assert len(heads) == 2
    changed = next(line for line in lines if "patch deployment/web (scale)" in line)
    assert changed.split()[0] == "+0.0"
    assert told.as_svg("t").count("since 2026-") == 2


async def traced(cluster: SimulatedCluster, resource: str, name: str) -> list[Node]:
    found = Record(cluster).spans((resource, "default", name), [])
    assert found is not None
    return [node for _, node in walk(trees(found["spans"]))]


@pytest.mark.parametrize(
    ("body", "resource", "parts"),
    [
        (workload("StatefulSet", serviceName="web"), "statefulsets.apps", {"statefulset"}),
        (workload("ReplicaSet"), "replicasets.apps", {"replicaset"}),
        ({**workload("DaemonSet"), "spec": {k: v for k, v in workload()["spec"].items() if k != "replicas"}},
         "daemonsets.apps", {"daemonset"}),
        ({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"}, "spec": {"template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}}, "jobs.batch", {"job"}),
        ({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"}, "spec": {"schedule": "* * * * *", "jobTemplate": {
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}}}},
         "cronjobs.batch", {"cronjob", "job"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_workloads_down_to_the_node(
    simulated_cluster: SimulatedCluster, body: Object, resource: str, parts: set[str]
) -> None:
    cluster = simulated_cluster
    await cluster.create(body)

    async def runs() -> set[str]:
        found = {
            node.part
            for node in await traced(cluster, resource, "web")
            if node.name != "reconcile" or node.children
        }
        return found if {"kubelet", "default-scheduler", *parts} <= found else set()

    assert await cluster.until(runs)


async def test_a_custom_resource(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "ships.sea.example"},
        "spec": {"group": "sea.example", "scope": "Namespaced", "names": {"plural": "ships", "singular": "ship", "kind": "Ship"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]},
    }  # fmt: skip
    await cluster.client.create(r.CUSTOM_RESOURCE_DEFINITIONS, definition)
    ships = GVR("sea.example", "v1", "ships")
    body = {"apiVersion": "sea.example/v1", "kind": "Ship", "metadata": {"name": "a"}}

    async def is_made() -> bool:
        try:
            await cluster.client.create(ships, body, "default")
        except errors.StatusError:
            return False
        return True

    await cluster.until(is_made)
    await cluster.client.delete(ships, "a", "default")
    found = await traced(cluster, "ships.sea.example", "a")
    assert [node.name for node in found if not node.facts.get("error")] == ["create", "delete"]
    assert why_gone(found, "", "ships/a")[-1].endswith("kubernetes-admin deleted ships/a")


async def test_after_a_restart_the_record_is_empty_and_says_since_when(tmp_path: Path) -> None:
    async with SimulatedCluster(tmp_path) as cluster:
        told = gone(cluster, "configmaps", "never")
        assert told.is_empty
        assert cluster.tracer is not None
        since = f"{cluster.tracer.since:%Y-%m-%d %H:%M:%S.000Z}"
        assert told.notes[-1] == f"The record began {since} with the server."
