"""What a Go client says and hears, for every kind: typed clients, informers, metadata informers and discovery of client-go.

Their headers and queries are those of client-go 1.32 and later; the answers are read with the protobuf runtime as well as with our codec.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.resources import TABLE, Resource
from pinnace.apimachinery.protobuf import codec
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from protobuf_descriptors import message_class
from unit.api.test_incomplete_objects import example

PROTOBUF = "application/vnd.kubernetes.protobuf"
TYPED = {"Accept": f"{PROTOBUF},application/json", "Accept-Encoding": "gzip", "Content-Type": PROTOBUF}
METADATA = "{type};as={kind};g=meta.k8s.io;v=v1"
DISCOVERY = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList" for v in ("v2", "v2beta1")]
    + ["application/json"]
)
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
INITIAL = {
    "watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true",
}  # fmt: skip
STORED = [row for row in TABLE if {"create", "get", "update"} <= set(row.verbs)]


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(
        api_server.url, connector=connector, headers=TYPED, auto_decompress=False
    ) as session:
        yield session


async def answer_of(
    http: aiohttp.ClientSession, method: str, path: str, code: int = 200, **more: Any
) -> bytes:
    async with http.request(method, path, **more) as answer:
        body = await answer.read()
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert answer.status == code, body
    return body


async def in_json(http: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    return json.loads(await answer_of(http, "GET", path, headers={"Accept": "application/json"}))


def metadata_only(kind: str) -> str:
    """The Accept header of client-go's metadata client."""
    choices = (METADATA.format(type=t, kind=kind) for t in (PROTOBUF, "application/json"))
    return ",".join([*choices, "application/json"])


@pytest.mark.parametrize("row", STORED, ids=lambda row: row.gvr.qualified + "." + row.gvr.version)
async def test_every_kind_goes_through_protobuf_and_back(
    api_server: ApiServerInProcess, http: aiohttp.ClientSession, row: Resource
) -> None:
    """What a typed client reads and writes back unchanged is no change: nothing is lost on the way."""
    obj = sound(row)
    namespace = "default" if row.namespaced else ""
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    if row.kind == "Pod":
        await api_server.local_client().create(r.SERVICE_ACCOUNTS, account, namespace)
    created = await api_server.local_client().create(row.gvr, obj, namespace)
    if "status" in obj and row.subresource("status"):
        created = await api_server.local_client().update(
            row.gvr, {**created, "status": obj["status"]}, subresource="status"
        )
    path = f"{row.gvr.path(namespace)}/{created['metadata']['name']}"
    if row.kind == "FlowSchema":  # its controller writes, too
        before = await in_json(http, path)
        while before["status"]["conditions"][0].get("reason") != "Found":
            await asyncio.sleep(0)
            before = await in_json(http, path)
    before = await in_json(http, path)
    if not codec.is_known(row.gvr.api_version, row.kind):
        pytest.fail(f"{row.kind} has no protobuf message")
    body = await answer_of(http, "GET", path)
    assert body.startswith(b"k8s\0")
    assert codec.decode_object(body) == as_message(before)
    written = codec.decode_object(await answer_of(http, "PUT", path, data=body))
    assert written["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert await in_json(http, path) == before
    events = await watched(http, row.gvr.path(namespace), before["metadata"]["name"])
    assert [codec.decode_object(raw) for _, raw in events[:-1]] == [as_message(before)]
    bookmark = codec.decode_object(events[-1][1])
    assert (events[-1][0], bookmark["kind"], bookmark["apiVersion"]) == (
        "BOOKMARK",
        row.kind,
        row.gvr.api_version,
    )
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def as_message(obj: dict[str, Any]) -> dict[str, Any]:
    """What of a JSON object its message can say: a claim inside a set has no place for its kind."""
    known = meta.mutable_copy(obj)
    for claim in known.get("spec", {}).get("volumeClaimTemplates", ()):
        del claim["kind"], claim["apiVersion"]
    return known


def sound(row: Resource) -> dict[str, Any]:
    """The rich example of this kind, without what makes it unfit for storing."""
    obj = meta.mutable_copy(example(row))
    del obj["metadata"]["resourceVersion"]
    del obj["metadata"]["ownerReferences"]
    match row.kind:
        case "Event":
            reporter = {"reportingController": "a.b/c", "reportingInstance": "i"}
            reporter |= {"reportingComponent": "a.b/c"} if row.gvr.group == "" else {}
            obj |= {**reporter, "action": "A", "reason": "R", "type": "Normal"}
            del obj["source"], obj["series"]
            if row.gvr.group:
                obj["regarding"] = obj.pop("involvedObject")
            else:
                obj.pop("reportingController")
        case "Pod" | "PodTemplate":
            spec = obj["spec"] if row.kind == "Pod" else obj["template"]["spec"]
            spec["volumes"][4]["iscsi"]["secretRef"] = {"name": "chap"}
        case "Service":
            del obj["spec"]["clusterIP"]
        case "APIService":
            obj["metadata"]["name"] = "v1.a.b"
        case "Job":
            del obj["status"]
        case "CronJob":
            for field in ("selector", "manualSelector"):
                del obj["spec"]["jobTemplate"]["spec"][field]
        case "CustomResourceDefinition":
            names = {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}
            schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
            version = {"name": "v1", "served": True, "storage": True, "schema": schema}
            obj["metadata"]["name"] = "boats.example.com"
            obj["spec"] = {
                "group": "example.com",
                "scope": "Namespaced",
                "names": names,
                "versions": [version],
            }
    return obj


async def frame(stream: aiohttp.StreamReader) -> Any:
    async with asyncio.timeout(10):
        size = int.from_bytes(await stream.readexactly(4), "big")
        return message_class("meta.v1.WatchEvent").FromString(await stream.readexactly(size))


async def watched(
    http: aiohttp.ClientSession, path: str, name: str, accept: str = TYPED["Accept"]
) -> list[tuple[str, bytes]]:
    """A streaming list as client-go's reflector asks for it: the events up to the bookmark that ends it."""
    query = {**INITIAL, "fieldSelector": f"metadata.name={name}", "timeoutSeconds": "20"}
    seen: list[tuple[str, bytes]] = []
    async with http.get(path, params=query, headers={"Accept": accept}) as answer:
        assert answer.status == 200, await answer.read()
        assert answer.headers["Content-Type"].startswith(PROTOBUF)
        assert answer.headers["Content-Type"].endswith(";stream=watch")
        while not seen or seen[-1][0] != "BOOKMARK":
            event = await frame(answer.content)
            seen.append((event.type, event.object.raw))
    return seen


def made(name: str, **data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize("row", STORED, ids=lambda row: row.gvr.qualified + "." + row.gvr.version)
async def test_metadata_informers_of_every_kind(
    api_server: ApiServerInProcess, http: aiohttp.ClientSession, row: Resource
) -> None:
    namespace = "default" if row.namespaced else ""
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    if row.kind == "Pod":
        await api_server.local_client().create(r.SERVICE_ACCOUNTS, account, namespace)
    name = (await api_server.local_client().create(row.gvr, sound(row), namespace))["metadata"]["name"]
    listed = codec.decode_object(
        await answer_of(
            http,
            "GET",
            row.gvr.path(namespace),
            headers={"Accept": metadata_only("PartialObjectMetadataList")},
            params={"fieldSelector": f"metadata.name={name}", "limit": "500"},
        )
    )
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert [item["metadata"]["name"] for item in listed["items"]] == [name]
    assert all("spec" not in item for item in listed["items"])
    accept = metadata_only("PartialObjectMetadata")
    events = await watched(http, row.gvr.path(namespace), name, accept)
    for _, raw in events:
        found = codec.decode_object(raw)
        assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert [codec.decode_object(raw)["metadata"]["name"] for _, raw in events[:-1]] == [name]


async def test_options_in_protobuf_are_read(http: aiohttp.ClientSession) -> None:
    """client-go sends DeleteOptions in the version of the group that it deletes from."""
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    deployment = {
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip
    created = codec.decode_object(
        await answer_of(http, "POST", deployments, 201, data=codec.encode_object(deployment))
    )
    stale = {"preconditions": {"uid": "another"}}
    options = {"kind": "DeleteOptions", "apiVersion": "apps/v1"}
    refused = codec.decode_object(
        await answer_of(
            http, "DELETE", f"{deployments}/web", 409, data=codec.encode_object({**options, **stale})
        )
    )
    assert refused["reason"] == "Conflict"
    foreground = {"propagationPolicy": "Foreground", "preconditions": {"uid": created["metadata"]["uid"]}}
    waiting = codec.decode_object(
        await answer_of(
            http, "DELETE", f"{deployments}/web", data=codec.encode_object({**options, **foreground})
        )
    )
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_large_answers_are_packed(http: aiohttp.ClientSession) -> None:
    """Go's transport asks for gzip; upstream packs what is larger than 128 KiB."""
    large = made("large", k="x" * 200_000)
    await answer_of(http, "POST", CONFIG_MAPS, 201, data=codec.encode_object(large))
    for accept in (TYPED["Accept"], "application/json"):
        async with http.get(f"{CONFIG_MAPS}/large", headers={"Accept": accept}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "Accept-Encoding" in answer.headers["Vary"]
            body = gzip.decompress(await answer.read())
        found = codec.decode_object(body) if body.startswith(b"k8s") else json.loads(body)
        assert found["data"] == large["data"]
        async with http.get(
            f"{CONFIG_MAPS}/large", headers={"Accept": accept, "Accept-Encoding": "identity"}
        ) as answer:
            assert "Content-Encoding" not in answer.headers
    await answer_of(http, "POST", CONFIG_MAPS, 201, data=codec.encode_object(made("small")))
    async with http.get(f"{CONFIG_MAPS}/small") as answer:
        assert "Content-Encoding" not in answer.headers


async def test_discovery_as_client_go_asks(http: aiohttp.ClientSession) -> None:
    kinds = set()
    for path in ("/api", "/apis"):
        async with http.get(path, headers={"Accept": DISCOVERY}) as answer:
            assert answer.headers["Content-Type"] == (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            )
            body = await answer.read()
            etag = answer.headers["Etag"]
        if body.startswith(b"\x1f\x8b"):
            body = gzip.decompress(body)
        document = json.loads(body)
        assert document["kind"] == "APIGroupDiscoveryList"
        for group in document["items"]:
            for version in group["versions"]:
                kinds |= {
                    (group["metadata"].get("name", ""), version["version"], resource["resource"])
                    for resource in version["resources"]
                }
        async with http.get(path, headers={"Accept": DISCOVERY, "If-None-Match": etag}) as answer:
            assert answer.status == 304
    assert {(row.gvr.group, row.gvr.version, row.gvr.resource) for row in STORED} <= kinds


async def test_a_taken_name_is_not_drawn_again(http: aiohttp.ClientSession) -> None:
    """A name that the client gave stays, also beside `generateName`: kr8s creates twice what came back the first time."""
    body = made("web-abcde")
    body["metadata"]["generateName"] = "web-"
    await answer_of(http, "POST", CONFIG_MAPS, 201, data=codec.encode_object(body))
    refused = codec.decode_object(
        await answer_of(http, "POST", CONFIG_MAPS, 409, data=codec.encode_object(body))
    )
    assert refused["message"] == 'configmaps "web-abcde" already exists'
