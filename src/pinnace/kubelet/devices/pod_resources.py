"""The podresources socket: tells monitoring agents which container has which devices.

https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/apis/podresources/v1/api.proto
Left out: cpus and memory of containers (no CPU and memory manager assigns any), dynamic resources.
"""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.kubelet.devices.manager import DeviceManager
from pinnace.net.grpc_messages import build_classes
from pinnace.net.grpc_sockets import serving

SERVICE = "v1.PodResourcesLister"
TABLE = """
ListPodResourcesRequest:
ListPodResourcesResponse: 1 pod_resources *PodResources
AllocatableResourcesRequest:
AllocatableResourcesResponse: 1 devices *ContainerDevices
GetPodResourcesRequest: 1 pod_name string, 2 pod_namespace string
GetPodResourcesResponse: 1 pod_resources PodResources
PodResources: 1 name string, 2 namespace string, 3 containers *ContainerResources
ContainerResources: 1 name string, 2 devices *ContainerDevices
ContainerDevices: 1 resource_name string, 2 device_ids *string
"""


@cache
def message_classes() -> dict[str, Any]:
    """By name; built, and protobuf imported, on the first call."""
    return build_classes("v1", TABLE)


class PodResources:
    """Implements `contracts.NodeEdge`. `listed` gives the pods that still run here."""

    def __init__(
        self, directory: Path, devices: DeviceManager, listed: Callable[[], Iterable[Object]]
    ) -> None:
        self._directory, self._devices, self._listed = directory, devices, listed

    async def run(self) -> None:
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        classes = message_classes()
        methods = {
            "List": (classes["ListPodResourcesRequest"], self._list),
            "GetAllocatableResources": (classes["AllocatableResourcesRequest"], self._allocatable),
            "Get": (classes["GetPodResourcesRequest"], self._get),
        }
        async with serving(self._directory / "kubelet.sock", SERVICE, methods) as server:
            await server.wait_for_termination()

    async def _list(self, request: Any, context: Any) -> Any:
        found = [self._of(pod) for pod in self._listed()]
        return message_classes()["ListPodResourcesResponse"](pod_resources=found)

    async def _allocatable(self, request: Any, context: Any) -> Any:
        devices = [{"resource_name": name, "device_ids": ids} for name, ids in self._devices.usable()]
        return message_classes()["AllocatableResourcesResponse"](devices=devices)

    async def _get(self, request: Any, context: Any) -> Any:
        import grpc

        wanted = (request.pod_namespace, request.pod_name)
        for pod in self._listed():
            if meta.key(pod) == wanted:
                return message_classes()["GetPodResourcesResponse"](pod_resources=self._of(pod))
        text = f"pod {request.pod_name} in namespace {request.pod_namespace} not found"
        await context.abort(grpc.StatusCode.UNKNOWN, text)
        return None

    def _of(self, pod: Object) -> Object:
        sidecars = [one for one in pods.init_containers(pod) if pods.is_sidecar(one)]
        containers = [
            {
                "name": one["name"],
                "devices": [
                    {"resource_name": held.resource, "device_ids": list(held.ids)}
                    for held in self._devices.held(meta.uid(pod), one["name"])
                ],
            }
            for one in (*sidecars, *pods.containers(pod))
        ]
        return {"name": meta.name(pod), "namespace": meta.namespace(pod), "containers": containers}
