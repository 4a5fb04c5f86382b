"""One registered plugin: its devices as its stream says, and the calls that it answers."""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pinnace.kubelet.devices.assignments import Access
from pinnace.kubelet.devices.messages import PLUGIN, message_classes
from pinnace.net.grpc_sockets import GrpcSocket

HEALTHY = "Healthy"
CALL_SECONDS = 30.0


class Plugin:
    """`devices` is the health by id; `prefers` and `prepares` are the options that it registered with."""

    def __init__(self, resource: str, socket: Path, *, prefers: bool, prepares: bool) -> None:
        self.resource, self.prefers, self.prepares = resource, prefers, prepares
        self.devices: dict[str, str] = {}
        self.is_connected = True
        self._socket = GrpcSocket(str(socket), CALL_SECONDS)

    @property
    def healthy(self) -> set[str]:
        return {name for name, health in self.devices.items() if health == HEALTHY and self.is_connected}

    async def watch(self, changed: Callable[[], None]) -> None:
        """Follow the plugin's list until it ends or breaks."""
        classes = message_classes()
        listed = self._socket.answers(
            f"{PLUGIN}ListAndWatch", classes["Empty"](), classes["ListAndWatchResponse"]
        )
        async with contextlib.aclosing(listed):
            async for answer in listed:
                self.devices = {one.ID: one.health for one in answer.devices}
                changed()

    async def preferred(self, available: Iterable[str], included: Iterable[str], size: int) -> list[str]:
        request = {
            "available_deviceIDs": sorted(available), "must_include_deviceIDs": sorted(included),
            "allocation_size": size,
        }  # fmt: skip
        answer = await self._call(
            "GetPreferredAllocation", "PreferredAllocation", container_requests=[request]
        )
        return [name for one in answer.container_responses[:1] for name in one.deviceIDs]

    async def allocate(self, ids: Iterable[str]) -> Access:
        answer = await self._call("Allocate", "Allocate", container_requests=[{"devices_ids": list(ids)}])
        return _access(answer.container_responses[0]) if answer.container_responses else Access()

    async def prepare(self, ids: Iterable[str]) -> None:
        await self._call("PreStartContainer", "PreStartContainer", devices_ids=list(ids))

    async def _call(self, method: str, message: str, **fields: Any) -> Any:
        classes = message_classes()
        request = classes[f"{message}Request"](**fields)
        return await self._socket.call(f"{PLUGIN}{method}", request, classes[f"{message}Response"])


def _access(answer: Any) -> Access:
    return Access(
        dict(answer.envs),
        [
            {"container_path": one.container_path, "host_path": one.host_path, "readonly": one.read_only}
            for one in answer.mounts
        ],
        [
            {"container_path": one.container_path, "host_path": one.host_path, "permissions": one.permissions}
            for one in answer.devices
        ],
        dict(answer.annotations),
        [one.name for one in answer.cdi_devices],
    )
