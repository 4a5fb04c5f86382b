"""The CSI drivers that are registered with this kubelet."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.kubelet.csi.allocatable import AllocatableUpdates
from pinnace.kubelet.csi.node_objects import CsiNodeObjects, NodeInfo
from pinnace.kubelet.volumes.plugin import MountError
from pinnace.net.csi.client import CALL_SECONDS, Endpoint, capabilities

_VERSION = re.compile(r"^v?(\d+)(?:\.\d+)*$")


@dataclass(frozen=True, slots=True)
class CsiDriver:
    name: str
    endpoint: Endpoint
    capabilities: frozenset[int]  # NodeServiceCapability

    def can(self, capability: int) -> bool:
        return capability in self.capabilities


class CsiDrivers:
    """The handler of plugins of kind CSIPlugin. `registered(name)` is called when one has come, or come back."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        objects: CsiNodeObjects,
        registered: Callable[[str], None] = lambda name: None,
        seconds: float = CALL_SECONDS,
    ) -> None:
        self._objects, self._registered, self._seconds = objects, registered, seconds
        self._drivers: dict[str, CsiDriver] = {}
        self._updates = AllocatableUpdates(client, clock, self.refresh)

    def close(self) -> None:
        self._updates.close()

    def get(self, name: str, whose: str) -> CsiDriver:
        """`whose` is the upstream function that wants it, as it stands in the message."""
        found = self._drivers.get(name)
        if found is None:
            why = f"driver name {name} not found in the list of registered CSI drivers"
            raise MountError(f"kubernetes.io/csi: {whose}: {why}")
        return found

    def find(self, name: str) -> CsiDriver | None:
        return self._drivers.get(name)

    async def register(self, name: str, endpoint: str, versions: tuple[str, ...]) -> None:
        check_versions(name, versions)
        socket = Endpoint(endpoint, self._seconds)
        answer, can = await asyncio.gather(
            socket.csi("Node", "NodeGetInfo"), capabilities(socket, "Node", "NodeGetCapabilities")
        )
        if not answer.node_id:
            raise ValueError(f"CSI.NodeGetInfo of driver {name} returned an empty node ID")
        await self._objects.install(name, _info(answer))
        self._drivers[name] = CsiDriver(name, socket, can)
        self._updates.follow(name)
        self._registered(name)

    async def refresh(self, name: str) -> None:
        """Ask the driver again about this node."""
        if (driver := self._drivers.get(name)) is not None:
            await self._objects.install(name, _info(await driver.endpoint.csi("Node", "NodeGetInfo")))

    async def deregister(self, name: str) -> None:
        self._drivers.pop(name, None)
        self._updates.leave(name)
        await self._objects.uninstall(name)


def _info(answer: Any) -> NodeInfo:
    topology = dict(answer.accessible_topology.segments)
    return NodeInfo(answer.node_id, answer.max_volumes_per_node, topology)


def check_versions(name: str, versions: tuple[str, ...]) -> None:
    """A driver has to speak CSI 1.x; raises ValueError in upstream's words."""
    start = f"kubernetes.io/csi: plugin registration handler failed for driver {name}"
    if not versions:
        raise ValueError(f"{start}: versions are not provided")
    majors = [int(found[1]) for one in versions if (found := _VERSION.match(one))]
    if 1 not in majors:
        why = f"none of the versions specified {list(versions)} are supported"
        raise ValueError(f"{start}: the highest supported version could not be found: {why}")
