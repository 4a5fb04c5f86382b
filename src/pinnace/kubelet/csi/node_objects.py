"""What the API knows of a node's CSI drivers: its CSINode, and the Node's annotation and topology labels.

Upstream: pkg/volume/csi/nodeinfomanager
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CSI_NODES, NODES
from pinnace.apimachinery.errors import AlreadyExists, Conflict, NotFound
from pinnace.client.interface import Client

NODE_IDS = "csi.volume.kubernetes.io/nodeid"
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a driver says of this node; `max_volumes` 0 means that it does not count."""

    node_id: str
    max_volumes: int = 0
    topology: Mapping[str, str] = field(default_factory=dict)


class CsiNodeObjects:
    """`volumes_in_use` and everything else of the Node's status are the node agent's."""

    def __init__(self, client: Client, node_name: str) -> None:
        self._client, self._node_name = client, node_name
        self._lock = asyncio.Lock()

    async def create(self) -> None:
        """The CSINode, also of a node without drivers."""
        try:
            await self._client.get(CSI_NODES, self._node_name)
        except NotFound:
            await self._create([])

    async def install(self, driver: str, info: NodeInfo) -> None:
        async with self._lock:
            await self._describe_node(driver, info.node_id, info.topology)
            entry: Object = {"name": driver, "nodeID": info.node_id, "topologyKeys": sorted(info.topology)}
            if info.max_volumes > 0:
                entry["allocatable"] = {"count": info.max_volumes}
            await self._change_drivers(driver, entry)

    async def uninstall(self, driver: str) -> None:
        """The topology labels stay, as upstream's: pods were placed by them."""
        async with self._lock:
            await self._change_drivers(driver, None)
            await self._describe_node(driver, "", {})

    async def _describe_node(self, driver: str, node_id: str, topology: Mapping[str, str]) -> None:
        node = await self._client.get(NODES, self._node_name)
        try:
            ids = json.loads(meta.annotations(node).get(NODE_IDS) or "{}")
        except ValueError:
            ids = {}
        wanted = {name: value for name, value in ids.items() if name != driver}
        if node_id:
            wanted[driver] = node_id
        labels = _new_labels(meta.labels(node), topology)
        if wanted == ids and not labels:
            return
        annotation = json.dumps(wanted, sort_keys=True, separators=(",", ":")) if wanted else None
        body = {"metadata": {"annotations": {NODE_IDS: annotation}, "labels": labels}}
        await self._client.patch(NODES, self._node_name, body)

    async def _change_drivers(self, driver: str, entry: Object | None) -> None:
        for _ in range(ATTEMPTS):
            try:
                current = await self._client.get(CSI_NODES, self._node_name)
            except NotFound:
                if entry is not None:
                    await self._create([entry])
                return
            before = current["spec"].get("drivers") or []
            drivers = [one for one in before if one["name"] != driver]
            if entry is not None:
                drivers.append(entry)
            if drivers == before:
                return
            changed = {**current, "spec": {**current["spec"], "drivers": drivers}}
            try:
                await self._client.update(CSI_NODES, changed)
            except Conflict:
                continue
            return
        raise ConnectionError(f"CSINode {self._node_name} changes too fast")

    async def _create(self, drivers: list[Object]) -> None:
        node = await self._client.get(NODES, self._node_name)
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._node_name, "uid": meta.uid(node)}
        body = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {"name": self._node_name, "ownerReferences": [owner]},
            "spec": {"drivers": drivers},
        }
        try:
            await self._client.create(CSI_NODES, body)
        except AlreadyExists:
            if drivers:
                await self._change_drivers(drivers[0]["name"], drivers[0])


def _new_labels(labels: Mapping[str, str], topology: Mapping[str, str]) -> dict[str, str]:
    for key, value in topology.items():
        if labels.get(key, value) != value:
            why = f'driver reported "{key}":"{value}" but existing label is "{key}":"{labels[key]}"'
            raise ValueError(f"detected topology value collision: {why}")
    return {key: value for key, value in topology.items() if key not in labels}
