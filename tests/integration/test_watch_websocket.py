"""A watch over WebSocket, as browsers do it: one event per message."""

import base64
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.wait import eventually
from protobuf_descriptors import message_class

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
WATCH = f"{CONFIG_MAPS}?watch=true&resourceVersion=0&fieldSelector=metadata.name%3Da"


VIEW = {
    "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "browser"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"kind": "ServiceAccount", "name": "browser", "namespace": "default"}],
}  # fmt: skip


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield session


async def create(api_server: ApiServerInProcess) -> dict[str, Any]:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "1"}}
    return await api_server.local_client().create(r.CONFIG_MAPS, body, "default")


async def test_events_are_text_messages(api_server: ApiServerInProcess, http: aiohttp.ClientSession) -> None:
    created = await create(api_server)
    async with http.ws_connect(WATCH) as socket:
        assert socket.protocol is None
        first = await socket.receive_json(timeout=10)
        assert (first["type"], first["object"]) == ("ADDED", created)
        await api_server.local_client().update(r.CONFIG_MAPS, {**created, "data": {"k": "2"}})
        assert (await socket.receive_json(timeout=10))["type"] == "MODIFIED"
        await socket.send_str("clients have nothing to say")
        await api_server.local_client().delete(r.CONFIG_MAPS, "a", "default")
        assert (await socket.receive_json(timeout=10))["type"] == "DELETED"


async def test_events_are_binary_messages_in_protobuf(
    api_server: ApiServerInProcess, http: aiohttp.ClientSession
) -> None:
    await create(api_server)
    async with http.ws_connect(WATCH, headers={"Accept": "application/vnd.kubernetes.protobuf"}) as socket:
        event = message_class("meta.v1.WatchEvent").FromString(await socket.receive_bytes(timeout=10))
    assert event.type == "ADDED"
    assert event.object.raw.startswith(b"k8s\0")


async def test_the_watch_ends_in_time_with_a_close(
    api_server: ApiServerInProcess, http: aiohttp.ClientSession
) -> None:
    await create(api_server)
    async with http.ws_connect(f"{WATCH}&timeoutSeconds=1") as socket:
        types = [message.type async for message in socket]
    assert types == [aiohttp.WSMsgType.TEXT]
    assert socket.close_code == 1000


async def test_a_closed_socket_ends_the_watch(
    api_server: ApiServerInProcess, http: aiohttp.ClientSession
) -> None:
    watchers = api_server.server.services.registries.of(r.CONFIG_MAPS).storage.cache.watchers
    before = len(watchers)
    async with http.ws_connect(CONFIG_MAPS + "?watch=true"):
        await eventually(lambda: len(watchers) == before + 1)
    await eventually(lambda: len(watchers) == before)


async def test_a_browser_brings_its_token_as_a_subprotocol(api_server: ApiServerInProcess) -> None:
    client = api_server.local_client()
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "browser"}}
    await client.create(r.SERVICE_ACCOUNTS, account, "default")
    asked = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
    issued = await client.create(r.SERVICE_ACCOUNTS, asked, "default", name="browser", subresource="token")
    token = base64.urlsafe_b64encode(issued["status"]["token"].encode()).decode().rstrip("=")
    offered = (f"base64url.bearer.authorization.k8s.io.{token}", "base64.binary.k8s.io")
    connector = aiohttp.TCPConnector(ssl=api_server.tls())
    async with aiohttp.ClientSession(api_server.url, connector=connector) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(WATCH, protocols=offered)
        await client.create(r.ROLE_BINDINGS, VIEW, "default")
        await create(api_server)
        async with session.ws_connect(WATCH, protocols=offered) as socket:
            assert socket.protocol == "base64.binary.k8s.io"
            assert (await socket.receive_json(timeout=10))["type"] == "ADDED"
