"""Services as the API sees them: changes of type with what is taken and given back, status, collections."""

from typing import Any

import pytest
import pytest_asyncio

from integration.conftest import Kubectl
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.testing.api_server import ApiServerInProcess

Object = dict[str, Any]
PORTS = [{"port": 80, "protocol": "TCP", "targetPort": 9376}]


@pytest_asyncio.fixture
async def client(api_server: ApiServerInProcess) -> Client:
    return api_server.rest_client()


def service(name: str = "s", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata: Object = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def change(client: Client, **spec: Any) -> Object:
    """As the suite does it: read, change, replace."""
    found = await client.get(r.SERVICES, "s", "default")
    found["spec"].update(spec)
    found["spec"] = {key: value for key, value in found["spec"].items() if value is not None}
    updated: Object = (await client.update(r.SERVICES, found))["spec"]
    return updated


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from ExternalName to ClusterIP [Conformance]"
)
async def test_from_a_name_to_an_address(client: Client) -> None:
    await client.create(r.SERVICES, service(type="ExternalName", externalName="foo.example.com"))
    spec = await change(client, type="ClusterIP", externalName=None, ports=PORTS)
    assert spec["clusterIP"].startswith("10.43.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert "nodePort" not in spec["ports"][0]


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from ExternalName to NodePort [Conformance]"
)
async def test_from_a_name_to_a_port_of_the_nodes(client: Client) -> None:
    await client.create(r.SERVICES, service(type="ExternalName", externalName="foo.example.com"))
    spec = await change(client, type="NodePort", externalName=None, ports=PORTS)
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert spec["externalTrafficPolicy"] == "Cluster"


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from ClusterIP to ExternalName [Conformance]"
)
async def test_from_an_address_to_a_name(client: Client) -> None:
    address = (await client.create(r.SERVICES, service(ports=PORTS)))["spec"]["clusterIP"]
    spec = await change(client, type="ExternalName", externalName="bar.default.svc.cluster.local")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(spec)
    again = await client.create(r.SERVICES, service("other", clusterIP=address, ports=PORTS))
    assert again["spec"]["clusterIP"] == address  # it was given back


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from NodePort to ExternalName [Conformance]"
)
async def test_from_a_port_of_the_nodes_to_a_name(client: Client) -> None:
    made = await client.create(r.SERVICES, service(type="NodePort", ports=PORTS))
    port = made["spec"]["ports"][0]["nodePort"]
    spec = await change(client, type="ExternalName", externalName="bar.default.svc.cluster.local")
    assert "nodePort" not in spec["ports"][0]
    assert "externalTrafficPolicy" not in spec
    taken = await client.create(
        r.SERVICES, service("other", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    )
    assert taken["spec"]["ports"][0]["nodePort"] == port


async def test_a_health_check_port_comes_and_goes_with_local_traffic(client: Client) -> None:
    made = await client.create(
        r.SERVICES, service(type="LoadBalancer", externalTrafficPolicy="Local", ports=PORTS)
    )
    port = made["spec"]["healthCheckNodePort"]
    with pytest.raises(errors.Invalid, match=r"spec.healthCheckNodePort: Forbidden: field is immutable"):
        await change(client, healthCheckNodePort=port + 1)
    assert (await change(client, healthCheckNodePort=None))["healthCheckNodePort"] == port
    assert "healthCheckNodePort" not in await change(client, externalTrafficPolicy="Cluster")
    other = service("other", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    assert (await client.create(r.SERVICES, other))["spec"]["ports"][0]["nodePort"] == port


async def test_the_class_of_a_load_balancer_stays(client: Client) -> None:
    await client.create(r.SERVICES, service(type="LoadBalancer", loadBalancerClass="a.b/c", ports=PORTS))
    with pytest.raises(
        errors.Invalid, match=r"spec.loadBalancerClass: Invalid value: .*: may not change once set"
    ):
        await change(client, loadBalancerClass="a.b/d")
    assert "loadBalancerClass" not in await change(client, type="ClusterIP")


@pytest.mark.conformance("[sig-network] Services should complete a service status lifecycle [Conformance]")
async def test_the_life_of_a_status(client: Client) -> None:
    made = await client.create(
        r.SERVICES, service(labels={"static": "yes"}, type="LoadBalancer", ports=PORTS)
    )
    events = client.watch(
        r.SERVICES, "default", resource_version=meta.resource_version(made), label_selector="static=yes"
    )
    read = await client.get(r.SERVICES, "s", "default", subresource="status")
    assert read["status"] == {"loadBalancer": {}}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}  # fmt: skip
    patched = await client.patch(r.SERVICES, "s", patch, "default", subresource="status")
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test", "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    patched["status"]["conditions"] = [condition]
    updated = await client.update(r.SERVICES, patched, subresource="status")
    assert updated["status"]["conditions"] == [condition]
    await client.patch(r.SERVICES, "s", {"metadata": {"labels": {"patched": "yes"}}}, "default")
    await client.delete(r.SERVICES, "s", "default")
    seen = []
    async for event in events:
        seen.append(event.type)
        if event.type == "DELETED":
            break
    assert seen == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]


async def test_who_asks_for_endpoints_is_told_of_slices(kubectl: Kubectl) -> None:
    warning = "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    assert warning in (await kubectl("get", "endpoints")).err
    assert "Warning" not in (await kubectl("get", "endpointslices")).err


@pytest.mark.conformance("[sig-network] Services should delete a collection of services [Conformance]")
async def test_services_are_deleted_by_label(client: Client) -> None:
    for name in ("a", "b", "c"):
        labels = {"set": "kept" if name == "a" else "gone"}
        await client.create(r.SERVICES, service(name, labels, ports=PORTS))
    await client.delete_collection(r.SERVICES, "default", label_selector="set=gone")
    left = (await client.list(r.SERVICES, "default", label_selector="set"))["items"]
    assert [meta.name(one) for one in left] == ["a"]


@pytest.mark.conformance(
    "[sig-network] Services should find a service from listing all namespaces [Conformance]"
)
async def test_the_kubernetes_service_is_among_those_of_all_namespaces(client: Client) -> None:
    found = [meta.key(one) for one in (await client.list(r.SERVICES))["items"]]
    assert ("default", "kubernetes") in found
