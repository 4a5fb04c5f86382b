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
    created = await api_server.local_client().create(row.gvr, obj, namespace)
    if "status" in obj and row.subresource("status"):
        created = await api_server.local_client().update(
            row.gvr, {**created, "status": obj["status"]}, subresource="status"
        )
    path = f"{row.gvr.path(namespace)}/{created['metadata']['name']}"
    before = await in_json(http, path)
    if not codec.is_known(row.gvr.api_version, row.kind):
        pytest.fail(f"{row.kind} has no protobuf message")
    body = await answer_of(http, "GET", path)
    assert body.startswith(b"k8s\0")
    assert codec.decode_object(body) == before
    written = codec.decode_object(await answer_of(http, "PUT", path, data=body))
    assert written["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert await in_json(http, path) == before
    events = await watched(http, row.gvr.path(namespace), "protobuf", before["metadata"]["name"])
    assert [codec.decode_object(raw) for _, raw in events[:-1]] == [before]
    bookmark = codec.decode_object(events[-1][1])
    assert (events[-1][0], bookmark["kind"], bookmark["apiVersion"]) == (
        "BOOKMARK",
        row.kind,
        row.gvr.api_version,
    )
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def sound(row: Resource) -> dict[str, Any]:
    obj = meta.mutable_copy(example(row))
    del obj["metadata"]["resourceVersion"]
    del obj["metadata"]["ownerReferences"]
    return obj


async def frame(stream: aiohttp.StreamReader) -> Any:
    async with asyncio.timeout(10):
        size = int.from_bytes(await stream.readexactly(4), "big")
        return message_class("meta.v1.WatchEvent").FromString(await stream.readexactly(size))


async def watched(
    http: aiohttp.ClientSession, path: str, _: str, name: str, accept: str = TYPED["Accept"]
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
