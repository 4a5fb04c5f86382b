"""gRPC servers of the kubelet: a few methods of one service on a unix socket."""

import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pinnace.net.csi.client import reachable

Method = tuple[Any, Callable[[Any, Any], Awaitable[Any]]]  # class of the request, who answers


@contextlib.asynccontextmanager
async def serving(socket: Path, service: str, methods: Mapping[str, Method]) -> AsyncGenerator[Any, None]:
    """The running server; it ends with the block."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    import grpc.aio

    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=request.FromString, response_serializer=_bytes
        )
        for name, (request, answer) in methods.items()
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    with reachable(str(socket)) as path:
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        try:
            yield server
        finally:
            await server.stop(None)


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
