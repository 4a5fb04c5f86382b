"""What the server does with objects of particular kinds: services, pods, bindings, evictions, scale, events, namespaces."""

from typing import Any

import orjson
import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import APPLY_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess

from pinnace.apiserver.local_client import LocalClient  # isort: skip

ACCOUNT = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}


@pytest_asyncio.fixture
async def client(local_client: LocalClient) -> LocalClient:
    await local_client.create(r.SERVICE_ACCOUNTS, ACCOUNT, "default")
    return local_client


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], **spec},
    }


def pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "x"}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "spec": spec}


async def bind(client: LocalClient, name: str, node: str = "n1") -> None:
    body = {
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "target": {"kind": "Node", "name": node},
    }
    await client.create(r.PODS, body, "default", name=name, subresource="binding")


async def test_a_service_gets_an_address_and_node_ports(client: LocalClient) -> None:
    made = await client.create(r.SERVICES, service("a", type="NodePort"), "default")
    spec = made["spec"]
    assert spec["clusterIP"].startswith("10.43.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


async def test_a_chosen_address_is_taken_once_and_given_back(client: LocalClient) -> None:
    await client.create(r.SERVICES, service("a", clusterIP="10.43.0.99"), "default")
    with pytest.raises(errors.Invalid, match="provided IP is already allocated"):
        await client.create(r.SERVICES, service("b", clusterIP="10.43.0.99"), "default")
    with pytest.raises(errors.Invalid, match="The range of valid IPs is"):
        await client.create(r.SERVICES, service("b", clusterIP="10.99.0.1"), "default")
    await client.delete(r.SERVICES, "a", "default")
    await client.create(r.SERVICES, service("b", clusterIP="10.43.0.99"), "default")


async def test_a_chosen_node_port_is_taken_once(client: LocalClient) -> None:
    ports = [{"port": 80, "nodePort": 31000}]
    await client.create(r.SERVICES, service("a", type="NodePort", ports=ports), "default")
    with pytest.raises(errors.Invalid, match="provided port is already allocated"):
        await client.create(r.SERVICES, service("b", type="NodePort", ports=ports), "default")
    with pytest.raises(errors.Invalid, match="The range of valid ports is 30000-32767"):
        await client.create(
            r.SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 80}]), "default"
        )
    changed = await client.patch(r.SERVICES, "a", {"spec": {"type": "ClusterIP"}}, "default")
    assert "nodePort" not in changed["spec"]["ports"][0]
    await client.create(r.SERVICES, service("b", type="NodePort", ports=ports), "default")


async def test_a_refused_service_takes_nothing(client: LocalClient) -> None:
    await client.create(r.SERVICES, service("a"), "default")
    with pytest.raises(errors.AlreadyExists):
        await client.create(r.SERVICES, service("a", clusterIP="10.43.0.50"), "default")
    dry = await client.create(r.SERVICES, service("c", clusterIP="10.43.0.50"), "default", dry_run=True)
    assert dry["spec"]["clusterIP"] == "10.43.0.50"
    await client.create(r.SERVICES, service("b", clusterIP="10.43.0.50"), "default")


async def test_headless_and_external_name_get_no_address(client: LocalClient) -> None:
    headless = await client.create(r.SERVICES, service("a", clusterIP="None"), "default")
    assert headless["spec"]["clusterIPs"] == ["None"]
    external = service("b", type="ExternalName", externalName="example.com", ports=[])
    assert "clusterIP" not in (await client.create(r.SERVICES, external, "default"))["spec"]


async def test_addresses_survive_a_restart(tmp_path: Any) -> None:
    backend = MemoryBackend()
    async with ApiServerInProcess(tmp_path / "a", backend=backend) as api:
        await api.local_client().create(r.SERVICES, service("a", clusterIP="10.43.0.77"), "default")
    async with ApiServerInProcess(tmp_path / "b", backend=backend) as api:
        with pytest.raises(errors.Invalid, match="already allocated"):
            await api.local_client().create(r.SERVICES, service("b", clusterIP="10.43.0.77"), "default")


async def test_a_pod_is_bound_once(client: LocalClient) -> None:
    await client.create(r.PODS, pod("p"), "default")
    await bind(client, "p")
    bound = await client.get(r.PODS, "p", "default")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    with pytest.raises(errors.Conflict, match='pod p is already assigned to node "n1"'):
        await bind(client, "p", "n2")


async def test_a_bound_pod_is_deleted_with_grace(client: LocalClient) -> None:
    for name in ("free", "bound"):
        await client.create(r.PODS, pod(name), "default")
    await bind(client, "bound")
    await client.delete(r.PODS, "free", "default")
    with pytest.raises(errors.NotFound):
        await client.get(r.PODS, "free", "default")
    left = await client.delete(r.PODS, "bound", "default")
    assert left["metadata"]["deletionGracePeriodSeconds"] == 30
    await client.delete(r.PODS, "bound", "default", grace_period_seconds=0)
    with pytest.raises(errors.NotFound):
        await client.get(r.PODS, "bound", "default")


async def evict(client: LocalClient, name: str) -> None:
    body = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
    await client.create(r.PODS, body, "default", name=name, subresource="eviction")


async def test_eviction_asks_the_budget(client: LocalClient) -> None:
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for name in ("one", "two"):
        made = await client.create(r.PODS, pod(name, app="web"), "default")
        await client.update(r.PODS, {**made, "status": ready}, subresource="status")
    budget = {
        "kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }  # fmt: skip
    made = await client.create(r.POD_DISRUPTION_BUDGETS, budget, "default")
    with pytest.raises(errors.TooManyRequests, match="Cannot evict pod as it would violate"):
        await evict(client, "one")
    status = {
        "observedGeneration": 1,
        "disruptionsAllowed": 1,
        "currentHealthy": 2,
        "desiredHealthy": 1,
        "expectedPods": 2,
    }
    await client.update(r.POD_DISRUPTION_BUDGETS, {**made, "status": status}, subresource="status")
    await evict(client, "one")
    left = await client.get(r.POD_DISRUPTION_BUDGETS, "b", "default")
    assert left["status"]["disruptionsAllowed"] == 0
    assert "one" in left["status"]["disruptedPods"]
    with pytest.raises(errors.TooManyRequests) as refused:
        await evict(client, "two")
    assert (
        refused.value.causes[0].message == "The disruption budget b needs 1 healthy pods and has 2 currently"
    )


DEPLOYMENT = {
    "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "x"}]}},
    },
}  # fmt: skip


async def test_scale(client: LocalClient) -> None:
    await client.create(r.DEPLOYMENTS, DEPLOYMENT, "default")
    scale = await client.get(r.DEPLOYMENTS, "web", "default", subresource="scale")
    assert scale["kind"] == "Scale"
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"]["selector"] == "app=web"
    await client.patch(r.DEPLOYMENTS, "web", {"spec": {"replicas": 4}}, "default", subresource="scale")
    assert (await client.get(r.DEPLOYMENTS, "web", "default"))["spec"]["replicas"] == 4
    with pytest.raises(errors.Invalid, match="must be greater than or equal to 0"):
        await client.patch(r.DEPLOYMENTS, "web", {"spec": {"replicas": -1}}, "default", subresource="scale")


async def test_generation_counts_changes_of_the_spec(client: LocalClient) -> None:
    made = await client.create(r.DEPLOYMENTS, DEPLOYMENT, "default")
    assert made["metadata"]["generation"] == 1
    labelled = await client.patch(r.DEPLOYMENTS, "web", {"metadata": {"labels": {"a": "b"}}}, "default")
    assert labelled["metadata"]["generation"] == 1
    with_status = await client.update(
        r.DEPLOYMENTS, {**labelled, "status": {"replicas": 1}}, subresource="status"
    )
    assert with_status["metadata"]["generation"] == 1
    assert with_status["status"]["replicas"] == 1
    changed = await client.update(
        r.DEPLOYMENTS, {**with_status, "spec": {**with_status["spec"], "replicas": 3}, "status": {}}
    )
    assert changed["metadata"]["generation"] == 2
    assert changed["status"]["replicas"] == 1


async def test_a_write_that_changes_nothing_is_no_write(client: LocalClient) -> None:
    made = await client.create(r.DEPLOYMENTS, DEPLOYMENT, "default")
    again = await client.patch(r.DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_an_update_without_a_version_replaces_what_is_there(client: LocalClient) -> None:
    metadata = {"name": "c", "namespace": "default"}
    settings = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"a": "1"}}
    made = await client.create(r.CONFIG_MAPS, settings, "default")
    changed = await client.update(r.CONFIG_MAPS, {**settings, "data": {"a": "2"}})
    assert changed["data"] == {"a": "2"}
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_apply_owns_its_fields(client: LocalClient) -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}
    await client.patch(r.CONFIG_MAPS, "c", body, "default", content_type=APPLY_PATCH, field_manager="one")
    changed = {**body, "data": {"a": "1"}}
    left = await client.patch(
        r.CONFIG_MAPS, "c", changed, "default", content_type=APPLY_PATCH, field_manager="one"
    )
    assert left["data"] == {"a": "1"}
    with pytest.raises(errors.Conflict, match='conflict with "one"'):
        await client.patch(
            r.CONFIG_MAPS,
            "c",
            {**body, "data": {"a": "x"}},
            "default",
            content_type=APPLY_PATCH,
            field_manager="two",
        )


async def test_events_have_two_faces(client: LocalClient) -> None:
    event = {
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "message": "hello", "reason": "Said",
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "type": "Normal",
    }  # fmt: skip
    await client.create(r.EVENTS, event, "default")
    other = await client.get(r.EVENTS_V1, "e", "default")
    assert (other["apiVersion"], other["note"], other["regarding"]["name"]) == (
        "events.k8s.io/v1",
        "hello",
        "p",
    )
    await client.patch(r.EVENTS_V1, "e", {"note": "changed"}, "default")
    assert (await client.get(r.EVENTS, "e", "default"))["message"] == "changed"
    listed = await client.list(r.EVENTS_V1, "default")
    assert listed["items"][0]["note"] == "changed"


async def test_a_namespace_goes_when_it_is_emptied(client: LocalClient) -> None:
    await client.create(r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "n"}})
    await client.delete(r.NAMESPACES, "n")
    going = await client.get(r.NAMESPACES, "n")
    assert going["status"]["phase"] == "Terminating"
    assert going["spec"]["finalizers"] == ["kubernetes"]
    with pytest.raises(errors.Forbidden, match="because it is being terminated"):
        await client.create(
            r.CONFIG_MAPS, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}, "n"
        )
    await client.raw("PUT", "/api/v1/namespaces/n/finalize", body={**going, "spec": {"finalizers": []}})
    with pytest.raises(errors.NotFound):
        await client.get(r.NAMESPACES, "n")


async def test_secrets_fold_string_data(client: LocalClient) -> None:
    body = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    made = await client.create(r.SECRETS, body, "default")
    assert made["data"] == {"a": "Yg=="}
    assert "stringData" not in made


async def test_pods_without_an_account_are_refused(local_client: LocalClient) -> None:
    with pytest.raises(errors.Forbidden, match='serviceaccount "default" not found'):
        await local_client.create(r.PODS, pod("p"), "default")


async def test_the_kubernetes_service_leads_here(
    api_server: ApiServerInProcess, local_client: LocalClient
) -> None:
    own = await local_client.get(r.SERVICES, "kubernetes", "default")
    assert own["spec"]["clusterIP"] == "10.43.0.1"
    endpoints = await local_client.get(r.ENDPOINTS, "kubernetes", "default")
    assert endpoints["subsets"][0]["ports"][0]["port"] == api_server.server.port


async def test_new_nodes_are_tainted_and_pods_tolerate_five_minutes(client: LocalClient) -> None:
    node = await client.create(r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}})
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    made = await client.create(r.PODS, pod("p"), "default")
    assert [t["tolerationSeconds"] for t in made["spec"]["tolerations"]] == [300, 300]
    assert made["spec"]["priority"] == 0


async def test_an_update_that_creates_needs_the_right_to_create(api_server: ApiServerInProcess) -> None:
    admin, jane = api_server.local_client(), api_server.local_client("jane", ())
    rule = {
        "verbs": ["update", "patch"],
        "apiGroups": ["", "coordination.k8s.io"],
        "resources": ["configmaps", "leases"],
    }
    group = "rbac.authorization.k8s.io"
    role = {"kind": "ClusterRole", "apiVersion": f"{group}/v1", "metadata": {"name": "r"}, "rules": [rule]}
    await admin.create(r.CLUSTER_ROLES, role)
    binding = {
        "kind": "ClusterRoleBinding", "apiVersion": f"{group}/v1", "metadata": {"name": "b"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "r"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "jane"}],
    }  # fmt: skip
    await admin.create(r.CLUSTER_ROLE_BINDINGS, binding)
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "namespace": "default"}}
    with pytest.raises(errors.Forbidden, match='cannot create resource "configmaps"'):
        await jane.patch(r.CONFIG_MAPS, "c", body, "default", content_type=APPLY_PATCH, field_manager="x")
    lease = {**body, "kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}
    with pytest.raises((errors.Forbidden, errors.NotFound)):
        await jane.update(r.LEASES, lease)


async def test_pods_of_one_template_are_judged_and_defaulted_alike_but_share_nothing(
    client: LocalClient,
) -> None:
    """What is remembered of a template must not carry over what admission or a client did to one of its pods."""
    first = await client.create(r.PODS, pod("one"), "default")
    second = await client.create(r.PODS, pod("two"), "default")
    volumes = [made["spec"]["volumes"][0]["name"] for made in (first, second)]
    assert volumes[0] != volumes[1]
    assert first["spec"].keys() == second["spec"].keys()
    assert first["spec"]["restartPolicy"] == second["spec"]["restartPolicy"] == "Always"
    slip = pod("three")
    slip["spec"]["containers"][0]["imagePullPolicy"] = 7
    for _ in range(2):
        with pytest.raises(errors.BadRequest, match="cannot unmarshal number"):
            await client.create(r.PODS, slip, "default")


async def test_an_unknown_field_of_a_template_is_told_every_time(
    api_server: ApiServerInProcess, client: LocalClient
) -> None:
    remote = api_server.rest_client()
    for name in ("one", "two", "three"):
        odd = pod(name)
        odd["spec"]["surprise"] = 1
        query = {"fieldValidation": "Strict" if name == "three" else "Ignore"}
        if name == "three":
            with pytest.raises(errors.BadRequest, match=r'unknown field "spec\.surprise"'):
                await remote.raw("POST", "/api/v1/namespaces/default/pods", query=query, body=odd)
        else:
            made = await remote.raw("POST", "/api/v1/namespaces/default/pods", query=query, body=odd)
            assert "surprise" not in made["spec"]


async def test_a_patch_of_a_pods_status_changes_nothing_else(client: LocalClient) -> None:
    made = await client.create(r.PODS, pod("a", app="web"), "default")
    await bind(client, "a")
    before = await client.get(r.PODS, "a", "default")
    seen = orjson.dumps(before)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "Test", "strange": 1}
    body = {"metadata": {"uid": made["metadata"]["uid"]}, "spec": None, "status": {"conditions": [condition]}}
    for media in (STRATEGIC_MERGE_PATCH, MERGE_PATCH):
        answer = await client.patch(r.PODS, "a", body, "default", subresource="status", content_type=media)
        assert answer["spec"] == before["spec"]
        ours = {key: value for key, value in answer["metadata"].items() if key != "managedFields"}
        old = {key: value for key, value in before["metadata"].items() if key != "managedFields"}
        assert {**ours, "resourceVersion": ""} == {**old, "resourceVersion": ""}
        assert "strange" not in answer["status"]["conditions"][-1]
        assert answer == await client.get(r.PODS, "a", "default")
    owners = [(entry["manager"], entry.get("subresource")) for entry in answer["metadata"]["managedFields"]]
    assert ("kubernetes-admin", "status") in owners
    assert orjson.dumps(before) == seen


async def test_a_patch_of_a_status_is_checked_as_before(client: LocalClient) -> None:
    await client.create(r.PODS, pod("a", app="web"), "default")
    with pytest.raises(errors.Invalid, match="cannot unmarshal"):
        await client.patch(r.PODS, "a", {"status": {"conditions": "x"}}, "default", subresource="status")
    with pytest.raises(errors.Invalid, match="field is immutable"):
        await client.patch(
            r.PODS, "a", {"metadata": {"uid": "other"}, "status": {}}, "default", subresource="status"
        )
    stale = {"metadata": {"resourceVersion": "1"}, "status": {"message": "m"}}
    with pytest.raises(errors.Conflict):
        await client.patch(r.PODS, "a", stale, "default", subresource="status")
    labelled = {"metadata": {"labels": {"b": "c"}}, "status": {"message": "m"}}
    answer = await client.patch(r.PODS, "a", labelled, "default", subresource="status")
    assert answer["metadata"]["labels"] == {"app": "web", "b": "c"}


async def test_what_was_written_and_deleted_at_once_is_told_whole(client: LocalClient) -> None:
    made = await client.create(r.PODS, pod("a"), "default")
    version = made["metadata"]["resourceVersion"]
    events = client.watch(r.PODS, "default", resource_version=version)
    body = {"status": {"message": "bye"}}
    patched = await client.patch(r.PODS, "a", body, "default", subresource="status")
    deleted = await client.delete(r.PODS, "a", "default")
    changed, gone = [await anext(events) for _ in range(2)]
    await events.aclose()
    assert (changed.type, changed.object) == ("MODIFIED", patched)
    assert (gone.type, gone.object) == ("DELETED", deleted)
    assert {**patched, "metadata": {**patched["metadata"], "resourceVersion": ""}} == {
        **deleted, "metadata": {**deleted["metadata"], "resourceVersion": ""},
    }  # fmt: skip
