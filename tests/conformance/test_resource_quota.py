"""test/e2e/apimachinery/resource_quota.go: what a quota counts, refuses and gives back."""

from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery import errors, quantity
from pinnace.apimachinery.gvk import GVR
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
QUOTA = "[sig-api-machinery] ResourceQuota should "
GPU = "example.com/dongle"
HARD = {
    "pods": "5",
    "services": "10",
    "services.nodeports": "1",
    "services.loadbalancers": "1",
    "replicationcontrollers": "10",
    "resourcequotas": "2",
    "secrets": "100",
    "configmaps": "10",
    "persistentvolumeclaims": "10",
    "requests.storage": "10Gi",
    "cpu": "1",
    "memory": "500Mi",
    "ephemeral-storage": "50Gi",
    "count/replicasets.apps": "5",
    f"requests.{GPU}": "3",
}


def quota(name: str = "quota", hard: dict[str, str] | None = None, **spec: Any) -> Object:
    return {
        "kind": "ResourceQuota",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hard": HARD if hard is None else hard, **spec},
    }


def pod(
    name: str, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **spec: Any
) -> Object:
    resources = {"requests": requests or {}, "limits": limits or {}}
    container = {"name": "pause", "image": "pause", "resources": resources}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "spec": {"containers": [container], **spec},
    }


async def has_used(cluster: SimulatedCluster, name: str, **expected: str) -> None:
    """Wait until the status has these numbers; `_` and `__` stand for what names of arguments cannot have."""

    async def there() -> bool:
        status = (await cluster.get(r.RESOURCE_QUOTAS, name)).get("status") or {}
        used = status.get("used") or {}
        assert expected.keys() <= used.keys(), used
        wrong = {k: used[k] for k, v in expected.items() if quantity.parse(used[k]) != quantity.parse(v)}
        assert not wrong, wrong
        return True

    await cluster.until(there, within=60)


async def life_of(
    cluster: SimulatedCluster, gvr: GVR, body: Object, used: dict[str, str], unused: dict[str, str]
) -> None:
    """The object is charged while it is there, and no longer."""
    await cluster.client.create(r.RESOURCE_QUOTAS, quota(), "default")
    await has_used(cluster, "quota", **unused)
    await cluster.client.create(gvr, body, "default")
    await has_used(cluster, "quota", **used)
    await cluster.client.delete(gvr, body["metadata"]["name"], "default", propagation_policy="Background")
    await has_used(cluster, "quota", **unused)


@pytest.mark.conformance(
    QUOTA + "create a ResourceQuota and ensure its status is promptly calculated. [Conformance]"
)
async def test_the_status_of_a_new_quota_is_calculated(cluster: SimulatedCluster) -> None:
    await cluster.client.create(r.RESOURCE_QUOTAS, quota(), "default")
    await has_used(
        cluster, "quota", pods="0", resourcequotas="1", cpu="0", services="1", **{"requests.storage": "0"}
    )
    status = (await cluster.client.get(r.RESOURCE_QUOTAS, "quota", "default"))["status"]
    assert status["hard"] == HARD
    assert status["used"].keys() == HARD.keys()


@pytest.mark.conformance(QUOTA + "create a ResourceQuota and capture the life of a configMap. [Conformance]")
async def test_config_maps_are_counted(cluster: SimulatedCluster) -> None:
    """One is there from the beginning: the certificates of the cluster."""
    body: Object = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
    await life_of(cluster, r.CONFIG_MAPS, body, {"configmaps": "2"}, {"configmaps": "1"})


@pytest.mark.conformance(QUOTA + "create a ResourceQuota and capture the life of a secret. [Conformance]")
async def test_secrets_are_counted(cluster: SimulatedCluster) -> None:
    body: Object = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}}
    await life_of(cluster, r.SECRETS, body, {"secrets": "1"}, {"secrets": "0"})


@pytest.mark.conformance(
    QUOTA + "create a ResourceQuota and capture the life of a replica set. [Conformance]"
)
async def test_replica_sets_are_counted(cluster: SimulatedCluster) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"name": "rs"}, "spec": spec}
    await life_of(
        cluster, r.REPLICA_SETS, body, {"count/replicasets.apps": "1"}, {"count/replicasets.apps": "0"}
    )


@pytest.mark.conformance(
    QUOTA + "create a ResourceQuota and capture the life of a replication controller. [Conformance]"
)
async def test_replication_controllers_are_counted(cluster: SimulatedCluster) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"replicas": 0, "selector": {"a": "b"}, "template": template}
    body = {"kind": "ReplicationController", "apiVersion": "v1", "metadata": {"name": "rc"}, "spec": spec}
    count = "replicationcontrollers"
    await life_of(cluster, r.REPLICATION_CONTROLLERS, body, {count: "1"}, {count: "0"})


@pytest.mark.conformance(QUOTA + "create a ResourceQuota and capture the life of a service. [Conformance]")
async def test_services_their_node_ports_and_balancers_are_counted(cluster: SimulatedCluster) -> None:
    def service(name: str, kind: str) -> Object:
        spec: Object = {"type": kind, "ports": [{"port": 80}]}
        if kind == "LoadBalancer":
            spec["allocateLoadBalancerNodePorts"] = False
        return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}

    await cluster.client.create(r.RESOURCE_QUOTAS, quota(), "default")
    await has_used(cluster, "quota", services="1")  # the service `kubernetes`
    await cluster.client.create(r.SERVICES, service("plain", "ClusterIP"), "default")
    await cluster.client.create(r.SERVICES, service("port", "NodePort"), "default")
    await has_used(
        cluster, "quota", services="3", **{"services.nodeports": "1", "services.loadbalancers": "0"}
    )
    with pytest.raises(errors.Forbidden, match=r"exceeded quota: quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1"):  # fmt: skip
        await cluster.client.create(r.SERVICES, service("port-2", "NodePort"), "default")
    await cluster.client.create(r.SERVICES, service("balanced", "LoadBalancer"), "default")
    with pytest.raises(errors.Forbidden, match=r"services.loadbalancers=1, used: services.loadbalancers=1"):
        await cluster.client.create(r.SERVICES, service("balanced-2", "LoadBalancer"), "default")
    with pytest.raises(errors.Forbidden, match="exceeded quota"):  # a change counts like a new one
        await cluster.client.patch(r.SERVICES, "plain", {"spec": {"type": "NodePort"}}, "default")
    for name in ("plain", "port", "balanced"):
        await cluster.client.delete(r.SERVICES, name, "default")
    await has_used(
        cluster, "quota", services="1", **{"services.nodeports": "0", "services.loadbalancers": "0"}
    )


@pytest.mark.conformance(QUOTA + "create a ResourceQuota and capture the life of a pod. [Conformance]")
async def test_pods_are_charged_for_what_they_request(cluster: SimulatedCluster) -> None:
    await cluster.client.create(r.RESOURCE_QUOTAS, quota(), "default")
    nothing = {"pods": "0", "cpu": "0", "memory": "0", "ephemeral-storage": "0", f"requests.{GPU}": "0"}
    await has_used(cluster, "quota", **nothing)
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", GPU: "2"}
    await cluster.client.create(r.PODS, pod("one", requests, {GPU: "2"}), "default")
    one = {"pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", f"requests.{GPU}": "2"}
    await has_used(cluster, "quota", **one)
    with pytest.raises(errors.Forbidden) as refused:
        await cluster.client.create(r.PODS, pod("much", {"cpu": "600m", "memory": "100Mi"}), "default")
    assert (
        refused.value.message
        == 'pods "much" is forbidden: exceeded quota: quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1'
    )
    few = {"cpu": "100m", "memory": "1Mi", "ephemeral-storage": "1Gi", GPU: "2"}
    scarce = f"requested: requests.{GPU}=2, used: requests.{GPU}=2, limited: requests.{GPU}=3"
    with pytest.raises(errors.Forbidden, match=scarce):
        await cluster.client.create(r.PODS, pod("rare", few, {GPU: "2"}), "default")
    with pytest.raises(
        errors.Forbidden, match="failed quota: quota: must specify cpu for: pause; memory for: pause"
    ):
        await cluster.client.create(r.PODS, pod("silent"), "default")
    patch = {
        "spec": {
            "containers": [{"name": "pause", "image": "pause", "resources": {"requests": {"cpu": "100m"}}}]
        }
    }
    with pytest.raises(errors.Invalid):
        await cluster.client.patch(r.PODS, "one", patch, "default")
    await has_used(cluster, "quota", **one)
    await cluster.client.delete(r.PODS, "one", "default", grace_period_seconds=0)
    await has_used(cluster, "quota", **nothing)


@pytest.mark.conformance(QUOTA + "verify ResourceQuota with best effort scope. [Conformance]")
async def test_quotas_of_best_effort_pods_and_of_all_others(cluster: SimulatedCluster) -> None:
    for name, scope in (("best", "BestEffort"), ("not-best", "NotBestEffort")):
        await cluster.client.create(r.RESOURCE_QUOTAS, quota(name, {"pods": "5"}, scopes=[scope]), "default")
        await has_used(cluster, name, pods="0")
    for name, body, counting, other in (
        ("free", pod("free"), "best", "not-best"),
        (
            "tied",
            pod("tied", {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}),
            "not-best",
            "best",
        ),
    ):
        await cluster.client.create(r.PODS, body, "default")
        await has_used(cluster, counting, pods="1")
        await has_used(cluster, other, pods="0")
        await cluster.client.delete(r.PODS, name, "default", grace_period_seconds=0)
        await has_used(cluster, counting, pods="0")


@pytest.mark.conformance(QUOTA + "verify ResourceQuota with terminating scopes. [Conformance]")
async def test_quotas_of_pods_with_a_deadline_and_of_all_others(cluster: SimulatedCluster) -> None:
    hard = {
        "pods": "5",
        "requests.cpu": "1",
        "requests.memory": "500Mi",
        "limits.cpu": "2",
        "limits.memory": "1Gi",
    }
    for name, scope in (("ends", "Terminating"), ("stays", "NotTerminating")):
        await cluster.client.create(r.RESOURCE_QUOTAS, quota(name, hard, scopes=[scope]), "default")
        await has_used(cluster, name, pods="0")
    requests, limits = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}
    used = {
        "pods": "1",
        "requests.cpu": "500m",
        "requests.memory": "200Mi",
        "limits.cpu": "1",
        "limits.memory": "400Mi",
    }
    for deadline, counting, other in ((None, "stays", "ends"), (3600, "ends", "stays")):
        spec = {} if deadline is None else {"activeDeadlineSeconds": deadline}
        await cluster.client.create(r.PODS, pod("p", requests, limits, **spec), "default")
        await has_used(cluster, counting, **used)
        await has_used(cluster, other, **dict.fromkeys(used, "0"))
        await cluster.client.delete(r.PODS, "p", "default", grace_period_seconds=0)
        await has_used(cluster, counting, **dict.fromkeys(used, "0"))


@pytest.mark.conformance(QUOTA + "be able to update and delete ResourceQuota. [Conformance]")
async def test_a_quota_is_updated_and_deleted(cluster: SimulatedCluster) -> None:
    made = await cluster.client.create(
        r.RESOURCE_QUOTAS, quota(hard={"cpu": "1", "memory": "500Mi"}), "default"
    )
    assert made["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}
    made = await cluster.client.get(r.RESOURCE_QUOTAS, "quota", "default")
    wanted = {
        **made,
        "metadata": {"name": "quota", "namespace": "default"},
        "spec": {"hard": {"cpu": "2", "memory": "1Gi"}},
    }
    await cluster.client.update(r.RESOURCE_QUOTAS, wanted)
    assert (await cluster.client.get(r.RESOURCE_QUOTAS, "quota", "default"))["spec"]["hard"] == {
        "cpu": "2",
        "memory": "1Gi",
    }
    await cluster.client.delete(r.RESOURCE_QUOTAS, "quota", "default")
    with pytest.raises(errors.NotFound):
        await cluster.client.get(r.RESOURCE_QUOTAS, "quota", "default")


@pytest.mark.conformance(QUOTA + "manage the lifecycle of a ResourceQuota [Conformance]")
async def test_quotas_are_listed_patched_and_deleted_by_label(cluster: SimulatedCluster) -> None:
    body = quota(hard={"cpu": "1", "memory": "500Mi"})
    body["metadata"]["labels"] = {"test": "quota"}
    await cluster.client.create(r.RESOURCE_QUOTAS, body, "default")
    assert len((await cluster.client.list(r.RESOURCE_QUOTAS, label_selector="test=quota"))["items"]) == 1
    change = {"metadata": {"labels": {"test": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = await cluster.client.patch(r.RESOURCE_QUOTAS, "quota", change, "default")
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    await cluster.client.delete_collection(r.RESOURCE_QUOTAS, "default", label_selector="test=patched")
    assert (await cluster.client.list(r.RESOURCE_QUOTAS, label_selector="test=patched"))["items"] == []


@pytest.mark.conformance(QUOTA + "apply changes to a resourcequota status [Conformance]")
async def test_the_status_is_written_apart_from_the_spec(cluster: SimulatedCluster) -> None:
    """What is written there is answered, and put right again by the controller."""
    hard, more = {"cpu": "500m", "memory": "500Mi"}, {"cpu": "1", "memory": "1Gi"}
    await cluster.client.create(r.RESOURCE_QUOTAS, quota(hard=hard), "default")

    async def is_reported(wanted: dict[str, str]) -> bool:
        read = await cluster.client.get(r.RESOURCE_QUOTAS, "quota", "default", subresource="status")
        assert read["spec"]["hard"] == wanted
        return (read.get("status") or {}).get("hard") == wanted

    await cluster.until(lambda: is_reported(hard))
    read = meta.mutable_copy(await cluster.get(r.RESOURCE_QUOTAS, "quota"))
    read["status"]["hard"] = more
    updated = await cluster.client.update(r.RESOURCE_QUOTAS, read, subresource="status")
    assert (updated["status"]["hard"], updated["spec"]["hard"]) == (more, hard)
    await cluster.until(lambda: is_reported(hard))
    await cluster.client.patch(r.RESOURCE_QUOTAS, "quota", {"spec": {"hard": more}}, "default")
    await cluster.until(lambda: is_reported(more))
    change = {"spec": {"hard": {"cpu": "9"}}, "status": {"hard": {"cpu": "9", "memory": "9Gi"}}}
    patched = await cluster.client.patch(r.RESOURCE_QUOTAS, "quota", change, "default", subresource="status")
    assert patched["status"]["hard"] == {"cpu": "9", "memory": "9Gi"}
    await cluster.until(lambda: is_reported(more))
