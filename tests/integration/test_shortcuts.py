"""What spares work must not be noticed: written objects that go into the cache as they are, remembered judgements, settled specs."""

from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.local_client import LocalClient
from pinnace.testing.api_server import ApiServerInProcess


@pytest_asyncio.fixture
async def client(api_server: ApiServerInProcess) -> LocalClient:
    local = api_server.local_client()
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await local.create(r.SERVICE_ACCOUNTS, account, "default")
    return local


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "i",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "b"}],
    }
    own = {"automountServiceAccountToken": False, "containers": [container], **spec}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": {"n": name}}, "spec": own}


def owned(obj: dict[str, Any]) -> dict[str, Any]:
    (entry,) = obj["metadata"]["managedFields"]
    fields: dict[str, Any] = entry["fieldsV1"]
    return fields


async def test_pods_of_one_template_are_owned_and_judged_alike(client: LocalClient) -> None:
    first, second = [await client.create(r.PODS, pod(name), "default") for name in ("a", "b")]
    assert owned(first)["f:spec"] == owned(second)["f:spec"]
    container = owned(first)["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert {"f:image", "f:ports", "f:env", "."} <= container.keys()
    assert first["status"]["qosClass"] == second["status"]["qosClass"] == "BestEffort"
    third = await client.create(r.PODS, pod("c", hostname="h"), "default")
    assert "f:hostname" in owned(third)["f:spec"]
    assert "f:hostname" not in owned(second)["f:spec"]


async def test_a_fault_is_found_every_time(client: LocalClient) -> None:
    for _ in range(2):
        with pytest.raises(errors.Invalid, match="restartPolicy"):
            await client.create(r.PODS, pod("bad", restartPolicy="Sometimes"), "default")


async def test_an_update_with_the_stored_spec_changes_the_rest_alone(client: LocalClient) -> None:
    stored = await client.create(r.PODS, pod("a"), "default")
    changed = {**stored, "metadata": {**stored["metadata"], "labels": {"n": "other"}, "annotations": None}}
    updated = await client.update(r.PODS, changed)
    assert updated["spec"] == stored["spec"]
    assert updated["metadata"]["labels"] == {"n": "other"}
    assert "annotations" not in updated["metadata"], "what is not settled is normalised"


@pytest.mark.parametrize(
    "spec", [{"terminationGracePeriodSeconds": True}, {"enableServiceLinks": 1}, {"containers": {}}]
)
async def test_what_only_equals_the_stored_spec_in_python_is_checked(
    client: LocalClient, spec: dict[str, Any]
) -> None:
    await client.create(r.PODS, pod("a", terminationGracePeriodSeconds=1), "default")
    with pytest.raises(errors.Invalid, match="cannot unmarshal"):
        await client.patch(r.PODS, "a", {"spec": spec}, "default")


async def test_an_unknown_field_beside_a_settled_spec_is_told(client: LocalClient) -> None:
    await client.create(r.PODS, pod("a"), "default")
    patched = await client.patch(r.PODS, "a", {"metadata": {"nonsense": 1, "labels": {"x": "y"}}}, "default")
    assert "nonsense" not in patched["metadata"]
    assert patched["metadata"]["labels"] == {"n": "a", "x": "y"}


async def test_the_cache_holds_what_was_written_as_it_was_written(
    api_server: ApiServerInProcess, client: LocalClient
) -> None:
    created = await client.create(r.PODS, pod("a"), "default")
    read = await client.get(r.PODS, "a", "default")
    assert read == created
    listed = (await client.list(r.PODS, "default"))["items"]
    assert listed == [created]
    assert next(iter(created["metadata"])) == "resourceVersion", "as the bytes have it"
