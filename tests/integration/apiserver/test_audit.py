"""The audit log of a real server: levels, stages, what an event says, where it goes."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.config_security import AuditConfig
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.wait import eventually

Event = dict[str, Any]
Start = Callable[..., Awaitable[ApiServerInProcess]]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncGenerator[Start, None]:
    async with AsyncExitStack() as stack:

        async def begin(*rules: dict[str, Any], **more: Any) -> ApiServerInProcess:
            policy = tmp_path / "policy.yaml"
            policy.write_text(
                yaml.safe_dump({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": list(rules)})
            )
            audit = AuditConfig(policy, **{"log_path": str(tmp_path / "audit.log"), **more})
            return await stack.enter_async_context(ApiServerInProcess(tmp_path / "pki", audit=audit))

        yield begin


def events(tmp_path: Path) -> list[Event]:
    return [orjson.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]


async def test_an_event_says_who_did_what_and_why_it_was_allowed(start: Start, tmp_path: Path) -> None:
    api = await start({"level": "Metadata"})
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"k": "secret"}}
    await api.rest_client("jane", MASTERS).create(r.CONFIG_MAPS, body, "default")
    received, complete = events(tmp_path)
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert received["auditID"] == complete["auditID"]
    assert complete["kind"], complete["apiVersion"] == ("Event", "audit.k8s.io/v1")
    assert complete["level"] == "Metadata"
    assert complete["verb"] == "create"
    assert complete["requestURI"] == CONFIG_MAPS
    assert complete["user"]["username"] == "jane"
    assert complete["sourceIPs"] == ["127.0.0.1"]
    assert complete["userAgent"] == "pinnace"
    assert complete["objectRef"] == {
        "resource": "configmaps", "namespace": "default", "name": "c", "apiVersion": "v1",
    }  # fmt: skip
    assert complete["responseStatus"]["code"] == 201
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert "requestObject" not in complete
    assert "secret" not in (tmp_path / "audit.log").read_text()


async def test_levels_say_how_much_is_kept(start: Start, tmp_path: Path) -> None:
    api = await start(
        {"level": "None", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "Request", "verbs": ["create"], "omitStages": ["RequestReceived"]},
        {"level": "RequestResponse", "omitStages": ["RequestReceived"], "omitManagedFields": True},
    )
    client = api.rest_client()
    await client.create(
        r.SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}}, "default"
    )
    await client.create(
        r.CONFIG_MAPS, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}, "default"
    )
    await client.patch(r.CONFIG_MAPS, "c", {"data": {"k": "v"}}, "default")
    created, patched = events(tmp_path)
    assert created["requestObject"]["metadata"]["name"] == "c"
    assert "responseObject" not in created
    assert patched["requestObject"] == {"data": {"k": "v"}}
    assert patched["responseObject"]["data"] == {"k": "v"}
    assert "managedFields" not in patched["responseObject"]["metadata"]


async def test_refusals_and_failures_are_recorded(start: Start, tmp_path: Path) -> None:
    api = await start({"level": "RequestResponse", "omitStages": ["RequestReceived"]})
    with pytest.raises(errors.Forbidden):
        await api.rest_client("joe", ("dev",)).list(r.PODS)
    with pytest.raises(errors.Unauthorized):
        await api.rest_client(token="nonsense").list(r.PODS)
    with pytest.raises(errors.NotFound):
        await api.rest_client().get(r.PODS, "none", "default")
    forbidden, unauthorized, missing = events(tmp_path)
    assert forbidden["annotations"] == {
        "authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": "",
    }  # fmt: skip
    assert forbidden["responseStatus"]["reason"] == "Forbidden"
    assert forbidden["responseObject"]["kind"] == "Status"
    assert unauthorized["responseStatus"]["code"] == 401
    assert missing["responseStatus"]["code"] == 404
    assert missing["objectRef"]["name"] == "none"


async def test_a_watch_is_recorded_when_it_starts_and_when_it_ends(start: Start, tmp_path: Path) -> None:
    api = await start({"level": "Metadata"})
    watch = api.rest_client().watch(r.CONFIG_MAPS, "default", resource_version="0")
    reading = __import__("asyncio").create_task(anext(watch))

    def stages() -> list[str]:
        return [event["stage"] for event in events(tmp_path)]

    await eventually(lambda: stages() == ["RequestReceived", "ResponseStarted"])
    reading.cancel()
    await eventually(lambda: stages() == ["RequestReceived", "ResponseStarted", "ResponseComplete"])
    assert events(tmp_path)[-1]["verb"] == "watch"


async def test_impersonation_and_ids_are_told(start: Start, tmp_path: Path) -> None:
    api = await start({"level": "Metadata", "omitStages": ["RequestReceived"]})
    tls = api.tls(api.authority.client("admin", MASTERS))
    headers = {"Impersonate-User": "jane", "Audit-ID": "my-id"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), headers=headers) as http:
        async with http.get(f"{api.url}/version") as answer:
            assert answer.headers["Audit-Id"] == "my-id"
        async with http.get(f"{api.url}/api/v1/nodes") as refused:
            assert refused.status == 403
            assert refused.headers["Audit-Id"] == "my-id"
    event = events(tmp_path)[0]
    assert event["auditID"] == "my-id"
    assert event["user"]["username"] == "admin"
    assert event["impersonatedUser"] == {"username": "jane", "groups": ["system:authenticated"]}
    assert "objectRef" not in event


async def test_events_are_sent_to_a_webhook_in_batches(tmp_path: Path) -> None:
    sent: list[Event] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        sent.append(orjson.loads(await request.read()))
        return web.Response()

    outside = TestAuthority(tmp_path / "outside")
    pair = outside.server("outside")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    config, policy = tmp_path / "webhook", tmp_path / "policy"
    cluster = {
        "server": f"https://127.0.0.1:{runner.addresses[0][1]}",
        "certificate-authority": str(outside.ca),
    }
    config.write_text(
        yaml.safe_dump(
            {"kind": "Config", "apiVersion": "v1", "current-context": "c", "users": [],
             "clusters": [{"name": "c", "cluster": cluster}], "contexts": [{"name": "c", "context": {"cluster": "c"}}]}
        )
    )  # fmt: skip
    policy.write_text(
        yaml.safe_dump({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": [{"level": "Metadata"}]})
    )
    audit = AuditConfig(policy, webhook_config_file=config, webhook_batch_max_size=2)
    try:
        async with ApiServerInProcess(tmp_path / "pki", audit=audit) as api:
            await api.rest_client().list(r.PODS)
            await eventually(lambda: len(sent) == 1)
            await api.rest_client().raw("GET", "/version")
    finally:
        await runner.cleanup()
    first = sent[0]
    assert (first["kind"], first["apiVersion"]) == ("EventList", "audit.k8s.io/v1")
    assert [event["stage"] for event in first["items"]] == ["RequestReceived", "ResponseComplete"]
    assert sum(len(batch["items"]) for batch in sent) == 4, "what waited was sent at the end"
