"""What the parts of a node that upstream leaves to others may do: what they need, and no more, also on the node of `up`."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from pinnace.api.resources import CONFIG_MAPS, INGRESSES, NODES, SECRETS, SERVICES
from pinnace.apimachinery.errors import Forbidden
from pinnace.cluster import addons
from pinnace.component.clock import RealClock
from pinnace.controllers.certificates.node_certificates import PARTS_GROUP, parts_user
from pinnace.dns.server import DnsConfig, DnsServer
from pinnace.ingress.controller import IngressConfig, IngressController
from pinnace.ingress.haproxy_config import Listen
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"port": 80}]},
}  # fmt: skip
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
INGRESS = {
    "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"ingressClassName": "pinnace", "defaultBackend": BACKEND},
}  # fmt: skip


def server(directory: Path) -> ApiServerInProcess:
    return ApiServerInProcess(directory, authorization_modes=("Node", "RBAC"))


@pytest.mark.parametrize(("user", "groups"), [("system:kube-dns", ()), (parts_user("n"), (PARTS_GROUP,))])
async def test_a_name_server_sees_services_and_no_secrets(
    tmp_path: Path, user: str, groups: tuple[str, ...]
) -> None:
    async with server(tmp_path) as api:
        client = api.local_client(user, groups)
        made = DnsServer(client, RealClock(), DnsConfig("127.0.0.1", 0, upstreams=("192.0.2.1",)))
        running = asyncio.create_task(made.run())
        await api.local_client().create(SERVICES, SERVICE, "default")
        await made.listening()
        await eventually(lambda: _has(made.zone.lookup("web.default.svc.cluster.local")))
        for gvr in (SECRETS, CONFIG_MAPS):
            with pytest.raises(Forbidden):
                await client.list(gvr, "default")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _has(found: Any) -> bool:
    return bool(found)


async def test_the_ingress_does_its_work_and_changes_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with server(tmp_path) as api:
        admin, client = api.local_client(), api.local_client("system:pinnace-ingress", ())
        await addons.apply(client, [addons.ingress_class()])
        await addons.apply(client, [addons.ingress_class()])
        await admin.create(SERVICES, SERVICE, "default")
        await admin.create(INGRESSES, INGRESS, "default")
        (tmp_path / "ingress").mkdir()
        config = IngressConfig(Listen(tmp_path / "ingress", port, 0, "127.0.0.1"), "192.0.2.1")
        made = IngressController(client, RealClock(), config)
        if not made._haproxy.is_installed:
            pytest.skip("haproxy is not installed")
        running = asyncio.create_task(made.run())

        async def told() -> bool:
            found = await admin.get(INGRESSES, "web", "default")
            return bool(found["status"]["loadBalancer"].get("ingress"))

        try:
            await eventually(told)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await made.stop()
        with pytest.raises(Forbidden):
            await client.list(NODES)
        with pytest.raises(Forbidden):
            await client.delete(SECRETS, "any", "default")
        with pytest.raises(Forbidden):
            await client.patch(INGRESSES, "web", {"metadata": {"labels": {"a": "b"}}}, "default")


async def test_a_joined_machines_parts_see_no_secrets(tmp_path: Path) -> None:
    async with server(tmp_path) as api:
        client = api.local_client(parts_user("n"), (PARTS_GROUP,))
        for gvr in (SECRETS, CONFIG_MAPS, INGRESSES):
            with pytest.raises(Forbidden):
                await client.list(gvr)
