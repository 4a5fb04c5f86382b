"""test/e2e/network/service.go and endpoints.go, as far as they ask for the API alone."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.rest import RestClient
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def service(name: str, **spec: Any) -> Object:
    return {
        "kind": "Service", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "labels": {"test-service-static": "true"}},
        "spec": {"ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}], **spec},
    }  # fmt: skip


async def change(client: RestClient, edit: Callable[[Object], None]) -> Object:
    """Read, edit, update: what upstream's test frame does."""
    current = await client.get(r.SERVICES, "s", "default")
    edit(current)
    return await client.update(r.SERVICES, current)


@pytest.mark.conformance("[sig-network] Services should complete a service status lifecycle [Conformance]")
async def test_the_status_of_a_service(rest_client: RestClient) -> None:
    await rest_client.create(
        r.SERVICES, service("s", type="LoadBalancer", loadBalancerClass="e2e.example/none")
    )
    read = await rest_client.get(r.SERVICES, "s", "default", subresource="status")
    assert read["status"] == {"loadBalancer": {}}
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
    }
    patched = await rest_client.patch(r.SERVICES, "s", patch, "default", subresource="status")
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    condition = {
        "type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    patched["status"]["conditions"] = [condition]
    updated = await rest_client.update(r.SERVICES, patched, subresource="status")
    assert updated["status"]["conditions"] == [condition]
    labels = {"metadata": {"labels": {"test-service": "patched"}}}
    relabelled = await rest_client.patch(r.SERVICES, "s", labels, "default")
    assert relabelled["metadata"]["labels"]["test-service"] == "patched"
    assert relabelled["status"] == updated["status"]
    start = relabelled["metadata"]["resourceVersion"]
    await rest_client.delete(r.SERVICES, "s", "default")
    async for event in rest_client.watch(r.SERVICES, "default", resource_version=start):
        if event.type != "BOOKMARK":
            assert (event.type, event.object["metadata"]["name"]) == ("DELETED", "s")
            break


@pytest.mark.conformance("[sig-network] Services should delete a collection of services [Conformance]")
async def test_a_collection_of_services(rest_client: RestClient) -> None:
    for name in ("one", "two", "three"):
        await rest_client.create(r.SERVICES, service(name))
    await rest_client.create(
        r.SERVICES, {**service("other"), "metadata": {"name": "other", "namespace": "default"}}
    )
    await rest_client.delete_collection(r.SERVICES, "default", label_selector="test-service-static=true")
    left = [item["metadata"]["name"] for item in (await rest_client.list(r.SERVICES, "default"))["items"]]
    assert left == ["kubernetes", "other"]


@pytest.mark.conformance(
    "[sig-network] Services should find a service from listing all namespaces [Conformance]"
)
async def test_services_of_all_namespaces(rest_client: RestClient) -> None:
    found = (await rest_client.list(r.SERVICES))["items"]
    assert ("default", "kubernetes") in [(s["metadata"]["namespace"], s["metadata"]["name"]) for s in found]


async def absent(read: Callable[[], Awaitable[Object]]) -> bool:
    try:
        await read()
    except errors.NotFound:
        return True
    return False


@pytest.mark.conformance("[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]")
async def test_the_life_of_endpoints(rest_client: RestClient) -> None:
    subsets = [
        {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    ]
    body = {
        "kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "e", "labels": {"test": "static"}},
        "subsets": subsets,
    }  # fmt: skip
    made = await rest_client.create(r.ENDPOINTS, body, "default")
    made["metadata"]["labels"]["test-service"] = "updated"
    updated = await rest_client.update(r.ENDPOINTS, made)
    assert updated["metadata"]["labels"]["test-service"] == "updated"
    patch = {
        "metadata": {"labels": {"test-service": "patched"}},
        "subsets": [{"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}],
    }
    patched = await rest_client.patch(r.ENDPOINTS, "e", patch, "default")
    assert patched["subsets"][0]["addresses"] == [{"ip": "10.0.0.25"}]
    assert patched["subsets"][0]["ports"] == [{"name": "http-test", "port": 8080, "protocol": "TCP"}]
    await rest_client.delete_collection(r.ENDPOINTS, "default", label_selector="test=static")
    assert await eventually(lambda: absent(lambda: rest_client.get(r.ENDPOINTS, "e", "default")))


async def test_the_type_of_a_service_decides_what_it_is_given(rest_client: RestClient) -> None:
    """The API's part of upstream's changes of type; that names and addresses answer is shown in tests/e2e."""
    external = {"type": "ExternalName", "externalName": "foo.example.com"}
    made = await rest_client.create(r.SERVICES, service("s", **external))
    assert "clusterIP" not in made["spec"]

    def into_cluster(current: Object) -> None:
        current["spec"] |= {"type": "ClusterIP", "ports": [{"port": 80, "name": "http", "protocol": "TCP"}]}
        del current["spec"]["externalName"]

    inside = await change(rest_client, into_cluster)
    assert inside["spec"]["clusterIP"].startswith("10.43.")
    node = await change(rest_client, lambda current: current["spec"].update(type="NodePort"))
    assert node["spec"]["ports"][0]["nodePort"] >= 30000
    assert node["spec"]["clusterIP"] == inside["spec"]["clusterIP"]
    outside = await change(rest_client, lambda current: current["spec"].update(external))
    assert "clusterIP" not in outside["spec"]
    assert "nodePort" not in outside["spec"]["ports"][0]
    balanced = await change(
        rest_client, lambda current: (current["spec"].pop("externalName"), current["spec"].update(type="NodePort"))
    )  # fmt: skip
    assert balanced["spec"]["ports"][0]["nodePort"] >= 30000
