"""The protobuf messages of the device plugin API v1beta1, in the notation of `net.grpc_messages`.

https://github.com/kubernetes/kubelet/blob/master/pkg/apis/deviceplugin/v1beta1/api.proto
Left out: the devices' topology, which only a topology manager would use.
"""

from functools import cache
from typing import Any

from pinnace.net.grpc_messages import build_classes

VERSION = "v1beta1"
REGISTER = "/v1beta1.Registration/Register"
PLUGIN = "/v1beta1.DevicePlugin/"

TABLE = """
Empty:
DevicePluginOptions: 1 pre_start_required bool, 2 get_preferred_allocation_available bool
RegisterRequest: 1 version string, 2 endpoint string, 3 resource_name string, 4 options DevicePluginOptions
Device: 1 ID string, 2 health string
ListAndWatchResponse: 1 devices *Device
PreStartContainerRequest: 1 devices_ids *string
PreStartContainerResponse:
ContainerPreferredAllocationRequest: 1 available_deviceIDs *string, 2 must_include_deviceIDs *string, 3 allocation_size int32
PreferredAllocationRequest: 1 container_requests *ContainerPreferredAllocationRequest
ContainerPreferredAllocationResponse: 1 deviceIDs *string
PreferredAllocationResponse: 1 container_responses *ContainerPreferredAllocationResponse
ContainerAllocateRequest: 1 devices_ids *string
AllocateRequest: 1 container_requests *ContainerAllocateRequest
CDIDevice: 1 name string
Mount: 1 container_path string, 2 host_path string, 3 read_only bool
DeviceSpec: 1 container_path string, 2 host_path string, 3 permissions string
ContainerAllocateResponse: 1 envs map, 2 mounts *Mount, 3 devices *DeviceSpec, 4 annotations map, 5 cdi_devices *CDIDevice
AllocateResponse: 1 container_responses *ContainerAllocateResponse
"""


@cache
def message_classes() -> dict[str, Any]:
    """By name; built, and protobuf imported, on the first call."""
    return build_classes(VERSION, TABLE)
