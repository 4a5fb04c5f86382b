"""Calls to webhooks: by URL and by Service, verified, with upstream's words for what goes wrong."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from pinnace.api import resources as r
from pinnace.apiserver.webhooks.client import CallFailed, WebhookClient
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.extension_server import ExtensionServer

SHOWN = "https://hook.default.svc:443"


async def handle(http: web.BaseRequest) -> web.StreamResponse:
    match http.path:
        case "/slow":
            await asyncio.sleep(30)
        case "/broken":
            return web.Response(status=500, text="it broke")
        case "/missing":
            return web.Response(status=404)
        case "/moved":
            return web.Response(status=302, headers={"Location": "/echo"})
        case "/text":
            return web.Response(text="no json")
        case "/huge":
            return web.Response(body=b'"' + b"x" * (4 * 1024 * 1024) + b'"')
    peer = http.transport.get_extra_info("peername")[1] if http.transport else 0
    answer = {
        "got": await http.json(),
        "host": http.headers["Host"],
        "query": http.query_string,
        "peer": peer,
    }
    return web.json_response(answer)


@pytest_asyncio.fixture
async def hook(api_server: ApiServerInProcess) -> AsyncGenerator[ExtensionServer, None]:
    async with ExtensionServer(api_server, "hook", handle) as server:
        yield server


@pytest.fixture
def client(api_server: ApiServerInProcess) -> WebhookClient:
    return api_server.server.services.registries.webhooks


async def failure(client: WebhookClient, config: dict[str, Any], seconds: float = 5) -> str:
    with pytest.raises(CallFailed) as failed:
        await client.post(config, {}, seconds=seconds)
    return str(failed.value)


async def test_a_service_is_reached_through_its_ready_endpoint(
    hook: ExtensionServer, client: WebhookClient
) -> None:
    answer = await client.post(hook.client_config("/echo"), {"a": 1}, seconds=5)
    assert answer["got"] == {"a": 1}
    assert (answer["host"], answer["query"]) == ("hook.default.svc:443", "timeout=5s")
    again = await client.post(hook.client_config("/echo"), {"a": 2}, seconds=5)
    assert again["peer"] == answer["peer"], "the connection is used again"


async def test_a_url_is_called_as_it_stands(hook: ExtensionServer, client: WebhookClient) -> None:
    config = {"url": f"https://localhost:{hook.port}/echo", "caBundle": hook.ca_bundle}
    assert (await client.post(config, {"b": 2}, seconds=5))["got"] == {"b": 2}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/broken", 'an error on the server ("it broke") has prevented the request from succeeding'),
        ("/missing", "the server could not find the requested resource"),
        ("/moved", "the server responded with the status code 302 but did not return more information"),
        ("/text", "couldn't get version/kind; json parse error"),
        ("/huge", "response body too large"),
    ],
)
async def test_answers_that_are_no_review(
    hook: ExtensionServer, client: WebhookClient, path: str, words: str
) -> None:
    assert words in await failure(client, hook.client_config(path))


async def test_a_deadline_ends_the_call(hook: ExtensionServer, client: WebhookClient) -> None:
    text = await failure(client, hook.client_config("/slow"), 0.2)
    assert text == f'Post "{SHOWN}/slow?timeout=200ms": context deadline exceeded'


async def test_a_certificate_of_another_authority_is_refused(
    hook: ExtensionServer, client: WebhookClient, api_server: ApiServerInProcess
) -> None:
    text = await failure(client, {"service": hook.client_config()["service"]})
    assert text.endswith("tls: failed to verify certificate: x509: certificate signed by unknown authority")
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "alias"},
               "spec": {"type": "ExternalName", "externalName": "localhost"}}  # fmt: skip
    await api_server.local_client().create(r.SERVICES, service, "default")
    config = {
        "service": {"namespace": "default", "name": "alias", "port": hook.port},
        "caBundle": hook.ca_bundle,
    }
    assert "certificate is not valid for the name asked for" in await failure(client, config)
    assert "unable to load root certificates" in await failure(
        client, {**hook.client_config(), "caBundle": "aGk="}
    )


async def test_services_that_lead_nowhere(hook: ExtensionServer, client: WebhookClient) -> None:
    await hook.set_ready(False)
    text = await failure(client, hook.client_config("/x"))
    assert text == f'Post "{SHOWN}/x?timeout=5s": no endpoints available for service "hook"'
    missing = {"service": {"namespace": "default", "name": "gone"}}
    assert (await failure(client, missing)).endswith('service "gone" not found')
    closed = {"service": {"namespace": "default", "name": "hook", "port": 8443}}
    assert (await failure(client, closed)).endswith('no service port 8443 found for service "hook"')


async def test_a_server_that_is_gone(client: WebhookClient, api_server: ApiServerInProcess) -> None:
    async with ExtensionServer(api_server, "gone", handle) as server:
        config = server.client_config()
    assert (await failure(client, config)).endswith("connect: connection refused")
