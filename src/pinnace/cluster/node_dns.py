"""The Service `kube-dns` over name servers that run on every node: each node says on its Node object where its own listens.

Hints give every node its own server, so that names are answered also while the control plane or another node is away.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import ENDPOINT_SLICES, NODES
from pinnace.apimachinery.errors import NotFound
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.cluster import addons, routes
from pinnace.component.clock import Clock

ANNOTATION = "pinnace.dev/dns-port"
NAMESPACE, SERVICE, SLICE_PREFIX = "kube-system", "kube-dns", "kube-dns-"
PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))
MANAGED_BY = "pinnace.dev"
FAMILIES = ("IPv4", "IPv6")
GATHER_SECONDS = 0.02


async def announce(client: Client, node: Object, port: int) -> None:
    """Write down on the own Node where the name server listens."""
    if port and meta.annotations(node).get(ANNOTATION) != str(port):
        await client.patch(NODES, meta.name(node), {"metadata": {"annotations": {ANNOTATION: str(port)}}})


def addresses(node: Object | None) -> dict[str, tuple[str, int]]:
    """Where a node's name server listens, by family: the gateways of its pods, which no node can choose for itself."""
    subnets = routes.own_subnets(node)
    port = meta.annotations(node).get(ANNOTATION, "") if node is not None else ""
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        return {}
    return {f"IPv{subnet.version}": (str(subnet[1]), int(port)) for subnet in subnets}


def slice_name(node: str, family: str) -> str:
    """No node's name has capitals, so that no two slices have one name."""
    return f"{SLICE_PREFIX}{node}" if family == "IPv4" else f"{SLICE_PREFIX}{node}.ipv6"


def service(cluster_ips: list[str]) -> dict[str, Any]:
    metadata = {
        "name": SERVICE,
        "namespace": NAMESPACE,
        "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
    }
    ports = [{"name": name, "port": 53, "protocol": protocol, "targetPort": 53} for name, protocol in PORTS]
    policy = "SingleStack" if len(cluster_ips) == 1 else "RequireDualStack"
    spec = {"clusterIP": cluster_ips[0], "clusterIPs": cluster_ips, "ipFamilyPolicy": policy, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def endpoint_slice(node: str, at: tuple[str, int], family: str = "IPv4") -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": SERVICE, "endpointslice.kubernetes.io/managed-by": MANAGED_BY}
    endpoint = {
        "addresses": [at[0]], "nodeName": node, "hints": {"forNodes": [{"name": node}]},
        "conditions": {"ready": True, "serving": True, "terminating": False},
    }  # fmt: skip
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
        "metadata": {"name": slice_name(node, family), "namespace": NAMESPACE, "labels": labels},
        "endpoints": [endpoint],
        "ports": [{"name": name, "port": at[1], "protocol": protocol} for name, protocol in PORTS],
    }  # fmt: skip


class DnsService:
    """Keeps the Service and one slice per node; runs beside the controllers."""

    def __init__(self, client: Client, clock: Clock, cluster_ips: list[str]) -> None:
        self._client, self._clock, self._cluster_ips = client, clock, cluster_ips
        self._nodes = Informer(client, clock, NODES)
        self._nodes.add_handler(self._changed)
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._has_service = False

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if addresses(old) != addresses(new):
            self._dirty.add(meta.name(new or old or {}))
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled; raises what the API refused."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._nodes.run())
            await self._nodes.wait_synced()
            await self._remove(await self._strangers())
            while True:
                await self._wake.wait()
                await self._clock.sleep(GATHER_SECONDS)
                self._wake.clear()
                dirty, self._dirty = self._dirty, set()
                for name in sorted(dirty):
                    await self._bring(name)

    async def _bring(self, name: str) -> None:
        found = addresses(self._nodes.lister.get(name))
        if found and not self._has_service:
            await addons.apply(self._client, [service(self._cluster_ips)])
            self._has_service = True
        await addons.apply(self._client, [endpoint_slice(name, at, family) for family, at in found.items()])
        await self._remove(slice_name(name, family) for family in FAMILIES if family not in found)

    async def _strangers(self) -> list[str]:
        """Slices of ours whose node is not there any more, or says nothing."""
        selector = f"kubernetes.io/service-name={SERVICE},endpointslice.kubernetes.io/managed-by={MANAGED_BY}"
        found = await self._client.list(ENDPOINT_SLICES, NAMESPACE, label_selector=selector)
        known = {
            slice_name(meta.name(node), family) for node in self._nodes.lister for family in addresses(node)
        }
        return [meta.name(piece) for piece in found["items"] if meta.name(piece) not in known]

    async def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                await self._client.delete(ENDPOINT_SLICES, name, NAMESPACE)
            except NotFound:
                continue
