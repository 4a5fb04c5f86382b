"""The wire itself: content types, errors, limits, bad input. Nothing a client sends makes a 500."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.testing.api_server import MASTERS, ApiServerInProcess

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield session


def config_map(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, **more}


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"metadata": 3}',
    b'{"metadata": {"name": 3}}',
    b'{"metadata": {"name": "a", "labels": []}}',
    b'{"metadata": {"name": "a", "labels": {"x": 1}}}',
    b'{"metadata": {"name": "a", "finalizers": "x"}}',
    b'{"metadata": {"name": "a", "ownerReferences": [1]}}',
    b'{"metadata": {"name": "a", "managedFields": [[]]}}',
    b'{"metadata": {"name": "a", "creationTimestamp": 5}}',
    b'{"metadata": {"name": "a", "creationTimestamp": "yesterday"}}',
    b'{"metadata": {"name": "a", "generation": "x"}}',
    b'{"metadata": {"name": "' + b"a" * 300 + b'"}}',
    b'{"metadata": {"name": "../x"}}',
    b'{"metadata": {"name": "a"}, "data": [1]}',
    b'{"metadata": {"name": "a"}, "data": {"k": 1}}',
    b'{"metadata": {"name": "a"}, "kind": "Pod"}',
    b'{"metadata": {"name": "a"}, "kind": 3}',
    b'{"metadata": {"name": "a"}, "apiVersion": "v2"}',
    b'{"metadata": {}}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: body[:40].decode(errors="replace"))
@pytest.mark.parametrize(
    "media", ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
)
async def test_bad_bodies_are_the_clients_fault(http: aiohttp.ClientSession, body: bytes, media: str) -> None:
    async with http.post(CONFIG_MAPS, data=body, headers={"Content-Type": media}) as answer:
        status = await answer.json()
    assert 400 <= answer.status < 500, status
    assert status["kind"] == "Status"
    assert status["message"]


BAD_PATCHES = [
    ("application/json-patch+json", b"{}"),
    ("application/json-patch+json", b'[{"op":"fly"}]'),
    ("application/json-patch+json", b'[{"op":"remove","path":"/data/none"}]'),
    ("application/json-patch+json", b'[{"op":"replace","path":"","value":3}]'),
    ("application/json-patch+json", b'[{"op":"replace","path":"/metadata","value":null}]'),
    ("application/json-patch+json", b'[{"op":"add","path":"/metadata/name","value":"other"}]'),
    ("application/json-patch+json", b"[3]"),
    ("application/merge-patch+json", b"[]"),
    ("application/merge-patch+json", b'{"metadata": null}'),
    ("application/merge-patch+json", b'{"metadata": {"name": "other"}}'),
    ("application/merge-patch+json", b'{"kind": "Pod"}'),
    ("application/merge-patch+json", b'{"data": 3}'),
    ("application/strategic-merge-patch+json", b'{"data": []}'),
    ("application/strategic-merge-patch+json", b'{"$patch": "fly"}'),
    ("application/apply-patch+yaml", b"a: ["),
    ("application/apply-patch+yaml", b"metadata: 3"),
    ("application/apply-patch+yaml", b"data: {a: 1}"),
    ("application/apply-patch+yaml", b"kind: Pod\napiVersion: v1"),
    ("text/plain", b"{}"),
]


@pytest.mark.parametrize(("media", "body"), BAD_PATCHES)
async def test_bad_patches_change_nothing(http: aiohttp.ClientSession, media: str, body: bytes) -> None:
    async with http.post(CONFIG_MAPS, json=config_map("a", data={"k": "v"})) as answer:
        before = await answer.json()
    url = f"{CONFIG_MAPS}/a?fieldManager=test"
    async with http.patch(url, data=body, headers={"Content-Type": media}) as answer:
        status = await answer.json()
    assert 400 <= answer.status < 500, status
    async with http.get(f"{CONFIG_MAPS}/a") as answer:
        assert await answer.json() == before


@pytest.mark.parametrize(
    "query",
    [
        "labelSelector=a%3D%3D%3Db", "labelSelector=(", "fieldSelector=x", "fieldSelector=data.x%3Dy", "limit=x",
        "continue=x", "continue=e30", "resourceVersion=x", "resourceVersion=-1", "resourceVersionMatch=Exact",
        "resourceVersion=0&resourceVersionMatch=Exact", "resourceVersion=1&resourceVersionMatch=Wrong",
        "sendInitialEvents=true", "watch=1&resourceVersion=x", "watch=1&resourceVersionMatch=NotOlderThan",
        "watch=1&sendInitialEvents=true", "watch=1&timeoutSeconds=x", "timeout=x",
        "resourceVersion=99999999999999999999999",
    ],
)  # fmt: skip
async def test_bad_queries(http: aiohttp.ClientSession, query: str) -> None:
    async with http.get(f"{CONFIG_MAPS}?{query}") as answer:
        status = await answer.json()
    assert 400 <= answer.status < 500, status


async def test_a_too_large_body_is_refused(http: aiohttp.ClientSession) -> None:
    body = config_map("a", data={"k": "x" * (3 * 1024 * 1024)})
    async with http.post(CONFIG_MAPS, json=body) as answer:
        status = await answer.json()
    assert (answer.status, status["reason"]) == (413, "RequestEntityTooLarge")


async def test_unknown_paths_and_methods(http: aiohttp.ClientSession) -> None:
    for method, path, code in (
        ("GET", "/api/v1/nothing", 404), ("GET", "/apis/none/v1/x", 404), ("GET", "/none", 404),
        ("PUT", "/api/v1/configmaps", 405), ("POST", "/api/v1/configmaps", 405), ("POST", "/version", 405),
        ("GET", "/api/v1/namespaces/default/nodes", 404), ("GET", "/api/v1/configmaps/a", 404),
        ("GET", f"{CONFIG_MAPS}/a/none", 404),
    ):  # fmt: skip
        async with http.request(method, path) as answer:
            assert answer.status == code, (method, path, await answer.text())


async def test_yaml_in_and_out(http: aiohttp.ClientSession) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  k: v\n"
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    async with http.post(CONFIG_MAPS, data=body, headers=headers) as answer:
        text = await answer.text()
    assert answer.status == 201
    assert answer.content_type == "application/yaml"
    assert "k: v" in text


async def test_forms_on_demand(http: aiohttp.ClientSession) -> None:
    await http.post(CONFIG_MAPS, json=config_map("a"))
    accept = "application/json;as={};v=v1;g=meta.k8s.io"
    async with http.get(CONFIG_MAPS, headers={"Accept": accept.format("Table")}) as answer:
        table = await answer.json()
    assert table["kind"] == "Table"
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    async with http.get(
        CONFIG_MAPS, headers={"Accept": accept.format("PartialObjectMetadataList")}
    ) as answer:
        partial = await answer.json()
    assert partial["items"][0].keys() == {"kind", "apiVersion", "metadata"}
    async with http.get(
        f"{CONFIG_MAPS}?includeObject=x", headers={"Accept": accept.format("Table")}
    ) as answer:
        assert answer.status == 400


async def test_pretty(http: aiohttp.ClientSession) -> None:
    async with http.get(f"{CONFIG_MAPS}?pretty=true") as answer:
        assert (await answer.text()).startswith('{\n  "kind": "ConfigMapList"')


async def test_warning_header(http: aiohttp.ClientSession) -> None:
    async with http.post(CONFIG_MAPS, json=config_map("a", datum=1)) as answer:
        assert answer.headers["Warning"] == '299 - "unknown field \\"datum\\""'


async def test_health_version_metrics(http: aiohttp.ClientSession) -> None:
    async with http.get("/readyz?verbose") as answer:
        assert "[+]etcd ok" in await answer.text()
    async with http.get("/livez/ping") as answer:
        assert await answer.text() == "ok"
    async with http.get("/healthz/none") as answer:
        assert answer.status == 404
    async with http.get("/metrics") as answer:
        assert "apiserver_request_total" in await answer.text()


async def test_wrong_token_is_401_and_no_identity_is_anonymous(api_server: ApiServerInProcess) -> None:
    connector = aiohttp.TCPConnector(ssl=api_server.tls())
    async with aiohttp.ClientSession(api_server.url, connector=connector) as session:
        async with session.get("/version") as answer:
            assert answer.status == 200
        async with session.get("/api/v1/pods") as answer:
            assert answer.status == 403
            assert 'User "system:anonymous" cannot list' in (await answer.json())["message"]
        for token in ("nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
            async with session.get("/version", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 401


async def test_watch_ends_when_the_server_stops(tmp_path: Path) -> None:
    async with ApiServerInProcess(tmp_path) as api:
        client = api.rest_client()
        events = client.watch(r.PODS, resource_version="1")
        waiting = asyncio.ensure_future(anext(events, None))
        await client.raw("GET", "/version")
        await api.server.stop()
        async with asyncio.timeout(5):
            ended = await asyncio.gather(waiting, return_exceptions=True)
    assert ended[0] is None or isinstance(ended[0], ConnectionError)


async def test_aliases_that_explode_are_refused(http: aiohttp.ClientSession) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghi")]
    async with http.post(
        CONFIG_MAPS, data="\n".join(lines), headers={"Content-Type": "application/yaml"}
    ) as answer:
        assert answer.status == 400
        assert "aliases" in (await answer.json())["message"]
