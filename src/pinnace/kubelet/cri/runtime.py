"""What the kubelet asks of a container runtime, in CRI v1's terms: the contract that every runtime here fulfils.

Requests that carry a configuration (sandbox, container, authentication) take plain dicts with the field names of CRI's
`PodSandboxConfig`, `ContainerConfig` and `AuthConfig`. Answers are the frozen dataclasses below; times are integer
nanoseconds of the Unix epoch as in CRI, 0 when not set. Errors are `CriError`. Left out: Windows, checkpoints, metrics.
Facts: https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

Config = dict[str, Any]


class CriError(Exception):
    """The runtime refused or failed. `code` is the gRPC status name: NOT_FOUND, UNAVAILABLE, DEADLINE_EXCEEDED, UNKNOWN, ..."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def is_not_found(self) -> bool:
        return self.code == "NOT_FOUND"

    @property
    def is_done_already(self) -> bool:
        """Of a removal: the thing is gone, or an earlier call (of a kubelet before this one) is removing it."""
        return self.is_not_found or self.message.endswith("is already in removing state")

    @property
    def is_unavailable(self) -> bool:
        """Also containerd's answer, under code UNKNOWN, while its CRI part still reads what runs."""
        return self.code in ("UNAVAILABLE", "CANCELLED") or self.message == "server is not initialized yet"

    def __str__(self) -> str:
        """As Go's gRPC prints it, which is what users of upstream see in events."""
        name = "".join(part.capitalize() for part in self.code.split("_"))
        return f"rpc error: code = {name} desc = {self.message}"


class ContainerState(IntEnum):
    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    is_ready: bool
    created_at: int
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxStatus(Sandbox):
    """`ips` is empty for a sandbox in the host's network; `info` only when asked for verbosely."""

    ips: tuple[str, ...] = ()
    on_host_network: bool = False
    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    image_ref: str
    state: ContainerState
    created_at: int
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """`reason` is OOMKilled, Completed or Error once the container has exited."""

    id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    image: str = ""
    image_ref: str = ""
    reason: str = ""
    message: str = ""
    log_path: str = ""
    sandbox_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """`user_id` is None when the image names its user in `username` (or names none)."""

    id: str
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    size: int = 0
    user_id: int | None = None
    username: str = ""
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """None where the runtime did not say. cpu is cumulative core nanoseconds."""

    id: str
    name: str
    labels: Mapping[str, str]
    timestamp: int = 0
    cpu_usage_nanos: int | None = None
    memory_working_set_bytes: int | None = None
    memory_usage_bytes: int | None = None
    memory_rss_bytes: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None
    writable_layer_bytes: int | None = None
    writable_layer_inodes: int | None = None


@dataclass(frozen=True, slots=True)
class FilesystemUsage:
    mountpoint: str
    timestamp: int
    used_bytes: int
    used_inodes: int


@dataclass(frozen=True, slots=True)
class ViewMount:
    """One mount(2) of a read-only view of an image: file system type, source and options."""

    kind: str
    source: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecResult:
    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True, slots=True)
class RuntimeCondition:
    """type is RuntimeReady or NetworkReady, or the runtime's own."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class HandlerFeatures:
    """What one handler (of a RuntimeClass, "" the default) can do."""

    name: str
    recursive_read_only_mounts: bool = False
    user_namespaces: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeFeatures:
    """`supplemental_groups_policy` is None, and `handlers` is empty, where the runtime does not say: containerd before 2.0."""

    supplemental_groups_policy: bool | None = None
    handlers: tuple[HandlerFeatures, ...] = ()


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    name: str
    version: str


class RuntimeService(Protocol):
    """Sandboxes and containers. Stopping and removing are idempotent: what is gone already is no error."""

    async def version(self) -> RuntimeVersion: ...

    async def status(self) -> Sequence[RuntimeCondition]: ...

    async def features(self) -> RuntimeFeatures: ...

    async def run_sandbox(self, config: Config, handler: str = "") -> str: ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """End every process of the sandbox and give its network back."""

    async def remove_sandbox(self, sandbox_id: str) -> None: ...

    async def sandbox_status(self, sandbox_id: str, *, verbose: bool = False) -> SandboxStatus: ...

    async def list_sandboxes(self, *, labels: Mapping[str, str] | None = None) -> list[Sandbox]: ...

    async def create_container(self, sandbox_id: str, config: Config, sandbox_config: Config) -> str: ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, timeout: int) -> None:
        """Ask the process to end; kill it after `timeout` seconds; return when it has ended."""

    async def signal_container(self, container_id: str, signal: int, patience: float) -> bool:
        """Send a signal to the container's process; whether it has ended within `patience` seconds."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def container_status(self, container_id: str, *, verbose: bool = False) -> ContainerStatus: ...

    async def list_containers(
        self, *, labels: Mapping[str, str] | None = None, sandbox_id: str = ""
    ) -> list[Container]: ...

    async def update_container_resources(self, container_id: str, linux: Config) -> None: ...

    async def reopen_container_log(self, container_id: str) -> None: ...

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run to the end and collect output; raises CriError DEADLINE_EXCEEDED after `timeout` seconds (0: no limit)."""
        ...

    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        """The URL of the runtime's streaming server for this one exec."""
        ...

    async def attach(
        self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str: ...

    async def port_forward(self, sandbox_id: str, ports: Sequence[int]) -> str: ...

    async def container_stats(self, container_id: str) -> ContainerStats: ...

    async def list_container_stats(
        self, *, labels: Mapping[str, str] | None = None
    ) -> list[ContainerStats]: ...

    def changes(self) -> AsyncGenerator[str, None]:
        """The id of each container or sandbox whose process ended. "" first, once what follows will be told; ends at once
        where the runtime cannot tell."""
        ...


class ImageService(Protocol):
    async def list_images(self) -> list[Image]: ...

    async def image_status(self, image: str) -> Image | None: ...

    async def pull_image(
        self, image: str, auth: Config | None = None, sandbox_config: Config | None = None
    ) -> str:
        """The reference (id) of the image that was pulled."""
        ...

    async def remove_image(self, image: str) -> None: ...

    async def image_fs_info(self) -> list[FilesystemUsage]: ...

    async def view_image(self, image_id: str, key: str) -> Sequence[ViewMount]:
        """How to mount the image's files read-only. The view keeps them there until `drop_view(key)`. Idempotent."""
        ...

    async def drop_view(self, key: str) -> None: ...


class ContainerRuntime(RuntimeService, ImageService, Protocol):
    async def close(self) -> None: ...
