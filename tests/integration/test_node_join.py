"""Joining, over HTTPS with the real API server and controllers: discovery, bootstrap, and certificates that live for seconds."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from pinnace.api import meta
from pinnace.api.certificates import requests
from pinnace.api.resources import (
    CERTIFICATE_SIGNING_REQUESTS,
    CONFIG_MAPS,
    EVENTS,
    NODES,
    SECRETS,
    SERVICES,
)
from pinnace.apimachinery.errors import Forbidden, Unauthorized
from pinnace.apiserver.config_security import AuthenticationConfig
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.client.rest import RestClient
from pinnace.cluster import addons, discovery, joining, node_identity, tokens
from pinnace.cluster.discovery import Discovery, JoinError
from pinnace.cluster.node_identity import NodeCertificate, Wish
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.certificates.node_certificates import PARTS_GROUP, parts_user
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

TOKEN = "abcdef.0123456789abcdef"
CONTROLLERS = (
    "bootstrap-signer", "certificatesigningrequest-approving", "certificatesigningrequest-signing", "node-certificate-approving",
)  # fmt: skip
NODE = Wish(requests.KUBELET_CLIENT, "system:node:n", "system:nodes", "client auth")
SECONDS = 4.0


@dataclass
class Joinable:
    api: ApiServerInProcess
    admin: Client

    @property
    def ca(self) -> str:
        return self.api.authority.ca.read_text()

    def client(self, token: str = "", certificate: Path | None = None) -> RestClient:
        tls = ssl.create_default_context(cadata=self.ca)
        if certificate is not None:
            tls.load_cert_chain(certificate)
        made = RestClient(self.api.url, tls=tls, token=token)
        self.api._clients.append(made)
        return made

    def wish(self, **changed: object) -> Discovery:
        return replace(Discovery(self.api.url, TOKEN, (joining.ca_hash(self.ca),)), **changed)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def joinable(tmp_path: Path) -> AsyncGenerator[Joinable, None]:
    settings = AuthenticationConfig(bootstrap_token_auth=True)
    async with ApiServerInProcess(tmp_path, authentication=settings, enable_admission_plugins=("NodeRestriction",),
                                  authorization_modes=("Node", "RBAC")) as api:  # fmt: skip
        key = tmp_path / "ca.key"
        key.write_bytes(api.authority.key_text())
        config = ControllersConfig(
            controllers=CONTROLLERS, cluster_signing_cert_file=api.authority.ca, cluster_signing_key_file=key,
            cluster_signing_seconds=SECONDS,
        )  # fmt: skip
        admin = api.local_client()
        made = Joinable(api, admin)
        await addons.apply(admin, list(joining.objects(api.url, made.ca, {"clusterDNS": "10.43.0.10"})))
        secret = tokens.secret(TOKEN, expires=datetime.now(UTC) + timedelta(hours=1), description="", usages=tokens.USAGES,
                               groups=joining.BOOTSTRAPPERS)  # fmt: skip
        await admin.create(SECRETS, secret, "kube-system")
        running = asyncio.create_task(Controllers(admin, RealClock(), config).run())
        yield made
        running.cancel()


async def test_a_machine_with_the_token_comes_to_trust_the_cluster(joinable: Joinable) -> None:
    assert await discovery.find_ca(joinable.wish(), RealClock()) == joinable.ca
    assert await discovery.find_ca(joinable.wish(ca_hashes=()), RealClock()) == joinable.ca


async def test_a_wrong_token_or_pin_or_a_stranger_is_refused(joinable: Joinable) -> None:
    clock = RealClock()
    await discovery.find_ca(joinable.wish(), clock)
    with pytest.raises(JoinError, match="not signed with this token"):
        await discovery.find_ca(joinable.wish(token="abcdef.fedcba9876543210"), clock)
    with pytest.raises(JoinError, match="another cluster"):
        await discovery.find_ca(joinable.wish(ca_hashes=(f"sha256:{'1' * 64}",)), clock)
    with pytest.raises(ConnectionError):
        await discovery.find_ca(joinable.wish(server="https://127.0.0.1:1"), clock)
    stranger = joinable.client("abcdef.fedcba9876543210")
    with pytest.raises(Unauthorized):
        await node_identity.obtain(stranger, clock, NODE)


class Relay:
    """Another address of the same server, which can go away with its connections."""

    def __init__(self, port: int) -> None:
        self._port, self.connections = port, 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        other_reader, other = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, other]

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
            target.close()

        await asyncio.gather(copy(reader, other), copy(other_reader, writer))

    def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()


async def test_a_client_of_several_servers_goes_to_the_next_when_one_is_away(joinable: Joinable) -> None:
    """Requests and informers; nothing that a server may have done already is asked twice."""
    assert joinable.api.server.port is not None
    relay = Relay(joinable.api.server.port)
    first, nobody = await relay.open(), "https://127.0.0.1:1"
    clock, tls = RealClock(), joinable.api.tls(joinable.api.authority.client("admin", ("system:masters",)))
    client = RestClient(first, others=(nobody, joinable.api.url), tls=tls)
    joinable.api._clients.append(client)
    informer = Informer(client, clock, CONFIG_MAPS, namespace="default")
    running = asyncio.create_task(informer.run())
    try:
        await joinable.admin.create(CONFIG_MAPS, {"metadata": {"name": "before"}}, "default")
        await eventually(lambda: informer.lister.get("before", "default"))
        assert relay.connections >= 1
        relay.close()
        await client.create(CONFIG_MAPS, {"metadata": {"name": "after"}}, "default")
        await eventually(lambda: informer.lister.get("after", "default"), within=60)
    finally:
        running.cancel()
        relay.close()


async def test_a_machine_joins_at_the_server_that_answers(joinable: Joinable) -> None:
    clock, away = RealClock(), joinable.wish(server="https://127.0.0.1:1")
    assert await discovery.find_ca_at_any([away, joinable.wish()], clock) == joinable.ca
    with pytest.raises(ConnectionError):
        await discovery.find_ca_at_any([away, away], clock)
    with pytest.raises(JoinError, match="another cluster"):
        await discovery.find_ca_at_any(
            [joinable.wish(ca_hashes=(f"sha256:{'1' * 64}",)), joinable.wish()], clock
        )


async def test_a_token_can_ask_for_a_nodes_certificate_and_for_nothing_else(joinable: Joinable) -> None:
    client = joinable.client(TOKEN)
    with pytest.raises(Forbidden):
        await client.list(SECRETS, "kube-system")
    with pytest.raises(Forbidden):
        await client.list(NODES)
    other = Wish(requests.CLIENT, parts_user("n"), PARTS_GROUP, "client auth")
    asking = asyncio.create_task(node_identity.obtain(client, RealClock(), other))
    await eventually(lambda: _open_requests(joinable.admin))
    assert not asking.done()
    asking.cancel()


async def test_a_token_does_not_get_the_identity_of_a_node_that_is_ready(joinable: Joinable) -> None:
    """Who stole a token could else read the Secrets of the pods of every node. A node that is away may come back by token."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "up"}
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": [ready]}}
    await joinable.admin.create(NODES, made)
    asking = asyncio.create_task(node_identity.obtain(joinable.client(TOKEN), RealClock(), NODE))

    async def told() -> bool:
        events = (await joinable.admin.list(EVENTS))["items"]
        return any(one["reason"] == "NodeIsReady" for one in events)

    await eventually(told)
    assert not asking.done()
    asking.cancel()
    away = {"status": {"conditions": [{**ready, "status": "Unknown"}]}}
    await joinable.admin.patch(NODES, "n", away, subresource="status")
    await node_identity.obtain(joinable.client(TOKEN), RealClock(), NODE)


async def _open_requests(client: Client) -> int:
    found = await client.list(CERTIFICATE_SIGNING_REQUESTS)
    return len([one for one in found["items"] if not (one.get("status") or {}).get("certificate")])


async def test_certificates_that_live_for_seconds_are_replaced_and_the_node_goes_on(
    joinable: Joinable, tmp_path: Path
) -> None:
    """The client's connections change over, its watch goes on, and its parts read what kube-proxy reads."""
    clock, path = RealClock(), tmp_path / "pki" / "kubelet-client.pem"
    key, text = await node_identity.obtain(joinable.client(TOKEN), clock, NODE)
    tls = ssl.create_default_context(cadata=joinable.ca)
    holder: list[RestClient] = []

    async def changed() -> None:
        tls.load_cert_chain(path)
        if holder:
            await holder[0].renew()

    certificate = NodeCertificate(path, clock, lambda: holder[0], lambda: NODE, changed)
    certificate.stored.save(key, text)
    tls.load_cert_chain(path)
    client = RestClient(joinable.api.url, tls=tls)
    joinable.api._clients.append(client)
    holder.append(client)
    running = asyncio.create_task(certificate.run())
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    await eventually(lambda: certificate.rotations >= 2, within=60)
    assert meta.name(await client.get(NODES, "n")) == "n"
    first = node_identity.StoredCertificate(tmp_path / "first.pem")
    first.save(key, text)
    kept = first.load()
    assert kept is not None
    assert kept.not_valid_after_utc < datetime.now(UTC) + timedelta(seconds=SECONDS)
    parts = Wish(requests.CLIENT, parts_user("n"), PARTS_GROUP, "client auth")
    first.save(*await node_identity.obtain(client, clock, parts))
    reader = joinable.client(certificate=first.path)
    assert "items" in await reader.list(SERVICES)
    with pytest.raises(Forbidden):
        await reader.list(SECRETS, "kube-system")
    running.cancel()


async def test_a_serving_certificate_waits_for_the_nodes_addresses(
    joinable: Joinable, tmp_path: Path
) -> None:
    clock = RealClock()
    path = node_identity.StoredCertificate(tmp_path / "c.pem")
    path.save(*await node_identity.obtain(joinable.client(TOKEN), clock, NODE))
    client = joinable.client(certificate=path.path)
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    wish = Wish(requests.KUBELET_SERVING, "system:node:n", "system:nodes", "server auth", ("10.0.0.7", "n"))
    asking = asyncio.create_task(node_identity.obtain(client, clock, wish))
    await eventually(lambda: _open_requests(joinable.admin))
    assert not asking.done()
    status = {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.7"}, {"type": "Hostname", "address": "n"}]
    }
    await client.patch(NODES, "n", {"status": status}, subresource="status")
    _, certificate = await asyncio.wait_for(asking, 10)
    assert b"BEGIN CERTIFICATE" in certificate
