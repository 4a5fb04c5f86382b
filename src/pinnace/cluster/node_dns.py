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
GATHER_SECONDS = 0.02


async def announce(client: Client, node: Object, port: int) -> None:
    """Write down on the own Node where the name server listens."""
    if port and meta.annotations(node).get(ANNOTATION) != str(port):
        await client.patch(NODES, meta.name(node), {"metadata": {"annotations": {ANNOTATION: str(port)}}})


def address(node: Object | None) -> tuple[str, int] | None:
    """Where a node's name server listens: the gateway of its pods, which no node can choose for itself."""
    subnet = routes.own_subnet(node)
    port = meta.annotations(node).get(ANNOTATION, "") if node is not None else ""
    if subnet is None or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return str(subnet[1]), int(port)


def service(cluster_ip: str) -> dict[str, Any]:
    metadata = {
        "name": SERVICE,
        "namespace": NAMESPACE,
        "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
    }
    ports = [{"name": name, "port": 53, "protocol": protocol, "targetPort": 53} for name, protocol in PORTS]
    spec = {"clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def endpoint_slice(node: str, at: tuple[str, int]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": SERVICE, "endpointslice.kubernetes.io/managed-by": MANAGED_BY}
    endpoint = {
        "addresses": [at[0]], "nodeName": node, "hints": {"forNodes": [{"name": node}]},
        "conditions": {"ready": True, "serving": True, "terminating": False},
    }  # fmt: skip
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": SLICE_PREFIX + node, "namespace": NAMESPACE, "labels": labels},
        "endpoints": [endpoint],
        "ports": [{"name": name, "port": at[1], "protocol": protocol} for name, protocol in PORTS],
    }  # fmt: skip


class DnsService:
    """Keeps the Service and one slice per node; runs beside the controllers."""

    def __init__(self, client: Client, clock: Clock, cluster_ip: str) -> None:
        self._client, self._clock, self._cluster_ip = client, clock, cluster_ip
        self._nodes = Informer(client, clock, NODES)
        self._nodes.add_handler(self._changed)
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._has_service = False

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if address(old) != address(new):
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
        at = address(self._nodes.lister.get(name))
        if at is None:
            await self._remove([SLICE_PREFIX + name])
            return
        if not self._has_service:
            await addons.apply(self._client, [service(self._cluster_ip)])
            self._has_service = True
        await addons.apply(self._client, [endpoint_slice(name, at)])

    async def _strangers(self) -> list[str]:
        """Slices of ours whose node is not there any more, or says nothing."""
        selector = f"kubernetes.io/service-name={SERVICE},endpointslice.kubernetes.io/managed-by={MANAGED_BY}"
        found = await self._client.list(ENDPOINT_SLICES, NAMESPACE, label_selector=selector)
        known = {SLICE_PREFIX + meta.name(node) for node in self._nodes.lister if address(node) is not None}
        return [meta.name(piece) for piece in found["items"] if meta.name(piece) not in known]

    async def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                await self._client.delete(ENDPOINT_SLICES, name, NAMESPACE)
            except NotFound:
                continue
