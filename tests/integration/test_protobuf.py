"""Answers in protobuf, read by the protobuf runtime: what a Go client with typed objects sees."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.api.resources import TABLE
from pinnace.apimachinery.protobuf import codec
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from protobuf_descriptors import message_class

PROTOBUF = "application/vnd.kubernetes.protobuf"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
GO_CLIENT = {"Accept": f"{PROTOBUF},application/json"}
METADATA = f"{PROTOBUF};as={{}};g=meta.k8s.io;v=v1"


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(api_server.url, connector=connector, headers=GO_CLIENT) as session:
        yield session


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


def opened(body: bytes) -> tuple[str, str, bytes]:
    assert body.startswith(b"k8s\0")
    unknown = message_class("runtime.Unknown").FromString(body[4:])
    return unknown.typeMeta.apiVersion, unknown.typeMeta.kind, unknown.raw


def read(body: bytes, api_version: str, kind: str, message: str) -> Any:
    found_version, found_kind, raw = opened(body)
    assert (found_version, found_kind) == (api_version, kind)
    return message_class(message).FromString(raw)


async def answer_of(
    http: aiohttp.ClientSession, method: str, path: str, code: int = 200, **more: Any
) -> bytes:
    async with http.request(method, path, **more) as answer:
        body = await answer.read()
        assert answer.status == code, body
        assert answer.content_type == PROTOBUF, body
    return body


async def test_every_verb_answers_in_protobuf(http: aiohttp.ClientSession) -> None:
    sent = {"data": codec.encode_object(config_map("a", k="v")), "headers": {"Content-Type": PROTOBUF}}
    created = read(
        await answer_of(http, "POST", CONFIG_MAPS, 201, **sent), "v1", "ConfigMap", "core.v1.ConfigMap"
    )
    assert (created.metadata.name, created.data["k"]) == ("a", "v")
    assert created.metadata.creationTimestamp.seconds > 0
    got = await answer_of(http, "GET", f"{CONFIG_MAPS}/a")
    assert read(got, "v1", "ConfigMap", "core.v1.ConfigMap") == created
    assert codec.decode_object(got)["metadata"]["resourceVersion"] == created.metadata.resourceVersion
    updated = await answer_of(http, "PUT", f"{CONFIG_MAPS}/a", json=config_map("a", k="w"))
    assert read(updated, "v1", "ConfigMap", "core.v1.ConfigMap").data["k"] == "w"
    merge = {"data": b'{"data":{"l":"x"}}', "headers": {"Content-Type": "application/merge-patch+json"}}
    patched = read(
        await answer_of(http, "PATCH", f"{CONFIG_MAPS}/a", **merge), "v1", "ConfigMap", "core.v1.ConfigMap"
    )
    assert dict(patched.data) == {"k": "w", "l": "x"}
    listed = read(await answer_of(http, "GET", CONFIG_MAPS), "v1", "ConfigMapList", "core.v1.ConfigMapList")
    assert [item.metadata.name for item in listed.items if item.metadata.name == "a"] == ["a"]
    assert int(listed.metadata.resourceVersion) >= int(patched.metadata.resourceVersion)
    deleted = read(await answer_of(http, "DELETE", f"{CONFIG_MAPS}/a"), "v1", "Status", "meta.v1.Status")
    assert (deleted.status, deleted.details.name) == ("Success", "a")
    many = await answer_of(http, "DELETE", CONFIG_MAPS)
    assert opened(many)[:2] == ("v1", "ConfigMapList")


async def test_errors_are_a_status_in_protobuf(http: aiohttp.ClientSession) -> None:
    missing = read(await answer_of(http, "GET", f"{CONFIG_MAPS}/no", 404), "v1", "Status", "meta.v1.Status")
    assert (missing.code, missing.reason, missing.details.name) == (404, "NotFound", "no")
    invalid = await answer_of(http, "POST", CONFIG_MAPS, 422, json=config_map("A B"))
    status = read(invalid, "v1", "Status", "meta.v1.Status")
    assert status.details.causes[0].field == "metadata.name"
    async with http.get(f"{CONFIG_MAPS}/no", headers={"Accept": "text/html"}) as refused:
        assert (refused.status, refused.content_type) == (406, "application/json")


async def test_pages_of_a_list(http: aiohttp.ClientSession) -> None:
    for name in ("a", "b", "c"):
        await answer_of(http, "POST", CONFIG_MAPS, 201, json=config_map(name))
    names, rest = [], ""
    while True:
        body = await answer_of(http, "GET", CONFIG_MAPS, params={"limit": "2", "continue": rest})
        page = read(body, "v1", "ConfigMapList", "core.v1.ConfigMapList")
        names += [item.metadata.name for item in page.items]
        rest = getattr(page.metadata, "continue")
        if not rest:
            break
        assert page.metadata.remainingItemCount
    assert {"a", "b", "c"} <= set(names)


async def test_subresources_and_reviews(http: aiohttp.ClientSession) -> None:
    labels = {"app": "web"}
    deployment = {
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }  # fmt: skip
    created = await answer_of(http, "POST", DEPLOYMENTS, 201, json=deployment)
    assert read(created, "apps/v1", "Deployment", "apps.v1.Deployment").spec.replicas == 3
    scale = await answer_of(http, "GET", f"{DEPLOYMENTS}/web/scale")
    assert read(scale, "autoscaling/v1", "Scale", "autoscaling.v1.Scale").status.selector == "app=web"
    review = {
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }  # fmt: skip
    sent = {"data": codec.encode_object(review), "headers": {"Content-Type": PROTOBUF}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    asked = await answer_of(http, "POST", path, 201, **sent)
    message = "authorization.v1.SelfSubjectAccessReview"
    assert read(asked, "authorization.k8s.io/v1", "SelfSubjectAccessReview", message).status.allowed
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "robot"}}
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await answer_of(http, "POST", accounts, 201, json=account)
    wanted = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": {"expirationSeconds": 600},
    }
    issued = await answer_of(http, "POST", f"{accounts}/robot/token", 201, json=wanted)
    token = read(issued, "authentication.k8s.io/v1", "TokenRequest", "authentication.v1.TokenRequest")
    assert token.status.token.count(".") == 2


async def test_metadata_only(http: aiohttp.ClientSession) -> None:
    await answer_of(http, "POST", CONFIG_MAPS, 201, json=config_map("a", k="v"))
    one = await answer_of(
        http, "GET", f"{CONFIG_MAPS}/a", headers={"Accept": METADATA.format("PartialObjectMetadata")}
    )
    found = read(one, "meta.k8s.io/v1", "PartialObjectMetadata", "meta.v1.PartialObjectMetadata")
    assert found.metadata.name == "a"
    headers = {"Accept": METADATA.format("PartialObjectMetadataList")}
    many = await answer_of(http, "GET", CONFIG_MAPS, headers=headers)
    listed = read(many, "meta.k8s.io/v1", "PartialObjectMetadataList", "meta.v1.PartialObjectMetadataList")
    assert "a" in [item.metadata.name for item in listed.items]


async def test_a_table_is_not_protobuf(http: aiohttp.ClientSession) -> None:
    table = {"Accept": f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io"}
    async with http.get(CONFIG_MAPS, headers=table) as refused:
        assert refused.status == 406
    table = {"Accept": f"{table['Accept']},application/json"}
    async with http.get(CONFIG_MAPS, headers=table) as answer:
        assert (await answer.json())["kind"] == "ConfigMapList"


async def test_every_listable_kind_with_a_message_lists(http: aiohttp.ClientSession) -> None:
    for row in TABLE:
        if "list" not in row.verbs or not codec.is_known(row.gvr.api_version, row.kind):
            continue
        body = await answer_of(http, "GET", row.gvr.path())
        assert opened(body)[:2] == (row.gvr.api_version, row.list_kind)


async def frame(stream: aiohttp.StreamReader) -> Any:
    async with asyncio.timeout(10):
        size = int.from_bytes(await stream.readexactly(4), "big")
        return message_class("meta.v1.WatchEvent").FromString(await stream.readexactly(size))


async def test_a_watch_is_frames(api_server: ApiServerInProcess, http: aiohttp.ClientSession) -> None:
    created = codec.decode_object(
        await answer_of(http, "POST", CONFIG_MAPS, 201, json=config_map("a", k="1"))
    )
    query = {"watch": "true", "resourceVersion": "0", "fieldSelector": "metadata.name=a"}
    async with http.get(CONFIG_MAPS, params=query) as answer:
        assert answer.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
        first = await frame(answer.content)
        assert first.type == "ADDED"
        assert codec.decode_object(first.object.raw) == created
        await api_server.local_client().update(r.CONFIG_MAPS, {**created, "data": {"k": "2"}})
        second = await frame(answer.content)
        found = read(second.object.raw, "v1", "ConfigMap", "core.v1.ConfigMap")
        assert (second.type, found.data["k"]) == ("MODIFIED", "2")
        await api_server.local_client().delete(r.CONFIG_MAPS, "a", "default")
        assert (await frame(answer.content)).type == "DELETED"


async def test_a_streamed_list_ends_with_a_bookmark(http: aiohttp.ClientSession) -> None:
    await answer_of(http, "POST", CONFIG_MAPS, 201, json=config_map("a"))
    query = {
        "watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }  # fmt: skip
    headers = {"Accept": METADATA.format("PartialObjectMetadata")}
    for accept in (GO_CLIENT, headers):
        async with http.get(CONFIG_MAPS, params=query, headers=accept) as answer:
            types = [(event := await frame(answer.content)).type]
            while types[-1] != "BOOKMARK":
                types.append((event := await frame(answer.content)).type)
            assert "ADDED" in types
            annotations = codec.decode_object(event.object.raw)["metadata"]["annotations"]
            assert annotations["k8s.io/initial-events-end"] == "true"


async def test_an_expired_watch_says_so_in_its_stream(tmp_path: Path) -> None:
    backend = MemoryBackend()
    async with ApiServerInProcess(tmp_path, backend=backend) as server:
        await backend.compact(await backend.revision())
        tls = server.tls(server.authority.client("admin", MASTERS))
        connector = aiohttp.TCPConnector(ssl=tls)
        async with (
            aiohttp.ClientSession(server.url, connector=connector, headers=GO_CLIENT) as session,
            session.get("/api/v1/secrets", params={"watch": "true", "resourceVersion": "1"}) as answer,
        ):
            event = await frame(answer.content)
            assert await answer.content.read() == b""
    status = read(event.object.raw, "v1", "Status", "meta.v1.Status")
    assert (event.type, status.code, status.reason) == ("ERROR", 410, "Expired")
