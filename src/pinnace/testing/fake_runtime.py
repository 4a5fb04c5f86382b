"""A container runtime in memory: fulfils `kubelet.cri.runtime.ContainerRuntime` without processes.

Containers run until `exit_container` is called or they are stopped; `fail` makes the next call of a method raise. It passes
the same contract tests as containerd.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pinnace.component.clock import Clock
from pinnace.kubelet.cri.runtime import (
    Config,
    Container,
    ContainerState,
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


class FakeRuntime:
    """`calls` lists (method, id or name) of everything that changed something, in order."""

    def __init__(self, clock: Clock, images: Sequence[str] = ()) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._sandboxes: dict[str, SandboxStatus] = {}
        self._containers: dict[str, ContainerStatus] = {}
        self._images: dict[str, Image] = {}
        self._failures: dict[str, list[CriError]] = {}
        self._changed = asyncio.Event()
        self._ended: list[str] = []
        self.conditions = [RuntimeCondition("RuntimeReady", True), RuntimeCondition("NetworkReady", True)]
        self.pullable: set[str] = set()
        self.told_features = RuntimeFeatures(supplemental_groups_policy=True)
        self.calls: list[tuple[str, str]] = []
        self.configs: dict[str, Config] = {}
        self.handlers: dict[str, str] = {}  # of sandboxes
        self.exec_results: dict[str, ExecResult] = {}
        for name in images:
            self.add_image(name)

    # -- for tests -----------------------------------------------------------------------------------------------
    def add_image(self, name: str, **fields: Any) -> None:
        digest = f"sha256:{abs(hash(name)):064x}"[:71]
        self._images[name] = Image(digest, repo_tags=(name,), size=fields.pop("size", 1000), **fields)

    def fail(self, method: str, error: CriError) -> None:
        """The next call of `method` raises `error`."""
        self._failures.setdefault(method, []).append(error)

    def exit_container(self, container_id: str, code: int = 0, reason: str = "") -> None:
        """The container's process ends by itself."""
        status = self._containers[container_id]
        self._containers[container_id] = replace(
            status,
            state=ContainerState.EXITED,
            exit_code=code,
            reason=reason or ("Completed" if code == 0 else "Error"),
            finished_at=self._now(),
        )
        self._tell_end(container_id)

    def _tell_end(self, own: str) -> None:
        self._ended.append(own)
        self._changed.set()

    def container_named(self, name: str) -> ContainerStatus:
        """The newest container with this name."""
        found = [one for one in self._containers.values() if one.name == name]
        return max(found, key=lambda one: (one.created_at, one.attempt))

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000_000) + next(self._ids)

    def _check(self, method: str, what: str = "") -> None:
        if what:
            self.calls.append((method, what))
        if self._failures.get(method):
            raise self._failures[method].pop(0)

    def _find(self, container_id: str) -> ContainerStatus:
        if container_id not in self._containers:
            raise CriError("NOT_FOUND", f'container "{container_id}": not found')
        return self._containers[container_id]

    # -- the contract --------------------------------------------------------------------------------------------
    async def version(self) -> RuntimeVersion:
        self._check("version")
        return RuntimeVersion("fake", "1.0")

    async def status(self) -> list[RuntimeCondition]:
        self._check("status")
        return list(self.conditions)

    async def features(self) -> RuntimeFeatures:
        return self.told_features

    async def run_sandbox(self, config: Config, handler: str = "") -> str:
        meta = config["metadata"]
        self._check("run_sandbox", meta["name"])
        own = f"sandbox-{next(self._ids)}"
        security = (config.get("linux") or {}).get("security_context") or {}
        on_host = (security.get("namespace_options") or {}).get("network") == 2
        ips = () if on_host else (f"10.0.0.{next(self._ids)}",)
        self._sandboxes[own] = SandboxStatus(
            own,
            meta["name"],
            meta["namespace"],
            meta["uid"],
            meta.get("attempt", 0),
            True,
            self._now(),
            dict(config.get("labels") or {}),
            dict(config.get("annotations") or {}),
            ips,
            on_host,
        )
        self.configs[own] = config
        self.handlers[own] = handler
        return own

    async def stop_sandbox(self, sandbox_id: str) -> None:
        self._check("stop_sandbox", sandbox_id)
        box = self._sandboxes.get(sandbox_id)
        if box is None:
            return
        for one in list(self._containers.values()):
            if one.sandbox_id == sandbox_id and one.state == ContainerState.RUNNING:
                self.exit_container(one.id, 137)
        self._sandboxes[sandbox_id] = replace(box, is_ready=False, ips=())
        self._tell_end(sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        self._check("remove_sandbox", sandbox_id)
        self._sandboxes.pop(sandbox_id, None)
        for one in list(self._containers.values()):
            if one.sandbox_id == sandbox_id:
                del self._containers[one.id]

    async def sandbox_status(self, sandbox_id: str, *, verbose: bool = False) -> SandboxStatus:
        if sandbox_id not in self._sandboxes:
            raise CriError("NOT_FOUND", f'sandbox "{sandbox_id}": not found')
        return self._sandboxes[sandbox_id]

    async def list_sandboxes(self, *, labels: Mapping[str, str] | None = None) -> list[Sandbox]:
        self._check("list_sandboxes")
        return [box for box in self._sandboxes.values() if _matches(box.labels, labels)]

    async def create_container(self, sandbox_id: str, config: Config, sandbox_config: Config) -> str:
        meta = config["metadata"]
        self._check("create_container", meta["name"])
        if sandbox_id not in self._sandboxes:
            raise CriError("NOT_FOUND", f'failed to find sandbox id "{sandbox_id}"')
        own = f"container-{next(self._ids)}"
        self._containers[own] = ContainerStatus(
            id=own,
            name=meta["name"],
            attempt=meta.get("attempt", 0),
            state=ContainerState.CREATED,
            created_at=self._now(),
            image=config["image"].get("user_specified_image") or config["image"]["image"],
            image_ref=config["image"]["image"],
            log_path=config.get("log_path", ""),
            sandbox_id=sandbox_id,
            labels=dict(config.get("labels") or {}),
            annotations=dict(config.get("annotations") or {}),
        )
        self.configs[own] = config
        return own

    async def start_container(self, container_id: str) -> None:
        status = self._find(container_id)
        self._check("start_container", status.name)
        if status.state != ContainerState.CREATED:
            raise CriError("UNKNOWN", f'container "{container_id}" is not in created state')
        self._containers[container_id] = replace(status, state=ContainerState.RUNNING, started_at=self._now())

    async def stop_container(self, container_id: str, timeout: int) -> None:
        status = self._containers.get(container_id)
        self._check("stop_container", f"{status.name if status else container_id} {timeout}")
        if status is not None and status.state == ContainerState.RUNNING:
            self.exit_container(container_id, 137 if timeout == 0 else 143)

    async def signal_container(self, container_id: str, signal: int, patience: float) -> bool:
        """A container of the fake runtime ends on any signal but SIGUSR1 (10), which it does not heed."""
        status = self._find(container_id)
        self._check("signal_container", f"{status.name} {signal}")
        if signal == 10:
            await self._clock.sleep(patience)
            return False
        self.exit_container(container_id, 128 + signal)
        return True

    async def remove_container(self, container_id: str) -> None:
        self._check("remove_container", container_id)
        self._containers.pop(container_id, None)

    async def container_status(self, container_id: str, *, verbose: bool = False) -> ContainerStatus:
        return self._find(container_id)

    async def list_containers(
        self, *, labels: Mapping[str, str] | None = None, sandbox_id: str = ""
    ) -> list[Container]:
        self._check("list_containers")
        return [
            Container(
                one.id, one.sandbox_id, one.name, one.attempt, one.image, one.image_ref, one.state,
                one.created_at, one.labels, one.annotations,
            )
            for one in self._containers.values()
            if _matches(one.labels, labels) and sandbox_id in ("", one.sandbox_id)
        ]  # fmt: skip

    async def update_container_resources(self, container_id: str, linux: Config) -> None:
        self._find(container_id)
        self._check("update_container_resources", container_id)

    async def reopen_container_log(self, container_id: str) -> None:
        self._find(container_id)
        self._check("reopen_container_log", container_id)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        status = self._find(container_id)
        self._check("exec_sync", f"{status.name} {' '.join(command)}")
        if status.state != ContainerState.RUNNING:
            raise CriError("UNKNOWN", "container is in CONTAINER_EXITED state")
        return self.exec_results.get(" ".join(command), ExecResult(b"", b"", 0))

    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        raise CriError("UNIMPLEMENTED", "the fake runtime streams nothing")

    async def attach(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        raise CriError("UNIMPLEMENTED", "the fake runtime streams nothing")

    async def port_forward(self, sandbox_id: str, ports: Sequence[int]) -> str:
        raise CriError("UNIMPLEMENTED", "the fake runtime streams nothing")

    async def container_stats(self, container_id: str) -> ContainerStats:
        status = self._find(container_id)
        return ContainerStats(status.id, status.name, status.labels, self._now(), 0, 0, 0, 0)

    async def list_container_stats(self, *, labels: Mapping[str, str] | None = None) -> list[ContainerStats]:
        return [
            ContainerStats(one.id, one.name, one.labels, self._now(), 0, 0, 0, 0)
            for one in self._containers.values()
            if one.state == ContainerState.RUNNING and _matches(one.labels, labels)
        ]

    async def changes(self) -> AsyncGenerator[str, None]:
        self._ended.clear()
        yield ""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._ended:
                yield self._ended.pop(0)

    async def list_images(self) -> list[Image]:
        return list(self._images.values())

    async def image_status(self, image: str) -> Image | None:
        self._check("image_status")
        return self._images.get(image) or next(
            (one for one in self._images.values() if one.id == image), None
        )

    async def pull_image(
        self, image: str, auth: Config | None = None, sandbox_config: Config | None = None
    ) -> str:
        self._check("pull_image", image)
        if image not in self.pullable and image not in self._images:
            raise CriError("NOT_FOUND", f'failed to pull and unpack image "{image}": not found')
        if image not in self._images:
            self.add_image(image)
        return self._images[image].id

    async def remove_image(self, image: str) -> None:
        self._check("remove_image", image)
        for name in [name for name, one in self._images.items() if image in (name, one.id)]:
            del self._images[name]

    async def image_fs_info(self) -> list[FilesystemUsage]:
        return [FilesystemUsage("/", self._now(), sum(one.size for one in self._images.values()), 1)]

    async def view_image(self, image_id: str, key: str) -> list[ViewMount]:
        self._check("view_image", key)
        if await self.image_status(image_id) is None:
            raise CriError("NOT_FOUND", f"content digest {image_id}: not found")
        return [ViewMount("bind", "/", ("ro", "rbind"))]

    async def drop_view(self, key: str) -> None:
        self._check("drop_view", key)

    async def close(self) -> None:
        return None


def _matches(have: Mapping[str, str], wanted: Mapping[str, str] | None) -> bool:
    return all(have.get(key) == value for key, value in (wanted or {}).items())
