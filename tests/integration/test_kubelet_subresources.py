"""Logs, proxy and metrics through the API server, with a small HTTPS server in the place of the kubelet."""

import gzip
import socket
import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.certificates import TestAuthority


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/containerLogs/default/web/main":
        return web.Response(text=f"hello {request.rel_url.query_string}\n")
    if request.path == "/containerLogs/default/web/init":
        return web.Response(
            status=400, text='container "init" in pod "web" is waiting to start: ContainerCreating'
        )
    if request.path == "/stats/summary":
        usage = {
            "cpu": {"time": "2026-01-01T00:00:00Z", "usageNanoCores": 1500000},
            "memory": {"workingSetBytes": 2048},
        }
        pod = {
            "podRef": {"name": "web", "namespace": "default", "uid": request.app_uid},
            "containers": [{"name": "main", **usage}],
        }  # type: ignore[attr-defined]
        return web.json_response({"node": {"nodeName": "n1", **usage}, "pods": [pod]})
    if request.path.startswith("/pages/"):
        page, packed = '<a href="/up"><img src="near.png"></a>', request.path.endswith("gz")
        body, more = page.encode(), {}
        if packed:
            body, more = gzip.compress(body), {"Content-Encoding": "gzip"}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=more)
    if request.path == "/moved":
        return web.Response(status=302, headers={"Location": "/there"})
    return web.Response(
        text=f"{request.method} {request.path} by {request.transport.get_extra_info('peercert') is not None}"
    )  # type: ignore[union-attr]


@pytest_asyncio.fixture
async def pod(api_server: ApiServerInProcess) -> AsyncGenerator[dict[str, Any], None]:
    """A pod on node n1, whose kubelet listens on a free port."""
    uid: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        request.app_uid = uid[0]  # type: ignore[attr-defined]
        return await answer(request)

    pair = api_server.authority.server("kubelet")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(api_server.authority.ca))
    tls.load_cert_chain(pair.certificate, pair.key)
    tls.verify_mode = ssl.CERT_REQUIRED
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    port = runner.addresses[0][1]

    client = api_server.local_client()
    node = await client.create(r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await client.update(r.NODES, {**node, "status": status}, subresource="status")
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await client.create(r.SERVICE_ACCOUNTS, account, "default")
    containers = {
        "containers": [{"name": "main", "image": "x"}],
        "initContainers": [{"name": "init", "image": "x"}],
    }
    body = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "web"},
        "spec": {**containers, "nodeName": "n1"},
    }
    made = await client.create(r.PODS, body, "default")
    uid.append(made["metadata"]["uid"])
    yield made
    await runner.cleanup()


async def test_logs(api_server: ApiServerInProcess, pod: dict[str, Any]) -> None:
    client = api_server.rest_client()
    path = "/api/v1/namespaces/default/pods/web/log"
    assert await client.raw("GET", path) == "hello \n"
    text = await client.raw("GET", path, query={"tailLines": "5", "timestamps": "true"})
    assert text == "hello timestamps=true&tailLines=5\n"
    with pytest.raises(errors.BadRequest, match="waiting to start: ContainerCreating"):
        await client.raw("GET", path, query={"container": "init"})
    with pytest.raises(errors.BadRequest, match="container none is not valid for pod web"):
        await client.raw("GET", path, query={"container": "none"})
    with pytest.raises(errors.Invalid, match="tailLines: Invalid value: -1"):
        await client.raw("GET", path, query={"tailLines": "-1"})


async def test_metrics_come_from_the_kubelets(api_server: ApiServerInProcess, pod: dict[str, Any]) -> None:
    client = api_server.rest_client()
    nodes = await client.list(r.NODE_METRICS)
    assert nodes["items"][0]["usage"] == {"cpu": "1500000n", "memory": "2Ki"}
    pods = await client.list(r.POD_METRICS, "default")
    assert pods["items"][0]["containers"] == [{"name": "main", "usage": {"cpu": "1500000n", "memory": "2Ki"}}]
    with pytest.raises(errors.NotFound):
        await client.get(r.POD_METRICS, "other", "default")


async def test_node_proxy_shows_our_certificate(api_server: ApiServerInProcess, pod: dict[str, Any]) -> None:
    text = await api_server.rest_client().raw("GET", "/api/v1/nodes/n1/proxy/some/path")
    assert text == "GET /some/path by True"


@pytest.mark.parametrize("page", ["plain", "packed.gz"])
async def test_links_of_proxied_pages_lead_back_through_the_proxy(
    api_server: ApiServerInProcess, pod: dict[str, Any], page: str
) -> None:
    text = await api_server.rest_client().raw("GET", f"/api/v1/nodes/n1/proxy/pages/{page}")
    assert text == '<a href="/api/v1/nodes/n1/proxy/up"><img src="near.png"></a>'


async def test_a_redirect_leads_back_through_the_proxy(
    api_server: ApiServerInProcess, pod: dict[str, Any]
) -> None:
    tls = api_server.tls(api_server.authority.client("admin", ("system:masters",)))
    async with (
        aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session,
        session.get("/api/v1/nodes/n1/proxy/moved", allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (302, "/api/v1/nodes/n1/proxy/there")


async def test_exec_needs_an_upgrade_and_a_command(
    api_server: ApiServerInProcess, pod: dict[str, Any]
) -> None:
    client, path = api_server.rest_client(), "/api/v1/namespaces/default/pods/web/exec"
    with pytest.raises(errors.Invalid):
        await client.raw("POST", path, query={"stdout": "true"})
    with pytest.raises(errors.BadRequest, match="Upgrade request required"):
        await client.raw("POST", path, query={"stdout": "true", "command": "ls"})
    with pytest.raises(errors.BadRequest, match="must specify at least one"):
        await client.raw("POST", path, query={"command": "ls"})


async def test_a_log_can_be_asked_of_a_kubelet_whose_certificate_is_not_ours(
    api_server: ApiServerInProcess, pod: dict[str, Any], tmp_path: Path
) -> None:
    """Refused by default, read when the client says that it may be anybody's; our own certificate is shown all the same."""
    kubelets = api_server.server.services.kubelets
    kubelets._config = replace(
        kubelets._config, kubelet_certificate_authority=TestAuthority(tmp_path / "other").ca
    )
    client, path = api_server.rest_client(), "/api/v1/namespaces/default/pods/web/log"
    with pytest.raises(errors.InternalError, match="certificate"):
        await client.raw("GET", path)
    assert await client.raw("GET", path, query={"insecureSkipTLSVerifyBackend": "true"}) == "hello \n"


async def test_an_unreachable_kubelet_is_said_so(api_server: ApiServerInProcess, pod: dict[str, Any]) -> None:
    client = api_server.local_client()
    node = await client.get(r.NODES, "n1")
    status = {**node["status"], "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}
    await client.update(r.NODES, {**node, "status": status}, subresource="status")
    with pytest.raises(errors.InternalError, match="containerLogs"):
        await api_server.rest_client().raw("GET", "/api/v1/namespaces/default/pods/web/log")
    assert (await client.list(r.NODE_METRICS))["items"] == []


async def test_a_reader_must_not_run_commands(api_server: ApiServerInProcess, pod: dict[str, Any]) -> None:
    client = api_server.local_client()
    group = "rbac.authorization.k8s.io"
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods/exec"]}
    role = {"kind": "ClusterRole", "apiVersion": f"{group}/v1", "metadata": {"name": "r"}, "rules": [rule]}
    await client.create(r.CLUSTER_ROLES, role)
    binding = {
        "kind": "ClusterRoleBinding", "apiVersion": f"{group}/v1", "metadata": {"name": "b"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "r"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "jane"}],
    }  # fmt: skip
    await client.create(r.CLUSTER_ROLE_BINDINGS, binding)
    query = {"stdout": "true", "command": "ls"}
    with pytest.raises(errors.Forbidden, match='cannot create resource "pods/exec"'):
        await api_server.rest_client("jane", ()).raw(
            "GET", "/api/v1/namespaces/default/pods/web/exec", query=query
        )


def own_address() -> str:
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no route, so no address but the loopback's")
        return str(probe.getsockname()[0])


async def asked_by(tls: ssl.SSLContext, seen: list[bool]) -> web.ServerRunner:
    """A server that notes whether clients show a certificate."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        seen.append(request.transport.get_extra_info("peercert") not in (None, {}))
        return web.Response(text="here", headers={"Set-Cookie": "session=of-one-user"})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0, ssl_context=tls).start()
    return runner


async def test_only_kubelets_see_the_servers_certificate(
    api_server: ApiServerInProcess, pod: dict[str, Any]
) -> None:
    """A pod in the host's network has the kubelet's address: our certificate there would make anybody its master."""
    pair = api_server.authority.server("pod")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(api_server.authority.ca))
    tls.load_cert_chain(pair.certificate, pair.key)
    tls.verify_mode = ssl.CERT_OPTIONAL
    seen: list[bool] = []
    runner = await asked_by(tls, seen)
    port = runner.addresses[0][1]
    client = api_server.local_client()
    try:
        for address in (own_address(), "127.0.0.1", "169.254.169.254"):
            current = await client.get(r.PODS, "web", "default")
            status = {**current["status"], "podIP": address, "podIPs": [{"ip": address}]}
            await client.update(r.PODS, {**current, "status": status}, subresource="status")
            asking = api_server.rest_client().raw(
                "GET", f"/api/v1/namespaces/default/pods/https:web:{port}/proxy/"
            )
            if address == own_address():
                assert await asking == "here"
            else:
                with pytest.raises(errors.BadRequest, match="address not allowed"):
                    await asking
    finally:
        await runner.cleanup()
    assert seen == [False]


async def test_a_delete_with_a_dry_run_that_is_not_understood_deletes_nothing(
    api_server: ApiServerInProcess,
) -> None:
    client = api_server.local_client()
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "kept"}}
    await client.create(r.CONFIG_MAPS, body, "default")
    path = "/api/v1/namespaces/default/configmaps/kept"
    for dry_run in (["Most"], ["All", "Most"]):
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": dry_run}
        with pytest.raises(errors.Invalid, match='supported values: "All"'):
            await api_server.rest_client().raw("DELETE", path, body=options)
    assert await client.get(r.CONFIG_MAPS, "kept", "default")


async def test_a_simulated_node_is_never_dialled(api_server: ApiServerInProcess) -> None:
    """Its address is made up, and may be that of some machine of the user's network."""
    client = api_server.local_client()
    node = await client.create(r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "sim-0"}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "nodeInfo": {"containerRuntimeVersion": "simulated://0"},
    }
    await client.update(r.NODES, {**node, "status": status}, subresource="status")
    with pytest.raises(errors.ServiceUnavailable, match='node "sim-0" is simulated'):
        await client.get(r.NODES, "sim-0", subresource="proxy")
