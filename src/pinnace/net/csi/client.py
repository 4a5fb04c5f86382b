"""Calls to the socket of a CSI driver, or of any plugin that registers with the kubelet.

Every call dials anew: a driver may be replaced behind its socket at any moment, and volumes are not a hot path.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from pinnace.net.csi.messages import csi_classes, registration_classes

CALL_SECONDS = 120.0  # upstream's csiTimeout
LONGEST_PATH = 107
_NOT_FINAL = ("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED")


class CsiError(ConnectionError):
    """What the driver answered; reads as Go prints a gRPC error, because that is what users find in events."""

    def __init__(self, code: str, message: str) -> None:
        shown = "Canceled" if code == "CANCELLED" else "".join(part.title() for part in code.split("_"))
        super().__init__(f"rpc error: code = {shown} desc = {message}")
        self.code, self.message = code, message

    @property
    def is_final(self) -> bool:
        """The driver did not do it. Otherwise it may have, or may still be at it."""
        return self.code not in _NOT_FINAL


class Endpoint:
    """A unix socket that speaks gRPC; `address` is its path, also with `unix://` before it."""

    def __init__(self, address: str, seconds: float = CALL_SECONDS) -> None:
        self.path = address.removeprefix("unix://").removeprefix("unix:")
        self._seconds = seconds

    async def csi(self, service: str, method: str, /, **fields: Any) -> Any:
        """A method of CSI: service `Identity`, `Node` or `Controller`; raises CsiError."""
        classes = csi_classes()
        request = classes[f"{method}Request"](**fields)
        return await self.call(f"/csi.v1.{service}/{method}", request, classes[f"{method}Response"])

    async def registration(self, name: str, request: str, response: str, /, **fields: Any) -> Any:
        classes = registration_classes()
        method = f"/pluginregistration.Registration/{name}"
        return await self.call(method, classes[request](**fields), classes[response])

    async def call(self, method: str, request: Any, response: Any) -> Any:
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
        import grpc.aio

        with reachable(self.path) as path:
            return await self._call(grpc, path, method, request, response)

    async def _call(self, grpc: Any, path: str, method: str, request: Any, response: Any) -> Any:
        options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(f"unix://{path}", options) as channel:
            call = channel.unary_unary(
                method,
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )
            try:
                return await call(request, timeout=self._seconds)
            except grpc.RpcError as error:
                text = error.details() or ""
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    text = "context deadline exceeded"
                raise CsiError(error.code().name, text) from error


@contextlib.contextmanager
def reachable(path: str) -> Iterator[str]:
    """A name of the socket that is short enough for the kernel, which takes 107 bytes."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield path
        return
    directory, name = os.path.split(path)
    try:
        held = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise CsiError("UNAVAILABLE", f"dial unix {path}: {error.strerror}") from error
    try:
        yield f"/proc/self/fd/{held}/{name}"
    finally:
        os.close(held)


async def capabilities(endpoint: Endpoint, service: str, name: str) -> frozenset[int]:
    """What NodeGetCapabilities or ControllerGetCapabilities answers."""
    answer = await endpoint.csi(service, name)
    return frozenset(one.rpc.type for one in answer.capabilities)
