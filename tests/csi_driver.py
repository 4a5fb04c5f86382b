"""A small CSI driver for tests: real sockets, real mounts. Volumes are directories below `backing`, or loop devices of files there.

What it was asked stands in `calls`; `fails` and `hangs` make it misbehave.
"""

import asyncio
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from pinnace.kubelet.volumes.mounts import is_mounted, mount_bind, unmount
from pinnace.net.csi.messages import csi_classes, registration_classes

STAGE, STATS, EXPAND, CONDITION, MULTI_WRITER, MOUNT_GROUP = 1, 2, 3, 4, 5, 6
C_CREATE, C_PUBLISH, C_CAPACITY, C_EXPAND = 1, 2, 4, 9
OFFERED = {
    "Identity": ("GetPluginInfo", "GetPluginCapabilities", "Probe"),
    "Node": (
        "NodeGetInfo", "NodeGetCapabilities", "NodeStageVolume", "NodeUnstageVolume", "NodePublishVolume",
        "NodeUnpublishVolume", "NodeGetVolumeStats", "NodeExpandVolume",
    ),
    "Controller": (
        "ControllerGetCapabilities", "CreateVolume", "DeleteVolume", "ControllerPublishVolume",
        "ControllerUnpublishVolume", "ControllerExpandVolume", "GetCapacity",
    ),
}  # fmt: skip


@dataclass
class Driver:
    """`directory` holds its sockets and what it keeps; `kubelet` is the kubelet's directory."""

    directory: Path
    kubelet: Path
    name: str = "test.csi.pinnace"
    node_id: str = "node-a"
    max_volumes: int = 0
    topology: dict[str, str] = field(default_factory=dict)
    node_capabilities: tuple[int, ...] = (STAGE,)
    controller_capabilities: tuple[int, ...] = (C_CREATE, C_PUBLISH)
    versions: tuple[str, ...] = ("1.0.0",)
    capacity: int = 1 << 30
    fails: dict[str, tuple[grpc.StatusCode, str]] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    registered: list[tuple[bool, str]] = field(default_factory=list)
    _servers: list[Any] = field(default_factory=list)
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def socket(self) -> Path:
        return self.directory / "csi.sock"

    @property
    def registration_socket(self) -> Path:
        return self.kubelet / "plugins_registry" / f"{self.name}-reg.sock"

    @property
    def backing(self) -> Path:
        return self.directory / "backing"

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def asked(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]

    async def start(self) -> None:
        self.backing.mkdir(parents=True, exist_ok=True)
        self._released.clear()
        self._servers = [await self._serve(self.socket, "csi.v1", OFFERED)]

    async def register(self) -> None:
        self.registration_socket.parent.mkdir(parents=True, exist_ok=True)
        offered: dict[str, tuple[str, ...]] = {"Registration": ("GetInfo", "NotifyRegistrationStatus")}
        self._servers.append(await self._serve(self.registration_socket, "pluginregistration", offered))

    async def stop(self) -> None:
        for server in self._servers:
            self._released.set()
            await asyncio.to_thread(server.stop(None).wait)
        self._servers = []
        for path in (self.registration_socket, self.socket):
            path.unlink(missing_ok=True)

    async def _serve(self, path: Path, package: str, offered: dict[str, tuple[str, ...]]) -> Any:
        server = grpc.server(ThreadPoolExecutor(8))
        for service, methods in offered.items():
            handlers = {name: self._handler(name) for name in methods}
            generic = grpc.method_handlers_generic_handler(f"{package}.{service}", handlers)
            server.add_generic_rpc_handlers((generic,))
        path.unlink(missing_ok=True)
        directory = os.open(path.parent, os.O_PATH)
        try:  # a socket's path must be short when it is bound
            server.add_insecure_port(f"unix:///proc/self/fd/{directory}/{path.name}")
            server.start()
        finally:
            os.close(directory)
        return server

    def _handler(self, name: str) -> Any:
        special = {"GetInfo": "InfoRequest", "NotifyRegistrationStatus": "RegistrationStatus"}
        classes = registration_classes() if name in special else csi_classes()
        request = classes[special.get(name, f"{name}Request")]

        def answer(asked: Any, context: Any) -> Any:
            self.calls.append((name, asked))
            while name in self.hangs and not self._released.wait(0.05):
                pass
            if name in self.fails:
                context.abort(*self.fails[name])
            return getattr(self, name)(asked)

        return grpc.unary_unary_rpc_method_handler(
            answer, request.FromString, lambda message: message.SerializeToString()
        )

    # --- registration and identity

    def GetInfo(self, asked: Any) -> Any:  # noqa: N802
        return registration_classes()["PluginInfo"](
            type="CSIPlugin", name=self.name, endpoint=str(self.socket), supported_versions=self.versions
        )

    def NotifyRegistrationStatus(self, asked: Any) -> Any:  # noqa: N802
        self.registered.append((asked.plugin_registered, asked.error))
        return registration_classes()["RegistrationStatusResponse"]()

    def GetPluginInfo(self, asked: Any) -> Any:  # noqa: N802
        return _answer("GetPluginInfo", name=self.name, vendor_version="1")

    def GetPluginCapabilities(self, asked: Any) -> Any:  # noqa: N802
        services = [1, 2] if self.topology else [1]
        return _answer("GetPluginCapabilities", capabilities=[{"service": {"type": one}} for one in services])

    def Probe(self, asked: Any) -> Any:  # noqa: N802
        return _answer("Probe", ready={"value": True})

    # --- node

    def NodeGetInfo(self, asked: Any) -> Any:  # noqa: N802
        return _answer(
            "NodeGetInfo", node_id=self.node_id, max_volumes_per_node=self.max_volumes,
            accessible_topology={"segments": self.topology},
        )  # fmt: skip

    def NodeGetCapabilities(self, asked: Any) -> Any:  # noqa: N802
        return _answer(
            "NodeGetCapabilities", capabilities=[{"rpc": {"type": one}} for one in self.node_capabilities]
        )

    def NodeStageVolume(self, asked: Any) -> Any:  # noqa: N802
        if asked.volume_capability.HasField("mount"):
            self._bind(self._directory(asked.volume_id), Path(asked.staging_target_path))
        else:
            loop_device(self.backing / f"{asked.volume_id}.img")
        return _answer("NodeStageVolume")

    def NodeUnstageVolume(self, asked: Any) -> Any:  # noqa: N802
        target = Path(asked.staging_target_path)
        if is_mounted(target):
            unmount(target)
        detach(self.backing / f"{asked.volume_id}.img")
        return _answer("NodeUnstageVolume")

    def NodePublishVolume(self, asked: Any) -> Any:  # noqa: N802
        target = Path(asked.target_path)
        if asked.volume_capability.HasField("block"):
            target.touch()
            if not is_mounted(target):
                mount_bind(Path(loop_device(self.backing / f"{asked.volume_id}.img")), target)
        else:
            target.mkdir(exist_ok=True)
            self._bind(self._directory(asked.volume_id), target)
        return _answer("NodePublishVolume")

    def NodeUnpublishVolume(self, asked: Any) -> Any:  # noqa: N802
        target = Path(asked.target_path)
        if target.exists():
            if is_mounted(target):
                unmount(target)
            target.rmdir() if target.is_dir() else target.unlink()
        return _answer("NodeUnpublishVolume")

    def NodeGetVolumeStats(self, asked: Any) -> Any:  # noqa: N802
        usage = [
            {"available": 600, "total": 1000, "used": 400, "unit": 1},
            {"available": 90, "total": 100, "used": 10, "unit": 2},
        ]
        return _answer("NodeGetVolumeStats", usage=usage)

    def NodeExpandVolume(self, asked: Any) -> Any:  # noqa: N802
        return _answer("NodeExpandVolume", capacity_bytes=asked.capacity_range.required_bytes)

    def _directory(self, handle: str) -> Path:
        directory = self.backing / handle
        directory.mkdir(exist_ok=True)
        return directory

    def _bind(self, source: Path, target: Path) -> None:
        if not is_mounted(target):
            mount_bind(source, target)

    # --- controller

    def ControllerGetCapabilities(self, asked: Any) -> Any:  # noqa: N802
        return _answer(
            "ControllerGetCapabilities",
            capabilities=[{"rpc": {"type": one}} for one in self.controller_capabilities],
        )

    def CreateVolume(self, asked: Any) -> Any:  # noqa: N802
        handle = f"vol-{asked.name}"
        size = asked.capacity_range.required_bytes
        if asked.volume_capabilities[0].HasField("block"):
            with (self.backing / f"{handle}.img").open("wb") as file:
                file.truncate(size)
        else:
            self._directory(handle)
        volume = {"volume_id": handle, "capacity_bytes": size, "volume_context": {"made-by": self.name}}
        if asked.accessibility_requirements.preferred:
            volume["accessible_topology"] = [asked.accessibility_requirements.preferred[0]]
        return _answer("CreateVolume", volume=volume)

    def DeleteVolume(self, asked: Any) -> Any:  # noqa: N802
        directory = self.backing / asked.volume_id
        if directory.exists():
            for path in sorted(directory.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            directory.rmdir()
        (self.backing / f"{asked.volume_id}.img").unlink(missing_ok=True)
        return _answer("DeleteVolume")

    def ControllerPublishVolume(self, asked: Any) -> Any:  # noqa: N802
        return _answer("ControllerPublishVolume", publish_context={"lun": "7"})

    def ControllerUnpublishVolume(self, asked: Any) -> Any:  # noqa: N802
        return _answer("ControllerUnpublishVolume")

    def ControllerExpandVolume(self, asked: Any) -> Any:  # noqa: N802
        size = asked.capacity_range.required_bytes
        return _answer("ControllerExpandVolume", capacity_bytes=size, node_expansion_required=EXPAND in self.node_capabilities)  # fmt: skip

    def GetCapacity(self, asked: Any) -> Any:  # noqa: N802
        return _answer("GetCapacity", available_capacity=self.capacity)


def _answer(method: str, **fields: Any) -> Any:
    return csi_classes()[f"{method}Response"](**fields)


def loop_device(file: Path) -> str:
    """The loop device of this file, made when there is none."""
    if found := loop_of(file):
        return found
    done = subprocess.run(["losetup", "--show", "-f", str(file)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def loop_of(file: Path) -> str:
    text = subprocess.run(["losetup", "-n", "-O", "NAME", "-j", str(file)], capture_output=True, text=True, check=False).stdout  # fmt: skip
    return text.split()[0] if text.split() else ""


def detach(file: Path) -> None:
    if device := loop_of(file):
        subprocess.run(["losetup", "-d", device], check=False)


def has_loop_devices() -> bool:
    """Whether the kernel gives out loop devices."""
    return os.path.exists("/dev/loop-control") and not subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode  # fmt: skip  # noqa: PTH110
