"""A device plugin for tests: offers files as devices, remembers what it was asked, and may change its mind about their health."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc.aio

from pinnace.kubelet.devices.messages import PLUGIN, REGISTER, message_classes
from pinnace.net.csi.client import Endpoint
from pinnace.net.grpc_sockets import reachable


class DevicePlugin:
    """`devices` is the health by id; call `tell` after changing it."""

    def __init__(self, kubelet: Path, resource: str = "example.com/dev", count: int = 2) -> None:
        self.kubelet, self.resource = kubelet / "device-plugins", resource
        self.devices = {f"d{index}": "Healthy" for index in range(count)}
        self.calls: list[tuple[str, list[str]]] = []
        self.preferred: list[str] | None = None
        self.fails: dict[str, str] = {}
        self._told = asyncio.Event()
        self._server: Any = None

    @property
    def name(self) -> str:
        return f"{self.resource.replace('/', '-')}.sock"

    async def start(self) -> None:
        self._server = grpc.aio.server()
        handlers = {
            "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                self._list_and_watch, request_deserializer=_read("Empty"), response_serializer=_write
            )
        }
        for method, message in (
            ("Allocate", "Allocate"),
            ("GetPreferredAllocation", "PreferredAllocation"),
            ("PreStartContainer", "PreStartContainer"),
        ):
            handlers[method] = grpc.unary_unary_rpc_method_handler(
                self._answering(method), request_deserializer=_read(f"{message}Request"), response_serializer=_write
            )  # fmt: skip
        service = PLUGIN.strip("/")
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        with reachable(str(self.kubelet / self.name)) as path:
            self._server.add_insecure_port(f"unix:{path}")
            await self._server.start()

    async def register(self, version: str = "v1beta1") -> None:
        classes = message_classes()
        options = {
            "pre_start_required": True,
            "get_preferred_allocation_available": self.preferred is not None,
        }
        request = classes["RegisterRequest"](
            version=version, endpoint=self.name, resource_name=self.resource, options=options
        )
        await Endpoint(str(self.kubelet / "kubelet.sock")).call(REGISTER, request, classes["Empty"])

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    def tell(self) -> None:
        self._told.set()

    async def _list_and_watch(self, asked: Any, context: Any) -> AsyncGenerator[Any, None]:
        while True:
            listed = [{"ID": name, "health": health} for name, health in self.devices.items()]
            yield message_classes()["ListAndWatchResponse"](devices=listed)
            self._told.clear()
            await self._told.wait()

    def _answering(self, method: str) -> Any:
        async def answer(asked: Any, context: Any) -> Any:
            if method in self.fails:
                await context.abort(grpc.StatusCode.UNKNOWN, self.fails[method])
            return getattr(self, method)(asked)

        return answer

    def Allocate(self, asked: Any) -> Any:  # noqa: N802
        (request,) = asked.container_requests
        ids = list(request.devices_ids)
        self.calls.append(("Allocate", ids))
        answer = {
            "envs": {"DEVICES": ",".join(ids), "OVERRIDDEN": "by the plugin"},
            "mounts": [
                {"container_path": "/given", "host_path": str(self.kubelet.parent), "read_only": True}
            ],
            "devices": [{"container_path": "/dev/given", "host_path": "/dev/null", "permissions": "rw"}],
            "annotations": {"example.com/devices": ",".join(ids)},
            "cdi_devices": [{"name": f"example.com/dev={name}"} for name in ids],
        }
        return message_classes()["AllocateResponse"](container_responses=[answer])

    def GetPreferredAllocation(self, asked: Any) -> Any:  # noqa: N802
        (request,) = asked.container_requests
        self.calls.append(("GetPreferredAllocation", list(request.available_deviceIDs)))
        answer = {"deviceIDs": self.preferred}
        return message_classes()["PreferredAllocationResponse"](container_responses=[answer])

    def PreStartContainer(self, asked: Any) -> Any:  # noqa: N802
        self.calls.append(("PreStartContainer", list(asked.devices_ids)))
        return message_classes()["PreStartContainerResponse"]()


def _read(name: str) -> Any:
    return message_classes()[name].FromString


def _write(message: Any) -> bytes:
    return bytes(message.SerializeToString())
