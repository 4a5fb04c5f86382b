"""The CRI v1 client: gRPC over a unix socket, for containerd or any other runtime that speaks CRI v1.

gRPC and protobuf are imported when the first call is made, so that importing this module costs nothing.
"""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinnace.component.clock import Clock
from pinnace.kubelet.cri import answers, shaper
from pinnace.kubelet.cri.messages import PACKAGE, message_classes
from pinnace.kubelet.cri.runtime import (
    Config,
    Container,
    ContainerStats,
    ContainerStatus,
    CriError,
    ExecResult,
    FilesystemUsage,
    Image,
    RuntimeCondition,
    RuntimeFeatures,
    RuntimeVersion,
    Sandbox,
    SandboxStatus,
    ViewMount,
)

if TYPE_CHECKING:
    from pinnace.kubelet.cri.containerd_services import ContainerdServices

CALL_SECONDS = 120.0  # upstream's runtimeRequestTimeout is 2 minutes
LIST_SECONDS = 10.0  # questions about what there is: a healthy runtime answers at once
PULL_SECONDS = 3600.0
MAX_MESSAGE = 16 * 1024 * 1024


def _grpc() -> Any:
    """The library, without its handlers around fork: the children of this process exec at once."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    import grpc.aio

    return grpc


class CriClient:
    """`endpoint` is `unix:///path/to/socket` or a plain path. Implements `cri.runtime.ContainerRuntime`."""

    def __init__(self, endpoint: str, clock: Clock) -> None:
        self._target = endpoint if "://" in endpoint else f"unix://{endpoint}"
        self._clock = clock
        self._channel: Any = None
        self._methods: dict[str, Any] = {}

    def _open(self) -> Any:
        if self._channel is None:
            options = [
                ("grpc.max_receive_message_length", MAX_MESSAGE),
                ("grpc.default_authority", "localhost"),  # Go's server refuses a path as authority
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2000),
                ("grpc.enable_http_proxy", 0),
            ]
            self._channel = _grpc().aio.insecure_channel(self._target, options)
        return self._channel

    def _method(self, service: str, name: str) -> Any:
        if name not in self._methods:
            classes = message_classes()
            self._methods[name] = self._open().unary_unary(
                f"/{PACKAGE}.{service}/{name}",
                request_serializer=classes[f"{name}Request"].SerializeToString,
                response_deserializer=classes[f"{name}Response"].FromString,
            )
        return self._methods[name]

    async def _call(
        self, name: str, *, service: str = "RuntimeService", seconds: float = CALL_SECONDS, **fields: Any
    ) -> Any:
        grpc = _grpc()
        method = self._method(service, name)
        request = message_classes()[f"{name}Request"](**fields)
        try:
            return await method(request, timeout=seconds or None)
        except grpc.RpcError as error:
            raise CriError(error.code().name, error.details() or "") from error

    # -- containerd's own services (`containerd_services.Channel`) ---------------------------------------------------
    async def call_service(self, path: str, request: Any, answer: Any, metadata: Any, seconds: float) -> Any:
        grpc = _grpc()
        method = self._open().unary_unary(
            path,
            request_serializer=lambda one: one.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            return await method(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            raise CriError(error.code().name, error.details() or "") from error

    async def stream_service(
        self, path: str, request: Any, answer: Any, metadata: Any, seconds: float
    ) -> list[Any]:
        """All that the stream says, which must be little."""
        grpc = _grpc()
        method = self._open().unary_stream(
            path,
            request_serializer=lambda one: one.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            return [one async for one in method(request, timeout=seconds, metadata=metadata)]
        except grpc.RpcError as error:
            raise CriError(error.code().name, error.details() or "") from error

    @cached_property
    def services(self) -> "ContainerdServices":
        from pinnace.kubelet.cri.containerd_services import ContainerdServices

        return ContainerdServices(self)

    async def view_image(self, image_id: str, key: str) -> list[ViewMount]:
        return await self.services.view_image(image_id, key)

    async def signal_container(self, container_id: str, signal: int, patience: float) -> bool:
        return await self.services.signal(container_id, signal, patience)

    async def drop_view(self, key: str) -> None:
        await self.services.drop_view(key)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel, self._methods = None, {}

    async def version(self) -> RuntimeVersion:
        answer = await self._call("Version", version="v1", seconds=10)
        return RuntimeVersion(answer.runtime_name, answer.runtime_version)

    async def status(self) -> list[RuntimeCondition]:
        answer = await self._call("Status", seconds=LIST_SECONDS)
        return [RuntimeCondition(c.type, c.status, c.reason, c.message) for c in answer.status.conditions]

    async def features(self) -> RuntimeFeatures:
        return answers.features(await self._call("Status", seconds=LIST_SECONDS))

    async def run_sandbox(self, config: Config, handler: str = "") -> str:
        await shaper.prepare(config.get("annotations") or {})
        answer = await self._call("RunPodSandbox", config=config, runtime_handler=handler, seconds=240)
        return answer.pod_sandbox_id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await self._tolerant("StopPodSandbox", pod_sandbox_id=sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self._tolerant("RemovePodSandbox", pod_sandbox_id=sandbox_id)

    async def _tolerant(self, name: str, **fields: Any) -> None:
        try:
            await self._call(name, **fields)
        except CriError as error:
            if not error.is_done_already:
                raise

    async def sandbox_status(self, sandbox_id: str, *, verbose: bool = False) -> SandboxStatus:
        answer = await self._call(
            "PodSandboxStatus", pod_sandbox_id=sandbox_id, verbose=verbose, seconds=LIST_SECONDS
        )
        return answers.sandbox_status(answer)

    async def list_sandboxes(self, *, labels: Mapping[str, str] | None = None) -> list[Sandbox]:
        answer = await self._call(
            "ListPodSandbox", seconds=LIST_SECONDS, filter={"label_selector": dict(labels or {})}
        )
        return [answers.sandbox(item) for item in answer.items]

    async def create_container(self, sandbox_id: str, config: Config, sandbox_config: Config) -> str:
        answer = await self._call(
            "CreateContainer", pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config
        )
        return answer.container_id

    async def start_container(self, container_id: str) -> None:
        await self._call("StartContainer", container_id=container_id)

    async def stop_container(self, container_id: str, timeout: int) -> None:
        await self._tolerant(
            "StopContainer", container_id=container_id, timeout=timeout, seconds=CALL_SECONDS + timeout
        )

    async def remove_container(self, container_id: str) -> None:
        await self._tolerant("RemoveContainer", container_id=container_id)

    async def container_status(self, container_id: str, *, verbose: bool = False) -> ContainerStatus:
        answer = await self._call(
            "ContainerStatus", container_id=container_id, verbose=verbose, seconds=LIST_SECONDS
        )
        return answers.container_status(answer)

    async def list_containers(
        self, *, labels: Mapping[str, str] | None = None, sandbox_id: str = ""
    ) -> list[Container]:
        chosen = {"label_selector": dict(labels or {}), "pod_sandbox_id": sandbox_id}
        answer = await self._call("ListContainers", seconds=LIST_SECONDS, filter=chosen)
        return [answers.container(item) for item in answer.containers]

    async def update_container_resources(self, container_id: str, linux: Config) -> None:
        await self._call("UpdateContainerResources", container_id=container_id, linux=linux)

    async def reopen_container_log(self, container_id: str) -> None:
        await self._call("ReopenContainerLog", container_id=container_id)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """CRI counts whole seconds; the client's own limit keeps fractions."""
        whole = int(timeout) + (timeout > int(timeout))
        answer = await self._call(
            "ExecSync",
            container_id=container_id,
            cmd=list(command),
            timeout=whole,
            seconds=timeout + 1 if timeout else 0,
        )
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        answer = await self._call(
            "Exec",
            container_id=container_id,
            cmd=list(command),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr and not tty,
            tty=tty,
        )
        return answer.url

    async def attach(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        answer = await self._call(
            "Attach",
            container_id=container_id,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr and not tty,
            tty=tty,
        )
        return answer.url

    async def port_forward(self, sandbox_id: str, ports: Sequence[int]) -> str:
        return (await self._call("PortForward", pod_sandbox_id=sandbox_id, port=list(ports))).url

    async def container_stats(self, container_id: str) -> ContainerStats:
        return answers.container_stats((await self._call("ContainerStats", container_id=container_id)).stats)

    async def list_container_stats(self, *, labels: Mapping[str, str] | None = None) -> list[ContainerStats]:
        answer = await self._call("ListContainerStats", filter={"label_selector": dict(labels or {})})
        return [answers.container_stats(item) for item in answer.stats]

    async def changes(self) -> AsyncGenerator[str, None]:
        """containerd's own event stream, because CRI's came with containerd 1.7; other runtimes answer UNIMPLEMENTED."""
        from pinnace.kubelet.cri import containerd_events

        grpc = _grpc()
        stream = self._open().unary_stream(containerd_events.SUBSCRIBE)(containerd_events.REQUEST)
        try:
            yield ""
            async for envelope in stream:
                if ended := containerd_events.ended_container(envelope):
                    yield ended
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise CriError(error.code().name, error.details() or "") from error
        finally:
            stream.cancel()

    async def list_images(self) -> list[Image]:
        return [
            answers.image(item)
            for item in (await self._call("ListImages", service="ImageService", seconds=LIST_SECONDS)).images
        ]

    async def image_status(self, image: str) -> Image | None:
        answer = await self._call("ImageStatus", service="ImageService", image={"image": image})
        return answers.image(answer.image) if answer.HasField("image") else None

    async def pull_image(
        self, image: str, auth: Config | None = None, sandbox_config: Config | None = None
    ) -> str:
        answer = await self._call(
            "PullImage",
            service="ImageService",
            seconds=PULL_SECONDS,
            image={"image": image},
            auth=auth,
            sandbox_config=sandbox_config,
        )
        return answer.image_ref

    async def remove_image(self, image: str) -> None:
        await self._call("RemoveImage", service="ImageService", image={"image": image})

    async def image_fs_info(self) -> list[FilesystemUsage]:
        answer = await self._call("ImageFsInfo", service="ImageService")
        return [answers.filesystem_usage(item) for item in answer.image_filesystems]
