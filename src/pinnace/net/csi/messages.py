"""The protobuf messages of CSI v1 and of the kubelet's plugin registration, in the notation of `net.grpc_messages`.

Numbers: https://github.com/container-storage-interface/spec/blob/master/csi.proto and
https://github.com/kubernetes/kubelet/blob/master/pkg/apis/pluginregistration/v1/api.proto
Left out: snapshots, groups of snapshots, listing and modifying of volumes.
"""

from functools import cache
from typing import Any

from pinnace.net.grpc_messages import build_classes

TABLE = """
GetPluginInfoRequest:
GetPluginInfoResponse: 1 name string, 2 vendor_version string, 3 manifest map
GetPluginCapabilitiesRequest:
GetPluginCapabilitiesResponse: 1 capabilities *PluginCapability
PluginCapability: 1 service TypeValue, 2 volume_expansion TypeValue
TypeValue: 1 type int32
ProbeRequest:
ProbeResponse: 1 ready BoolValue
BoolValue: 1 value bool
Int64Value: 1 value int64

Topology: 1 segments map
TopologyRequirement: 1 requisite *Topology, 2 preferred *Topology
CapacityRange: 1 required_bytes int64, 2 limit_bytes int64
BlockVolume:
MountVolume: 1 fs_type string, 2 mount_flags *string, 3 volume_mount_group string
AccessMode: 1 mode int32
VolumeCapability: 1 block BlockVolume, 2 mount MountVolume, 3 access_mode AccessMode
SnapshotSource: 1 snapshot_id string
VolumeSource: 1 volume_id string
VolumeContentSource: 1 snapshot SnapshotSource, 2 volume VolumeSource
Volume: 1 capacity_bytes int64, 2 volume_id string, 3 volume_context map, 4 content_source VolumeContentSource,
    5 accessible_topology *Topology

ControllerGetCapabilitiesRequest:
ControllerGetCapabilitiesResponse: 1 capabilities *ServiceCapability
ServiceCapability: 1 rpc TypeValue
CreateVolumeRequest: 1 name string, 2 capacity_range CapacityRange, 3 volume_capabilities *VolumeCapability, 4 parameters map,
    5 secrets map, 6 volume_content_source VolumeContentSource, 7 accessibility_requirements TopologyRequirement
CreateVolumeResponse: 1 volume Volume
DeleteVolumeRequest: 1 volume_id string, 2 secrets map
DeleteVolumeResponse:
ControllerPublishVolumeRequest: 1 volume_id string, 2 node_id string, 3 volume_capability VolumeCapability, 4 readonly bool,
    5 secrets map, 6 volume_context map
ControllerPublishVolumeResponse: 1 publish_context map
ControllerUnpublishVolumeRequest: 1 volume_id string, 2 node_id string, 3 secrets map
ControllerUnpublishVolumeResponse:
ControllerExpandVolumeRequest: 1 volume_id string, 2 capacity_range CapacityRange, 3 secrets map, 4 volume_capability VolumeCapability
ControllerExpandVolumeResponse: 1 capacity_bytes int64, 2 node_expansion_required bool
GetCapacityRequest: 1 volume_capabilities *VolumeCapability, 2 parameters map, 3 accessible_topology Topology
GetCapacityResponse: 1 available_capacity int64, 2 maximum_volume_size Int64Value, 3 minimum_volume_size Int64Value

NodeGetInfoRequest:
NodeGetInfoResponse: 1 node_id string, 2 max_volumes_per_node int64, 3 accessible_topology Topology
NodeGetCapabilitiesRequest:
NodeGetCapabilitiesResponse: 1 capabilities *ServiceCapability
NodeStageVolumeRequest: 1 volume_id string, 2 publish_context map, 3 staging_target_path string, 4 volume_capability VolumeCapability,
    5 secrets map, 6 volume_context map
NodeStageVolumeResponse:
NodeUnstageVolumeRequest: 1 volume_id string, 2 staging_target_path string
NodeUnstageVolumeResponse:
NodePublishVolumeRequest: 1 volume_id string, 2 publish_context map, 3 staging_target_path string, 4 target_path string,
    5 volume_capability VolumeCapability, 6 readonly bool, 7 secrets map, 8 volume_context map
NodePublishVolumeResponse:
NodeUnpublishVolumeRequest: 1 volume_id string, 2 target_path string
NodeUnpublishVolumeResponse:
NodeGetVolumeStatsRequest: 1 volume_id string, 2 volume_path string, 3 staging_target_path string
NodeGetVolumeStatsResponse: 1 usage *VolumeUsage, 2 volume_condition VolumeCondition
VolumeUsage: 1 available int64, 2 total int64, 3 used int64, 4 unit int32
VolumeCondition: 1 abnormal bool, 2 message string
NodeExpandVolumeRequest: 1 volume_id string, 2 volume_path string, 3 capacity_range CapacityRange, 4 staging_target_path string,
    5 volume_capability VolumeCapability, 6 secrets map
NodeExpandVolumeResponse: 1 capacity_bytes int64
"""

REGISTRATION_TABLE = """
InfoRequest:
PluginInfo: 1 type string, 2 name string, 3 endpoint string, 4 supported_versions *string
RegistrationStatus: 1 plugin_registered bool, 2 error string
RegistrationStatusResponse:
"""


class NodeCapability:
    """NodeServiceCapability.RPC.Type"""

    STAGE_UNSTAGE, VOLUME_STATS, EXPAND, CONDITION, SINGLE_NODE_MULTI_WRITER, MOUNT_GROUP = range(1, 7)


class ControllerCapability:
    """ControllerServiceCapability.RPC.Type"""

    CREATE_DELETE, PUBLISH_UNPUBLISH = 1, 2
    GET_CAPACITY, CLONE, PUBLISH_READONLY, EXPAND, SINGLE_NODE_MULTI_WRITER = 4, 7, 8, 9, 13


class PluginService:
    """PluginCapability.Service.Type"""

    CONTROLLER, TOPOLOGY = 1, 2


BYTES, INODES = 1, 2  # VolumeUsage.Unit
SINGLE_NODE_WRITER = 1
_ACCESS = {"ReadWriteOnce": 1, "ReadWriteOncePod": 1, "ReadOnlyMany": 3, "ReadWriteMany": 5}
_ACCESS_WITH_MULTI_WRITER = {**_ACCESS, "ReadWriteOnce": 7, "ReadWriteOncePod": 6}


def access_mode(mode: str, *, knows_multi_writer: bool) -> int:
    """VolumeCapability.AccessMode.Mode for one of Kubernetes' access modes; the finer ones only to drivers that know them."""
    table = _ACCESS_WITH_MULTI_WRITER if knows_multi_writer else _ACCESS
    return table.get(mode, SINGLE_NODE_WRITER)


@cache
def csi_classes() -> dict[str, Any]:
    """The classes by name; built, and protobuf imported, on the first call."""
    return build_classes("csi.v1", TABLE)


@cache
def registration_classes() -> dict[str, Any]:
    return build_classes("pluginregistration", REGISTRATION_TABLE)
