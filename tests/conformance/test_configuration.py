"""test/e2e/common/node: config maps, secrets and leases, as far as they ask for the API alone."""

import base64
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.rest import RestClient

Object = dict[str, Any]


def config_map(name: str, data: dict[str, str], **labels: str) -> Object:
    return {
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default", "labels": labels},
        "data": data,
    }  # fmt: skip


@pytest.mark.conformance("[sig-node] ConfigMap should fail to create ConfigMap with empty key [Conformance]")
async def test_a_config_map_has_no_empty_key(rest_client: RestClient) -> None:
    with pytest.raises(errors.Invalid):
        await rest_client.create(r.CONFIG_MAPS, config_map("c", {"": "value-1"}))


@pytest.mark.conformance(
    "[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance] [Conformance]"
)
async def test_a_config_map_is_updated(rest_client: RestClient) -> None:
    made = await rest_client.create(r.CONFIG_MAPS, config_map("c", {"data": "value"}))
    made["data"] = {"data": "newValue"}
    await rest_client.update(r.CONFIG_MAPS, made)
    assert (await rest_client.get(r.CONFIG_MAPS, "c", "default"))["data"] == {"data": "newValue"}


@pytest.mark.conformance("[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]")
async def test_the_life_of_a_config_map(rest_client: RestClient) -> None:
    made = await rest_client.create(r.CONFIG_MAPS, config_map("c", {"valueName": "value"}, **{"test-configmap-static": "true"}))  # fmt: skip
    start = made["metadata"]["resourceVersion"]
    patch = {"metadata": {"labels": {"test-configmap": "patched"}}, "data": {"valueName": "value1"}}
    await rest_client.patch(r.CONFIG_MAPS, "c", patch, "default")
    read = await rest_client.get(r.CONFIG_MAPS, "c", "default")
    assert (read["data"]["valueName"], read["metadata"]["labels"]["test-configmap"]) == ("value1", "patched")
    selector = "test-configmap-static=true"
    listed = (await rest_client.list(r.CONFIG_MAPS, label_selector=selector))["items"]
    assert [(item["metadata"]["name"], item["data"]) for item in listed] == [("c", {"valueName": "value1"})]
    await rest_client.delete_collection(r.CONFIG_MAPS, "default", label_selector=selector)
    assert (await rest_client.list(r.CONFIG_MAPS, label_selector=selector))["items"] == []
    told = []
    async for event in rest_client.watch(
        r.CONFIG_MAPS, "default", resource_version=start, label_selector=selector
    ):
        if event.type != "BOOKMARK":
            told.append(event.type)
        if told[-1:] == ["DELETED"]:
            break
    assert told == ["MODIFIED", "DELETED"]


def secret(name: str, data: dict[str, str], **labels: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "kind": "Secret", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default", "labels": labels},
        "type": "Opaque", "data": encoded,
    }  # fmt: skip


@pytest.mark.conformance(
    "[sig-node] Secrets should fail to create secret due to empty secret key [Conformance]"
)
async def test_a_secret_has_no_empty_key(rest_client: RestClient) -> None:
    with pytest.raises(errors.Invalid):
        await rest_client.create(r.SECRETS, secret("s", {"": "value-1"}))


@pytest.mark.conformance("[sig-node] Secrets should patch a secret [Conformance]")
async def test_a_secret_is_patched(rest_client: RestClient) -> None:
    await rest_client.create(r.SECRETS, secret("s", {"key": "value"}, testsecret="true"))
    assert "s" in [item["metadata"]["name"] for item in (await rest_client.list(r.SECRETS))["items"]]
    value = base64.b64encode(b"value1").decode()
    patch = {"metadata": {"labels": {"testsecret-constant": "true"}}, "data": {"key": value}}
    await rest_client.patch(r.SECRETS, "s", patch, "default")
    read = await rest_client.get(r.SECRETS, "s", "default")
    assert (read["data"]["key"], read["metadata"]["labels"]["testsecret-constant"]) == (value, "true")
    await rest_client.delete_collection(r.SECRETS, "default", label_selector="testsecret=true")
    assert "s" not in [item["metadata"]["name"] for item in (await rest_client.list(r.SECRETS))["items"]]


def lease(name: str, labels: dict[str, str], **spec: Any) -> Object:
    head = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}
    return {**head, "metadata": {"name": name, "namespace": "default", "labels": labels}, "spec": spec}


@pytest.mark.conformance("[sig-node] Lease lease API should be available [Conformance]")
async def test_leases(rest_client: RestClient) -> None:
    first = {
        "holderIdentity": "holder", "leaseDurationSeconds": 30, "leaseTransitions": 0,
        "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:05.000000Z",
    }  # fmt: skip
    await rest_client.create(r.LEASES, lease("lease", {}, **first))
    read = await rest_client.get(r.LEASES, "lease", "default")
    assert read["spec"] == first
    second = {
        "holderIdentity": "holder2", "leaseDurationSeconds": 60, "leaseTransitions": 1,
        "acquireTime": "2026-01-01T00:00:10.000000Z", "renewTime": "2026-01-01T00:00:15.000000Z",
    }  # fmt: skip
    await rest_client.update(r.LEASES, {**read, "spec": second})
    assert (await rest_client.get(r.LEASES, "lease", "default"))["spec"] == second
    third = {**second, "holderIdentity": "holder3", "leaseTransitions": 2}
    await rest_client.patch(r.LEASES, "lease", {"spec": third}, "default")
    assert (await rest_client.get(r.LEASES, "lease", "default"))["spec"] == third
    await rest_client.create(r.LEASES, lease("other", {"deletecollection": "true"}, **first))
    names = [item["metadata"]["name"] for item in (await rest_client.list(r.LEASES, "default"))["items"]]
    assert names == ["lease", "other"]
    await rest_client.delete_collection(r.LEASES, "default", label_selector="deletecollection=true")
    names = [item["metadata"]["name"] for item in (await rest_client.list(r.LEASES, "default"))["items"]]
    assert names == ["lease"]
    await rest_client.delete(r.LEASES, "lease", "default")
    with pytest.raises(errors.NotFound):
        await rest_client.get(r.LEASES, "lease", "default")
