"""Calls to the socket of a CSI driver, or of any plugin that registers with the kubelet."""

from typing import Any

from pinnace.net.csi.messages import csi_classes, registration_classes
from pinnace.net.grpc_sockets import GrpcSocket

CALL_SECONDS = 120.0  # upstream's csiTimeout


class Endpoint(GrpcSocket):
    def __init__(self, address: str, seconds: float = CALL_SECONDS) -> None:
        super().__init__(address, seconds)

    async def csi(self, service: str, method: str, /, **fields: Any) -> Any:
        """A method of CSI: service `Identity`, `Node` or `Controller`; raises RpcError."""
        classes = csi_classes()
        request = classes[f"{method}Request"](**fields)
        return await self.call(f"/csi.v1.{service}/{method}", request, classes[f"{method}Response"])

    async def registration(self, name: str, request: str, response: str, /, **fields: Any) -> Any:
        """Raises RpcError."""
        classes = registration_classes()
        method = f"/pluginregistration.Registration/{name}"
        return await self.call(method, classes[request](**fields), classes[response])


async def capabilities(endpoint: Endpoint, service: str, name: str) -> frozenset[int]:
    """What NodeGetCapabilities or ControllerGetCapabilities answers."""
    answer = await endpoint.csi(service, name)
    return frozenset(one.rpc.type for one in answer.capabilities)
