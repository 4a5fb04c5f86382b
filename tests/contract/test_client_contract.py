"""What every `Client` must do, over HTTPS and in process alike."""

import asyncio

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.local_client import LocalClient
from pinnace.client.interface import JSON_PATCH, STRATEGIC_MERGE_PATCH, Client
from pinnace.testing.api_server import ApiServerInProcess


@pytest.fixture(params=["https", "in-process"])
def client(request: pytest.FixtureRequest, api_server: ApiServerInProcess) -> Client:
    return api_server.rest_client() if request.param == "https" else api_server.local_client()


def config_map(name: str, **data: str) -> dict:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


async def test_create_fills_in_what_the_server_owns(client: Client) -> None:
    made = await client.create(r.CONFIG_MAPS, config_map("a", key="value"), "default")
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"].keys() >= {"uid", "creationTimestamp", "resourceVersion"}
    assert made["data"] == {"key": "value"}
    assert await client.get(r.CONFIG_MAPS, "a", "default") == made


async def test_create_does_not_change_the_body(client: Client) -> None:
    body = config_map("a")
    await client.create(r.CONFIG_MAPS, body, "default")
    assert body == config_map("a")


async def test_a_second_create_is_refused(client: Client) -> None:
    await client.create(r.CONFIG_MAPS, config_map("a"), "default")
    with pytest.raises(errors.AlreadyExists, match='configmaps "a" already exists'):
        await client.create(r.CONFIG_MAPS, config_map("a"), "default")


async def test_generate_name_draws_a_name(client: Client) -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"generateName": "web-"}}
    one, two = [await client.create(r.CONFIG_MAPS, body, "default") for _ in range(2)]
    assert one["metadata"]["name"].startswith("web-")
    assert one["metadata"]["name"] != two["metadata"]["name"]


async def test_dry_run_stores_nothing(client: Client) -> None:
    made = await client.create(r.CONFIG_MAPS, config_map("a"), "default", dry_run=True)
    assert made["metadata"]["uid"]
    with pytest.raises(errors.NotFound):
        await client.get(r.CONFIG_MAPS, "a", "default")


async def test_missing_object_is_not_found(client: Client) -> None:
    with pytest.raises(errors.NotFound, match='configmaps "nothing" not found'):
        await client.get(r.CONFIG_MAPS, "nothing", "default")


async def test_update_is_guarded_by_the_resource_version(client: Client) -> None:
    made = await client.create(r.CONFIG_MAPS, config_map("a"), "default")
    changed = await client.update(r.CONFIG_MAPS, {**made, "data": {"b": "c"}})
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    with pytest.raises(errors.Conflict, match="the object has been modified"):
        await client.update(r.CONFIG_MAPS, {**made, "data": {"lost": "update"}})


async def test_merge_patch_removes_by_null(client: Client) -> None:
    await client.create(r.CONFIG_MAPS, config_map("a", one="1", two="2"), "default")
    patched = await client.patch(r.CONFIG_MAPS, "a", {"data": {"one": None, "three": "3"}}, "default")
    assert patched["data"] == {"two": "2", "three": "3"}


async def test_json_patch(client: Client) -> None:
    await client.create(r.CONFIG_MAPS, config_map("a", one="1"), "default")
    operations = [{"op": "replace", "path": "/data/one", "value": "x"}]
    patched = await client.patch(r.CONFIG_MAPS, "a", operations, "default", content_type=JSON_PATCH)
    assert patched["data"] == {"one": "x"}


async def test_strategic_merge_patch(client: Client) -> None:
    await client.create(r.CONFIG_MAPS, config_map("a", one="1"), "default")
    change = {"metadata": {"labels": {"x": "y"}}}
    patched = await client.patch(r.CONFIG_MAPS, "a", change, "default", content_type=STRATEGIC_MERGE_PATCH)
    assert patched["metadata"]["labels"] == {"x": "y"}


async def test_list_selects_by_label_and_pages(client: Client) -> None:
    for number in range(5):
        body = config_map(f"a{number}")
        body["metadata"]["labels"] = {"even": str(number % 2 == 0).lower()}
        await client.create(r.CONFIG_MAPS, body, "default")
    even = await client.list(r.CONFIG_MAPS, "default", label_selector="even=true")
    assert [item["metadata"]["name"] for item in even["items"]] == ["a0", "a2", "a4"]
    first = await client.list(r.CONFIG_MAPS, "default", limit=2)
    assert first["metadata"]["remainingItemCount"] == 3
    rest = await client.list(r.CONFIG_MAPS, "default", continue_token=first["metadata"]["continue"])
    assert [item["metadata"]["name"] for item in rest["items"]] == ["a2", "a3", "a4"]


async def test_list_selects_by_field(client: Client) -> None:
    for name in ("a", "b"):
        await client.create(r.CONFIG_MAPS, config_map(name), "default")
    found = await client.list(r.CONFIG_MAPS, field_selector="metadata.name=b")
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]
    with pytest.raises(errors.BadRequest):
        await client.list(r.CONFIG_MAPS, field_selector="data.x=b")


async def test_watch_tells_what_happens_after_a_version(client: Client) -> None:
    start = (await client.list(r.CONFIG_MAPS, "default"))["metadata"]["resourceVersion"]
    await client.create(r.CONFIG_MAPS, config_map("a"), "default")
    await client.patch(r.CONFIG_MAPS, "a", {"data": {"x": "y"}}, "default")
    await client.delete(r.CONFIG_MAPS, "a", "default")
    seen = []
    events = client.watch(r.CONFIG_MAPS, "default", resource_version=start)
    async for event in events:
        seen.append((event.type, event.object["metadata"]["name"]))
        if event.type == "DELETED":
            break
    await events.aclose()
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_closed_client_leaves_no_watch_waiting(api_server: ApiServerInProcess) -> None:
    client = api_server.rest_client()
    version = (await client.list(r.CONFIG_MAPS))["metadata"]["resourceVersion"]
    watch = client.watch(r.CONFIG_MAPS, resource_version=version, bookmarks=False)
    waiting = asyncio.ensure_future(anext(watch))
    await client.create(r.CONFIG_MAPS, config_map("a"), "default")
    assert (await waiting).type == "ADDED"
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(waiting, 10)


async def test_finalizers_keep_an_object_until_they_are_gone(client: Client) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["example.com/keep"]
    await client.create(r.CONFIG_MAPS, body, "default")
    await client.delete(r.CONFIG_MAPS, "a", "default")
    kept = await client.get(r.CONFIG_MAPS, "a", "default")
    assert "deletionTimestamp" in kept["metadata"]
    await client.patch(r.CONFIG_MAPS, "a", {"metadata": {"finalizers": None}}, "default")
    with pytest.raises(errors.NotFound):
        await client.get(r.CONFIG_MAPS, "a", "default")


async def test_delete_honours_preconditions(client: Client) -> None:
    await client.create(r.CONFIG_MAPS, config_map("a"), "default")
    with pytest.raises(errors.Conflict, match="the UID in the precondition"):
        await client.delete(r.CONFIG_MAPS, "a", "default", uid="other")


async def test_raw_reaches_any_path(client: Client) -> None:
    assert (await client.raw("GET", "/version"))["major"] == "1"
    assert await client.raw("GET", "/readyz") == "ok"


@pytest.mark.parametrize("transport", ["https", "in-process"])
async def test_who_may_not_is_forbidden(api_server: ApiServerInProcess, transport: str) -> None:
    client: Client | LocalClient = (
        api_server.rest_client("jane", ()) if transport == "https" else api_server.local_client("jane", ())
    )
    sentence = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    with pytest.raises(errors.Forbidden, match=sentence):
        await client.list(r.PODS, "default")
