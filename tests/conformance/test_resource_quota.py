"""test/e2e/apimachinery/resource_quota.go: what a quota counts, refuses and gives back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery import errors, quantity
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]
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


@pytest_asyncio.fixture
async def cluster(api_server: ApiServerInProcess) -> AsyncGenerator[Client, None]:
    """An administrator's client of a server whose quota controller is at work."""
    manager = api_server.local_client("system:kube-controller-manager", ())
    config = ControllersConfig(("resourcequota", "serviceaccount"))
    running = asyncio.create_task(Controllers(manager, RealClock(), config).run())
    client = api_server.rest_client()

    async def has_account() -> bool:
        return bool((await client.list(r.SERVICE_ACCOUNTS, "default"))["items"])

    await eventually(has_account)
    yield client
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


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


async def has_used(client: Client, name: str, **expected: str) -> None:
    """Wait until the status has these numbers; `_` and `__` stand for what names of arguments cannot have."""

    async def there() -> bool:
        status = (await client.get(r.RESOURCE_QUOTAS, name, "default")).get("status") or {}
        used = status.get("used") or {}
        assert expected.keys() <= used.keys(), used
        wrong = {k: used[k] for k, v in expected.items() if quantity.parse(used[k]) != quantity.parse(v)}
        assert not wrong, wrong
        return True

    await eventually(there)


async def life_of(
    client: Client, gvr: GVR, body: Object, used: dict[str, str], unused: dict[str, str]
) -> None:
    """The object is charged while it is there, and no longer."""
    await client.create(r.RESOURCE_QUOTAS, quota(), "default")
    await has_used(client, "quota", **unused)
    await client.create(gvr, body, "default")
    await has_used(client, "quota", **used)
    await client.delete(gvr, body["metadata"]["name"], "default", propagation_policy="Background")
    await has_used(client, "quota", **unused)


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated. [Conformance]"
)
async def test_the_status_of_a_new_quota_is_calculated(cluster: Client) -> None:
    await cluster.create(r.RESOURCE_QUOTAS, quota(), "default")
    await has_used(
        cluster, "quota", pods="0", resourcequotas="1", cpu="0", services="1", **{"requests.storage": "0"}
    )
    status = (await cluster.get(r.RESOURCE_QUOTAS, "quota", "default"))["status"]
    assert status["hard"] == HARD
    assert status["used"].keys() == HARD.keys()


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap. [Conformance]"
)
async def test_config_maps_are_counted(cluster: Client) -> None:
    body: Object = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
    await life_of(cluster, r.CONFIG_MAPS, body, {"configmaps": "1"}, {"configmaps": "0"})


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret. [Conformance]"
)
async def test_secrets_are_counted(cluster: Client) -> None:
    body: Object = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}}
    await life_of(cluster, r.SECRETS, body, {"secrets": "1"}, {"secrets": "0"})


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set. [Conformance]"
)
async def test_replica_sets_are_counted(cluster: Client) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"name": "rs"}, "spec": spec}
    await life_of(
        cluster, r.REPLICA_SETS, body, {"count/replicasets.apps": "1"}, {"count/replicasets.apps": "0"}
    )


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller. [Conformance]"
)
async def test_replication_controllers_are_counted(cluster: Client) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"replicas": 0, "selector": {"a": "b"}, "template": template}
    body = {"kind": "ReplicationController", "apiVersion": "v1", "metadata": {"name": "rc"}, "spec": spec}
    count = "replicationcontrollers"
    await life_of(cluster, r.REPLICATION_CONTROLLERS, body, {count: "1"}, {count: "0"})


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service. [Conformance]"
)
async def test_services_their_node_ports_and_balancers_are_counted(cluster: Client) -> None:
    def service(name: str, kind: str) -> Object:
        spec: Object = {"type": kind, "ports": [{"port": 80}]}
        if kind == "LoadBalancer":
            spec["allocateLoadBalancerNodePorts"] = False
        return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}

    await cluster.create(r.RESOURCE_QUOTAS, quota(), "default")
    await has_used(cluster, "quota", services="1")  # the service `kubernetes`
    await cluster.create(r.SERVICES, service("plain", "ClusterIP"), "default")
    await cluster.create(r.SERVICES, service("port", "NodePort"), "default")
    await has_used(
        cluster, "quota", services="3", **{"services.nodeports": "1", "services.loadbalancers": "0"}
    )
    with pytest.raises(errors.Forbidden, match=r"exceeded quota: quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1"):  # fmt: skip
        await cluster.create(r.SERVICES, service("port-2", "NodePort"), "default")
    await cluster.create(r.SERVICES, service("balanced", "LoadBalancer"), "default")
    with pytest.raises(errors.Forbidden, match=r"services.loadbalancers=1, used: services.loadbalancers=1"):
        await cluster.create(r.SERVICES, service("balanced-2", "LoadBalancer"), "default")
    with pytest.raises(errors.Forbidden, match="exceeded quota"):  # a change counts like a new one
        await cluster.patch(r.SERVICES, "plain", {"spec": {"type": "NodePort"}}, "default")
    for name in ("plain", "port", "balanced"):
        await cluster.delete(r.SERVICES, name, "default")
    await has_used(
        cluster, "quota", services="1", **{"services.nodeports": "0", "services.loadbalancers": "0"}
    )


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod. [Conformance]"
)
async def test_pods_are_charged_for_what_they_request(cluster: Client) -> None:
    await cluster.create(r.RESOURCE_QUOTAS, quota(), "default")
    nothing = {"pods": "0", "cpu": "0", "memory": "0", "ephemeral-storage": "0", f"requests.{GPU}": "0"}
    await has_used(cluster, "quota", **nothing)
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", GPU: "2"}
    await cluster.create(r.PODS, pod("one", requests, {GPU: "2"}), "default")
    one = {"pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", f"requests.{GPU}": "2"}
    await has_used(cluster, "quota", **one)
    with pytest.raises(errors.Forbidden) as refused:
        await cluster.create(r.PODS, pod("much", {"cpu": "600m", "memory": "100Mi"}), "default")
    assert (
        refused.value.message
        == 'pods "much" is forbidden: exceeded quota: quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1'
    )
    few = {"cpu": "100m", "memory": "1Mi", "ephemeral-storage": "1Gi", GPU: "2"}
    scarce = f"requested: requests.{GPU}=2, used: requests.{GPU}=2, limited: requests.{GPU}=3"
    with pytest.raises(errors.Forbidden, match=scarce):
        await cluster.create(r.PODS, pod("rare", few, {GPU: "2"}), "default")
    with pytest.raises(
        errors.Forbidden, match="failed quota: quota: must specify cpu for: pause; memory for: pause"
    ):
        await cluster.create(r.PODS, pod("silent"), "default")
    patch = {
        "spec": {
            "containers": [{"name": "pause", "image": "pause", "resources": {"requests": {"cpu": "100m"}}}]
        }
    }
    with pytest.raises(errors.Invalid):
        await cluster.patch(r.PODS, "one", patch, "default")
    await has_used(cluster, "quota", **one)
    await cluster.delete(r.PODS, "one", "default", grace_period_seconds=0)
    await has_used(cluster, "quota", **nothing)


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope. [Conformance]"
)
async def test_quotas_of_best_effort_pods_and_of_all_others(cluster: Client) -> None:
    for name, scope in (("best", "BestEffort"), ("not-best", "NotBestEffort")):
        await cluster.create(r.RESOURCE_QUOTAS, quota(name, {"pods": "5"}, scopes=[scope]), "default")
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
        await cluster.create(r.PODS, body, "default")
        await has_used(cluster, counting, pods="1")
        await has_used(cluster, other, pods="0")
        await cluster.delete(r.PODS, name, "default", grace_period_seconds=0)
        await has_used(cluster, counting, pods="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes. [Conformance]"
)
async def test_quotas_of_pods_with_a_deadline_and_of_all_others(cluster: Client) -> None:
    hard = {
        "pods": "5",
        "requests.cpu": "1",
        "requests.memory": "500Mi",
        "limits.cpu": "2",
        "limits.memory": "1Gi",
    }
    for name, scope in (("ends", "Terminating"), ("stays", "NotTerminating")):
        await cluster.create(r.RESOURCE_QUOTAS, quota(name, hard, scopes=[scope]), "default")
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
        await cluster.create(r.PODS, pod("p", requests, limits, **spec), "default")
        await has_used(cluster, counting, **used)
        await has_used(cluster, other, **dict.fromkeys(used, "0"))
        await cluster.delete(r.PODS, "p", "default", grace_period_seconds=0)
        await has_used(cluster, counting, **dict.fromkeys(used, "0"))


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota. [Conformance]"
)
async def test_a_quota_is_updated_and_deleted(cluster: Client) -> None:
    made = await cluster.create(r.RESOURCE_QUOTAS, quota(hard={"cpu": "1", "memory": "500Mi"}), "default")
    assert made["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}
    made = await cluster.get(r.RESOURCE_QUOTAS, "quota", "default")
    wanted = {
        **made,
        "metadata": {"name": "quota", "namespace": "default"},
        "spec": {"hard": {"cpu": "2", "memory": "1Gi"}},
    }
    await cluster.update(r.RESOURCE_QUOTAS, wanted)
    assert (await cluster.get(r.RESOURCE_QUOTAS, "quota", "default"))["spec"]["hard"] == {
        "cpu": "2",
        "memory": "1Gi",
    }
    await cluster.delete(r.RESOURCE_QUOTAS, "quota", "default")
    with pytest.raises(errors.NotFound):
        await cluster.get(r.RESOURCE_QUOTAS, "quota", "default")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota [Conformance]"
)
async def test_quotas_are_listed_patched_and_deleted_by_label(cluster: Client) -> None:
    body = quota(hard={"cpu": "1", "memory": "500Mi"})
    body["metadata"]["labels"] = {"test": "quota"}
    await cluster.create(r.RESOURCE_QUOTAS, body, "default")
    assert len((await cluster.list(r.RESOURCE_QUOTAS, label_selector="test=quota"))["items"]) == 1
    change = {"metadata": {"labels": {"test": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = await cluster.patch(r.RESOURCE_QUOTAS, "quota", change, "default")
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    await cluster.delete_collection(r.RESOURCE_QUOTAS, "default", label_selector="test=patched")
    assert (await cluster.list(r.RESOURCE_QUOTAS, label_selector="test=patched"))["items"] == []


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status [Conformance]"
)
async def test_the_status_is_written_apart_from_the_spec(rest_client: Client) -> None:
    """Without the controller, which would put the status right again."""
    client, hard = rest_client, {"cpu": "500m", "memory": "500Mi"}
    made = await client.create(r.RESOURCE_QUOTAS, quota(hard=hard), "default")
    updated = await client.update(r.RESOURCE_QUOTAS, {**made, "status": {"hard": hard}}, subresource="status")
    assert updated["status"]["hard"] == hard
    more = {"cpu": "1", "memory": "1Gi"}
    await client.patch(r.RESOURCE_QUOTAS, "quota", {"spec": {"hard": more}}, "default")
    change = {"spec": {"hard": {"cpu": "9"}}, "status": {"hard": more}}
    patched = await client.patch(r.RESOURCE_QUOTAS, "quota", change, "default", subresource="status")
    assert patched["status"]["hard"] == more
    read = await client.get(r.RESOURCE_QUOTAS, "quota", "default", subresource="status")
    assert read["spec"]["hard"] == more
