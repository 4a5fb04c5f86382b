"""Kinds that only have to be kept: discovery, create, get, list, watch, patch, update, status, delete, deletecollection."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest

import kind_examples
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.rest import RestClient
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]
LABELS = {"e2e": "this-test"}
SELECTOR = "e2e=this-test"


def example(gvr: GVR, name: str = "first", body: Object | None = None) -> Object:
    row = r.BY_GVR[gvr]
    metadata: Object = {"name": name, "labels": dict(LABELS)}
    if row.namespaced:
        metadata["namespace"] = "default"
    kept = body if body is not None else kind_examples.BODIES[row.kind]
    return {"kind": row.kind, "apiVersion": gvr.api_version, "metadata": metadata, **meta.mutable_copy(kept)}


def space(gvr: GVR) -> str | None:
    return "default" if r.BY_GVR[gvr].namespaced else None


async def check_discovery(client: RestClient, gvr: GVR, subresources: Iterable[str] = ()) -> None:
    groups = await client.raw("GET", "/apis")
    assert gvr.group in [group["name"] for group in groups["groups"]]
    group = await client.raw("GET", f"/apis/{gvr.group}")
    assert gvr.api_version in [version["groupVersion"] for version in group["versions"]]
    served = {
        entry["name"]: entry for entry in (await client.raw("GET", f"/apis/{gvr.api_version}"))["resources"]
    }
    assert set(served[gvr.resource]["verbs"]) >= set(r.ALL_VERBS)
    for name in subresources:
        assert {"get", "patch", "update"} <= set(served[f"{gvr.resource}/{name}"]["verbs"])


async def gone(client: RestClient, gvr: GVR, name: str) -> bool:
    try:
        await client.get(gvr, name, space(gvr))
    except errors.NotFound:
        return True
    return False


async def nothing_left(client: RestClient, gvr: GVR) -> bool:
    return (await client.list(gvr, space(gvr), label_selector=SELECTOR))["items"] == []


async def client_sees_conditions(client: RestClient, gvr: GVR, name: str) -> Object | None:
    obj = await client.get(gvr, name)
    return obj if (obj.get("status") or {}).get("conditions") else None


async def operate(
    client: RestClient, gvr: GVR, names: tuple[str, str, str], body: Object | None = None
) -> None:
    """The life of one object and of two more, as a watcher sees it too."""
    where, (first, second, third) = space(gvr), names
    start = (await client.list(gvr, where))["metadata"]["resourceVersion"]
    made = await client.create(gvr, example(gvr, first, body))
    assert made["metadata"]["uid"]
    if gvr == r.FLOW_SCHEMAS:  # the server says at once whether the priority level exists
        made = await eventually(partial(client_sees_conditions, client, gvr, first))
    read = await client.get(gvr, first, where)
    assert read == made
    for name in (second, third):
        await client.create(gvr, example(gvr, name, body))
    listed = await client.list(gvr, where, label_selector=SELECTOR)
    assert sorted(item["metadata"]["name"] for item in listed["items"]) == sorted(names)

    annotations = {"metadata": {"annotations": {"patched": "true"}}}
    patched = await client.patch(gvr, first, annotations, where)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert patched["metadata"]["uid"] == made["metadata"]["uid"]
    patched["metadata"]["annotations"]["updated"] = "true"
    updated = await client.update(gvr, patched)
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}

    await client.delete(gvr, first, where)
    await eventually(partial(gone, client, gvr, first))
    await client.delete_collection(gvr, where, label_selector=SELECTOR)
    await eventually(partial(nothing_left, client, gvr))

    seen = []
    async with (
        asyncio.timeout(20),
        aclosing(client.watch(gvr, where, resource_version=start, label_selector=SELECTOR)) as events,
    ):
        while [kind for _, kind in seen].count("DELETED") < 3:
            event = await anext(events)
            if event.type != "BOOKMARK":
                seen.append((event.object["metadata"]["name"], event.type))
    lives = {name: [kind for about, kind in seen if about == name] for name in names}
    assert lives[first][0] == "ADDED"
    assert lives[first].count("MODIFIED") >= 2
    assert lives[first][-1] == "DELETED"
    for name in (second, third):
        assert (lives[name][0], lives[name][-1]) == ("ADDED", "DELETED")


NAMES = ("first", "second", "third")


async def status_changes(client: RestClient, gvr: GVR, name: str, condition: Object) -> None:
    """A condition by a merge patch, another by an update; both through the subresource, and nothing else changes."""
    where = space(gvr)
    patched = await client.patch(
        gvr, name, {"status": {"conditions": [condition]}}, where, subresource="status"
    )
    assert condition.items() <= patched["status"]["conditions"][-1].items()
    other = {**condition, "type": "StatusUpdate", "reason": "E2E"}
    patched["status"]["conditions"].append(other)
    patched["metadata"]["labels"]["x"] = "y"
    await client.update(gvr, patched, subresource="status")
    read = await client.get(gvr, name, where, subresource="status")
    kept = {one["type"]: one for one in read["status"]["conditions"]}
    assert other.items() <= kept["StatusUpdate"].items()


CONDITION = {
    "type": "StatusPatched", "status": "True", "reason": "E2E", "message": "by a test",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.conformance(
    "[sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance]"
)
async def test_flow_schemas(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.FLOW_SCHEMAS, ["status"])
    await operate(rest_client, r.FLOW_SCHEMAS, NAMES)
    await rest_client.create(r.FLOW_SCHEMAS, example(r.FLOW_SCHEMAS))
    await eventually(partial(client_sees_conditions, rest_client, r.FLOW_SCHEMAS, "first"))
    await status_changes(rest_client, r.FLOW_SCHEMAS, "first", CONDITION)


@pytest.mark.conformance(
    "[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations [Conformance]"
)
async def test_priority_levels(rest_client: RestClient) -> None:
    gvr = r.PRIORITY_LEVEL_CONFIGURATIONS
    await check_discovery(rest_client, gvr, ["status"])
    await operate(rest_client, gvr, NAMES)
    await rest_client.create(gvr, example(gvr))
    await status_changes(rest_client, gvr, "first", CONDITION)


@pytest.mark.conformance(
    "[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations [Conformance]"
)
async def test_certificate_signing_requests(rest_client: RestClient) -> None:
    gvr = r.CERTIFICATE_SIGNING_REQUESTS
    await check_discovery(rest_client, gvr, ["approval", "status"])
    await operate(rest_client, gvr, NAMES)
    made = await rest_client.create(gvr, example(gvr))
    assert made["spec"]["username"] == "kubernetes-admin"

    approved = {"type": "ApprovalPatch", "status": "True", "reason": "e2e", "message": "Set from an e2e test"}
    patched = await rest_client.patch(
        gvr, "first", {"status": {"conditions": [approved]}}, subresource="approval"
    )
    assert approved.items() <= patched["status"]["conditions"][0].items()
    assert patched["status"]["conditions"][0]["lastUpdateTime"]
    patched["status"]["conditions"].append({"type": "ApprovalUpdate", "status": "True"})
    await rest_client.update(gvr, patched, subresource="approval")
    read = await rest_client.get(gvr, "first", subresource="approval")
    assert [one["type"] for one in read["status"]["conditions"]] == ["ApprovalPatch", "ApprovalUpdate"]

    read["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E"})
    updated = await rest_client.update(gvr, read, subresource="status")
    assert updated["status"]["conditions"][-1]["type"] == "StatusUpdate"


@pytest.mark.conformance(
    "[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]"
)
async def test_endpoint_slices(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.ENDPOINT_SLICES)
    body = {"addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}]}
    await operate(rest_client, r.ENDPOINT_SLICES, NAMES, body)


BACKEND = {"service": {"name": "s", "port": {"number": 80}}}


@pytest.mark.conformance(
    "[sig-network] Ingress API should support creating Ingress API operations [Conformance]"
)
async def test_ingresses(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.INGRESSES, ["status"])
    path = {"path": "/", "pathType": "ImplementationSpecific", "backend": BACKEND}
    body = {
        "spec": {"defaultBackend": BACKEND, "rules": [{"host": "a.example.com", "http": {"paths": [path]}}]}
    }
    await operate(rest_client, r.INGRESSES, NAMES, body)
    await rest_client.create(r.INGRESSES, example(r.INGRESSES, body=body))
    addresses = [{"ip": "169.1.1.1"}]
    patch = {"status": {"loadBalancer": {"ingress": addresses}}}
    patched = await rest_client.patch(r.INGRESSES, "first", patch, "default", subresource="status")
    assert patched["status"]["loadBalancer"]["ingress"] == addresses
    patched["status"]["loadBalancer"] = {"ingress": [{"ip": "169.1.1.2"}]}
    updated = await rest_client.update(r.INGRESSES, patched, subresource="status")
    assert updated["status"]["loadBalancer"]["ingress"] == [{"ip": "169.1.1.2"}]


@pytest.mark.conformance(
    "[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]"
)
async def test_ingress_classes(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.INGRESS_CLASSES)
    await operate(rest_client, r.INGRESS_CLASSES, NAMES, {"spec": {"controller": "example.com/c"}})


@pytest.mark.conformance(
    "[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations [Conformance]"
)
async def test_ip_addresses(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.IP_ADDRESSES)
    await operate(rest_client, r.IP_ADDRESSES, ("192.168.1.1", "192.168.1.2", "2001:db8::1"))


@pytest.mark.conformance(
    "[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]"
)
async def test_service_cidrs(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.SERVICE_CIDRS, ["status"])
    default = await rest_client.get(r.SERVICE_CIDRS, "kubernetes")
    assert default["spec"]["cidrs"] == ["10.43.0.0/16"]
    await operate(rest_client, r.SERVICE_CIDRS, NAMES, {"spec": {"cidrs": ["192.168.100.0/24"]}})
    await rest_client.create(r.SERVICE_CIDRS, example(r.SERVICE_CIDRS))
    await status_changes(rest_client, r.SERVICE_CIDRS, "first", CONDITION)


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass [Conformance]")
async def test_device_classes(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.DEVICE_CLASSES)
    await operate(rest_client, r.DEVICE_CLASSES, NAMES)


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance]")
async def test_resource_claims(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.RESOURCE_CLAIMS, ["status"])
    await operate(rest_client, r.RESOURCE_CLAIMS, NAMES)
    made = await rest_client.create(r.RESOURCE_CLAIMS, example(r.RESOURCE_CLAIMS))
    made["status"] = kind_examples.STATUSES["ResourceClaim"]
    updated = await rest_client.update(r.RESOURCE_CLAIMS, made, subresource="status")
    assert updated["status"]["reservedFor"][0]["uid"] == "u"
    patch = {"status": {"reservedFor": None}}
    patched = await rest_client.patch(r.RESOURCE_CLAIMS, "first", patch, "default", subresource="status")
    assert "reservedFor" not in patched["status"]
    assert patched["status"]["allocation"] == updated["status"]["allocation"]


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate [Conformance]")
async def test_resource_claim_templates(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.RESOURCE_CLAIM_TEMPLATES)
    await operate(rest_client, r.RESOURCE_CLAIM_TEMPLATES, NAMES)


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice [Conformance]")
async def test_resource_slices(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.RESOURCE_SLICES)
    await operate(rest_client, r.RESOURCE_SLICES, NAMES)
    made = await rest_client.create(r.RESOURCE_SLICES, example(r.RESOURCE_SLICES))
    for selector in ("spec.nodeName=n", "spec.driver=gpu.example.com"):
        listed = await rest_client.list(r.RESOURCE_SLICES, field_selector=selector)
        assert [item["metadata"]["uid"] for item in listed["items"]] == [made["metadata"]["uid"]]


@pytest.mark.conformance(
    "[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode [Conformance]"
)
async def test_csi_nodes(rest_client: RestClient) -> None:
    await operate(rest_client, r.CSI_NODES, NAMES)


@pytest.mark.conformance(
    "[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations [Conformance]"
)
async def test_csi_storage_capacities(rest_client: RestClient) -> None:
    await check_discovery(rest_client, r.CSI_STORAGE_CAPACITIES)
    await operate(rest_client, r.CSI_STORAGE_CAPACITIES, NAMES)


@pytest.mark.conformance(
    "[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass [Conformance]"
)
async def test_storage_classes(rest_client: RestClient) -> None:
    await operate(rest_client, r.STORAGE_CLASSES, NAMES)


@pytest.mark.conformance(
    "[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass [Conformance]"
)
async def test_volume_attributes_classes(rest_client: RestClient, api_server: ApiServerInProcess) -> None:
    config = ControllersConfig(("volumeattributesclass-protection",))
    working = asyncio.create_task(Controllers(api_server.local_client(), RealClock(), config).run())
    try:
        await operate(rest_client, r.VOLUME_ATTRIBUTES_CLASSES, NAMES)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@pytest.mark.conformance(
    "[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment [Conformance]"
)
async def test_volume_attachments(rest_client: RestClient) -> None:
    await operate(rest_client, r.VOLUME_ATTACHMENTS, NAMES)


@pytest.mark.conformance(
    "[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status [Conformance]"
)
async def test_the_status_of_a_volume_attachment(rest_client: RestClient) -> None:
    gvr = r.VOLUME_ATTACHMENTS
    await rest_client.create(gvr, example(gvr))
    await rest_client.patch(gvr, "first", {"metadata": {"labels": {"first": "patched"}}})
    read = await rest_client.get(gvr, "first", subresource="status")
    assert read["status"] == {"attached": False}
    patched = await rest_client.patch(gvr, "first", {"status": {"attached": True}}, subresource="status")
    assert patched["status"]["attached"] is True
    patched["status"]["attached"] = False
    updated = await rest_client.update(gvr, patched, subresource="status")
    assert updated["status"]["attached"] is False
    await rest_client.delete(gvr, "first")
    assert await gone(rest_client, gvr, "first")


@pytest.mark.conformance(
    "[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC [Conformance]"
)
async def test_volumes_and_claims(api_server: ApiServerInProcess, rest_client: RestClient) -> None:
    """Volumes that nobody uses are let go by the controllers that protect those in use."""
    names = ("persistentvolumeclaim-protection", "persistentvolume-protection")
    controllers = Controllers(api_server.local_client(), RealClock(), ControllersConfig(controllers=names))
    running = asyncio.create_task(controllers.run())
    try:
        for gvr in (r.PERSISTENT_VOLUMES, r.PERSISTENT_VOLUME_CLAIMS):
            await operate(rest_client, gvr, NAMES)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.conformance(
    "[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status [Conformance]"
)
async def test_the_status_of_volumes_and_claims(rest_client: RestClient) -> None:
    claims, volumes = r.PERSISTENT_VOLUME_CLAIMS, r.PERSISTENT_VOLUMES
    for gvr in (claims, volumes):
        made = await rest_client.create(gvr, example(gvr))
        assert made["status"]["phase"] == "Pending"
    await status_changes(
        rest_client, claims, "first", {"type": "StatusPatched", "status": "True", "reason": "E2E"}
    )
    patch = {"status": {"message": "StatusPatched", "reason": "E2E patchedStatus"}}
    patched = await rest_client.patch(volumes, "first", patch, subresource="status")
    assert patched["status"].items() >= patch["status"].items()
    since = patched["status"]["lastPhaseTransitionTime"]
    patched["status"] |= {"message": "StatusUpdated", "phase": "Released"}
    updated = await rest_client.update(volumes, patched, subresource="status")
    assert (updated["status"]["message"], updated["status"]["phase"]) == ("StatusUpdated", "Released")
    assert updated["status"]["lastPhaseTransitionTime"] >= since
