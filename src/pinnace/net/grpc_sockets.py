"""gRPC on unix sockets, as plugins of the kubelet speak it: calls, streams of answers, and small servers.

Every call dials anew: a plugin may be replaced behind its socket at any moment, and none of this is a hot path.
grpc is imported on first use: it costs start-up time and memory.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

LONGEST_PATH = 107
_NOT_FINAL = ("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED")

Method = tuple[Any, Callable[[Any, Any], Awaitable[Any]]]  # class of the request, who answers


class RpcError(ConnectionError):
    """What the other side answered; reads as Go prints a gRPC error, because that is what users find in events."""

    def __init__(self, code: str, message: str) -> None:
        shown = "Canceled" if code == "CANCELLED" else "".join(part.title() for part in code.split("_"))
        super().__init__(f"rpc error: code = {shown} desc = {message}")
        self.code, self.message = code, message

    @property
    def is_final(self) -> bool:
        """It was not done. Otherwise it may have been, or may still be under way."""
        return self.code not in _NOT_FINAL


class GrpcSocket:
    """A unix socket that speaks gRPC; `address` is its path, also with `unix://` before it."""

    def __init__(self, address: str, seconds: float) -> None:
        self.path = address.removeprefix("unix://").removeprefix("unix:")
        self._seconds = seconds

    async def call(self, method: str, request: Any, response: Any) -> Any:
        """Raises RpcError."""
        async with self._channel() as channel:
            call = channel.unary_unary(method, type(request).SerializeToString, response.FromString)
            try:
                return await call(request, timeout=self._seconds)
            except _grpc().RpcError as error:
                text = error.details() or ""
                if error.code() is _grpc().StatusCode.DEADLINE_EXCEEDED:
                    text = "context deadline exceeded"
                raise RpcError(error.code().name, text) from error

    async def answers(self, method: str, request: Any, response: Any) -> AsyncGenerator[Any, None]:
        """As many as there come, without a limit of time; raises what grpc does."""
        async with self._channel() as channel:
            call = channel.unary_stream(method, type(request).SerializeToString, response.FromString)
            async for answer in call(request):
                yield answer

    @contextlib.asynccontextmanager
    async def _channel(self) -> AsyncGenerator[Any, None]:
        options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
        with reachable(self.path) as path:
            async with _grpc().aio.insecure_channel(f"unix://{path}", options) as channel:
                yield channel


@contextlib.asynccontextmanager
async def serving(socket: Path, service: str, methods: Mapping[str, Method]) -> AsyncGenerator[Any, None]:
    """The running server; it ends with the block."""
    grpc = _grpc()
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
        raise RpcError("UNAVAILABLE", f"dial unix {path}: {error.strerror}") from error
    try:
        yield f"/proc/self/fd/{held}/{name}"
    finally:
        os.close(held)


def _grpc() -> Any:
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    import grpc.aio

    return grpc


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
