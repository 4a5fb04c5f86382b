"""A driver behind its controller socket, and what every part that asks it needs."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from pinnace.api.meta import Object
from pinnace.api.resources import SECRETS
from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.net.csi.client import Endpoint, capabilities
from pinnace.net.csi.messages import PluginService


@dataclass(frozen=True, slots=True)
class Driver:
    """`can`: ControllerServiceCapability."""

    name: str
    endpoint: Endpoint
    can: frozenset[int]
    has_topology: bool
    client: Client
    clock: Clock
    informers: Informers
    tracer: Tracer | None = None  # None: nothing is recorded

    async def secret(self, reference: tuple[str, str] | None) -> dict[str, str]:
        """The data of the secret of this namespace and name; {} for no reference. Raises NotFound."""
        if reference is None:
            return {}
        found = await self.client.get(SECRETS, reference[1], reference[0])
        return {key: base64.b64decode(text).decode() for key, text in (found.get("data") or {}).items()}

    async def secret_of(self, csi: Object, field: str) -> dict[str, str]:
        reference: Mapping[str, str] | None = csi.get(field)
        return await self.secret((reference["namespace"], reference["name"]) if reference else None)


async def meet(
    endpoint: Endpoint, client: Client, clock: Clock, informers: Informers, tracer: Tracer | None = None
) -> Driver:
    """Ask the driver who it is and what it can; raises RpcError, also while it is not ready, and ValueError."""
    probe = await endpoint.csi("Identity", "Probe")
    if probe.HasField("ready") and not probe.ready.value:
        raise ConnectionError(f"the CSI driver at {endpoint.path} is not ready")
    info = await endpoint.csi("Identity", "GetPluginInfo")
    plugin = await endpoint.csi("Identity", "GetPluginCapabilities")
    services = {one.service.type for one in plugin.capabilities}
    if PluginService.CONTROLLER not in services:
        raise ValueError(f"CSI driver {info.name} at {endpoint.path} has no controller service")
    can = await capabilities(endpoint, "Controller", "ControllerGetCapabilities")
    has_topology = PluginService.TOPOLOGY in services
    return Driver(info.name, endpoint, can, has_topology, client, clock, informers, tracer)
