"""Node IPAM, TTL, bootstrap tokens and mirroring through the real API server, with the rights of the controllers only."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
import pytest_asyncio

from pinnace.api import meta
from pinnace.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, ENDPOINTS, EVENTS, NODES, SECRETS, SERVICES
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.times import format_time
from pinnace.client.interface import Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.controllers.nodes.ipam import NodeIpamConfig
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

NAMES = ("node-ipam", "ttl", "bootstrap-signer", "token-cleaner", "endpointslice-mirroring")


@pytest_asyncio.fixture
async def client(api_server: ApiServerInProcess) -> AsyncGenerator[Client, None]:
    manager = api_server.local_client("system:kube-controller-manager", ())
    settings = ControllersConfig(NAMES, node_ipam=NodeIpamConfig(("10.42.0.0/23",)))
    task = asyncio.create_task(Controllers(manager, RealClock(), settings).run())
    yield api_server.local_client()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_nodes_get_subnets_and_the_one_too_many_is_told(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})

    async def told() -> bool:
        found = (await client.list(EVENTS, "default"))["items"]
        return [e["involvedObject"]["name"] for e in found if e["reason"] == "CIDRNotAvailable"] == ["c"]

    await eventually(told)
    nodes = {meta.name(node): node for node in (await client.list(NODES))["items"]}
    assert {nodes[name]["spec"]["podCIDR"] for name in "ab"} == {"10.42.0.0/24", "10.42.1.0/24"}
    assert "podCIDR" not in nodes["c"]["spec"]


@pytest.mark.slow  # five seconds until the number of nodes has settled
async def test_nodes_are_told_how_long_to_trust_what_they_know(client: Client) -> None:
    labels = {"pinnace.dev/simulated": "true"}
    await client.create(
        NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "sim", "labels": labels}}
    )
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}})

    async def annotated() -> bool:
        found = meta.annotations(await client.get(NODES, "a"))
        return found.get("node.alpha.kubernetes.io/ttl") == "0"

    await eventually(annotated)
    assert "annotations" not in (await client.get(NODES, "sim"))["metadata"]


async def test_tokens_sign_and_expire(client: Client) -> None:
    now = RealClock().now()
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
        "expiration": format_time(now + timedelta(hours=1)),
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bootstrap-token-abcdef"},
              "type": "bootstrap.kubernetes.io/token", "stringData": data}  # fmt: skip
    info = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info"},
            "data": {"kubeconfig": "apiVersion: v1"}}  # fmt: skip
    await client.create(CONFIG_MAPS, info, "kube-public")
    await client.create(SECRETS, secret, "kube-system")

    async def is_signed() -> bool:
        return (
            "jws-kubeconfig-abcdef" in (await client.get(CONFIG_MAPS, "cluster-info", "kube-public"))["data"]
        )

    async def is_over() -> bool:
        try:
            await client.get(SECRETS, "bootstrap-token-abcdef", "kube-system")
        except NotFound:
            return not await is_signed()
        return False

    await eventually(is_signed)
    past = {"stringData": {"expiration": format_time(now - timedelta(seconds=1))}}
    await client.patch(SECRETS, "bootstrap-token-abcdef", past, "kube-system")
    await eventually(is_over)


async def test_endpoints_made_by_hand_are_mirrored_with_the_rights_of_the_controller(client: Client) -> None:
    port = {"name": "web", "port": 80, "protocol": "TCP"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [port]}}
    body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "s"},
            "subsets": [{"addresses": [{"ip": "10.9.9.9"}], "ports": [port]}]}  # fmt: skip
    await client.create(SERVICES, service, "default")
    await client.create(ENDPOINTS, body, "default")

    async def mirrored() -> bool:
        found = (
            await client.list(ENDPOINT_SLICES, "default", label_selector="kubernetes.io/service-name=s")
        )["items"]
        return len(found) == 1

    await eventually(mirrored)
