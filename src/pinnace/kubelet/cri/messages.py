"""The protobuf messages of CRI v1 that the kubelet uses, as a table in the notation of `net.grpc_messages`.

Numbers: https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
Left out: Windows, user namespaces, checkpoints, metrics.
"""

from functools import cache
from typing import Any

from pinnace.net.grpc_messages import build_classes

PACKAGE = "runtime.v1"

TABLE = """
VersionRequest: 1 version string
VersionResponse: 1 version string, 2 runtime_name string, 3 runtime_version string, 4 runtime_api_version string
StatusRequest: 1 verbose bool
StatusResponse: 1 status RuntimeStatus, 2 info map, 3 runtime_handlers *RuntimeHandler, 4 features RuntimeFeatures
RuntimeHandler: 1 name string, 2 features RuntimeHandlerFeatures
RuntimeHandlerFeatures: 1 recursive_read_only_mounts bool, 2 user_namespaces bool
RuntimeFeatures: 1 supplemental_groups_policy bool
RuntimeStatus: 1 conditions *RuntimeCondition
RuntimeCondition: 1 type string, 2 status bool, 3 reason string, 4 message string

DNSConfig: 1 servers *string, 2 searches *string, 3 options *string
PortMapping: 1 protocol int32, 2 container_port int32, 3 host_port int32, 4 host_ip string
Int64Value: 1 value int64
UInt64Value: 1 value uint64
NamespaceOption: 1 network int32, 2 pid int32, 3 ipc int32, 4 target_id string
SecurityProfile: 1 profile_type int32, 2 localhost_ref string
SELinuxOption: 1 user string, 2 role string, 3 type string, 4 level string
LinuxSandboxSecurityContext: 1 namespace_options NamespaceOption, 2 selinux_options SELinuxOption, 3 run_as_user Int64Value, 4 readonly_rootfs bool,
    5 supplemental_groups *int64, 6 privileged bool, 7 seccomp_profile_path string, 8 run_as_group Int64Value,
    9 seccomp SecurityProfile, 10 apparmor SecurityProfile, 11 supplemental_groups_policy int32
HugepageLimit: 1 page_size string, 2 limit uint64
LinuxContainerResources: 1 cpu_period int64, 2 cpu_quota int64, 3 cpu_shares int64, 4 memory_limit_in_bytes int64,
    5 oom_score_adj int64, 6 cpuset_cpus string, 7 cpuset_mems string, 8 hugepage_limits *HugepageLimit, 9 unified map,
    10 memory_swap_limit_in_bytes int64
LinuxPodSandboxConfig: 1 cgroup_parent string, 2 security_context LinuxSandboxSecurityContext, 3 sysctls map,
    4 overhead LinuxContainerResources, 5 resources LinuxContainerResources
PodSandboxMetadata: 1 name string, 2 uid string, 3 namespace string, 4 attempt uint32
PodSandboxConfig: 1 metadata PodSandboxMetadata, 2 hostname string, 3 log_directory string, 4 dns_config DNSConfig,
    5 port_mappings *PortMapping, 6 labels map, 7 annotations map, 8 linux LinuxPodSandboxConfig
RunPodSandboxRequest: 1 config PodSandboxConfig, 2 runtime_handler string
RunPodSandboxResponse: 1 pod_sandbox_id string
StopPodSandboxRequest: 1 pod_sandbox_id string
StopPodSandboxResponse:
RemovePodSandboxRequest: 1 pod_sandbox_id string
RemovePodSandboxResponse:
PodSandboxStatusRequest: 1 pod_sandbox_id string, 2 verbose bool
PodSandboxStatusResponse: 1 status PodSandboxStatus, 2 info map
PodIP: 1 ip string
PodSandboxNetworkStatus: 1 ip string, 2 additional_ips *PodIP
Namespace: 2 options NamespaceOption
LinuxPodSandboxStatus: 1 namespaces Namespace
PodSandboxStatus: 1 id string, 2 metadata PodSandboxMetadata, 3 state int32, 4 created_at int64,
    5 network PodSandboxNetworkStatus, 6 linux LinuxPodSandboxStatus, 7 labels map, 8 annotations map
PodSandboxFilter: 1 id string, 3 label_selector map
ListPodSandboxRequest: 1 filter PodSandboxFilter
ListPodSandboxResponse: 1 items *PodSandbox
PodSandbox: 1 id string, 2 metadata PodSandboxMetadata, 3 state int32, 4 created_at int64, 5 labels map, 6 annotations map

ImageSpec: 1 image string, 2 annotations map, 18 user_specified_image string
KeyValue: 1 key string, 2 value string
Mount: 1 container_path string, 2 host_path string, 3 readonly bool, 4 selinux_relabel bool, 5 propagation int32,
    8 recursive_read_only bool
Device: 1 container_path string, 2 host_path string, 3 permissions string
Capability: 1 add_capabilities *string, 2 drop_capabilities *string, 3 add_ambient_capabilities *string
LinuxContainerSecurityContext: 1 capabilities Capability, 2 privileged bool, 3 namespace_options NamespaceOption,
    4 selinux_options SELinuxOption, 5 run_as_user Int64Value, 6 run_as_username string, 7 readonly_rootfs bool, 8 supplemental_groups *int64,
    9 apparmor_profile string, 10 seccomp_profile_path string, 11 no_new_privs bool, 12 run_as_group Int64Value,
    13 masked_paths *string, 14 readonly_paths *string, 15 seccomp SecurityProfile, 16 apparmor SecurityProfile,
    17 supplemental_groups_policy int32
LinuxContainerConfig: 1 resources LinuxContainerResources, 2 security_context LinuxContainerSecurityContext
CDIDevice: 1 name string
ContainerMetadata: 1 name string, 2 attempt uint32
ContainerConfig: 1 metadata ContainerMetadata, 2 image ImageSpec, 3 command *string, 4 args *string,
    5 working_dir string, 6 envs *KeyValue, 7 mounts *Mount, 8 devices *Device, 9 labels map, 10 annotations map,
    11 log_path string, 12 stdin bool, 13 stdin_once bool, 14 tty bool, 15 linux LinuxContainerConfig, 17 CDI_devices *CDIDevice,
    18 stop_signal int32
CreateContainerRequest: 1 pod_sandbox_id string, 2 config ContainerConfig, 3 sandbox_config PodSandboxConfig
CreateContainerResponse: 1 container_id string
StartContainerRequest: 1 container_id string
StartContainerResponse:
StopContainerRequest: 1 container_id string, 2 timeout int64
StopContainerResponse:
RemoveContainerRequest: 1 container_id string
RemoveContainerResponse:
ContainerFilter: 1 id string, 3 pod_sandbox_id string, 4 label_selector map
ListContainersRequest: 1 filter ContainerFilter
ListContainersResponse: 1 containers *Container
Container: 1 id string, 2 pod_sandbox_id string, 3 metadata ContainerMetadata, 4 image ImageSpec, 5 image_ref string,
    6 state int32, 7 created_at int64, 8 labels map, 9 annotations map
ContainerStatusRequest: 1 container_id string, 2 verbose bool
ContainerStatusResponse: 1 status ContainerStatus, 2 info map
ContainerStatus: 1 id string, 2 metadata ContainerMetadata, 3 state int32, 4 created_at int64, 5 started_at int64,
    6 finished_at int64, 7 exit_code int32, 8 image ImageSpec, 9 image_ref string, 10 reason string, 11 message string,
    12 labels map, 13 annotations map, 14 mounts *Mount, 15 log_path string
UpdateContainerResourcesRequest: 1 container_id string, 2 linux LinuxContainerResources
UpdateContainerResourcesResponse:
ReopenContainerLogRequest: 1 container_id string
ReopenContainerLogResponse:
ExecSyncRequest: 1 container_id string, 2 cmd *string, 3 timeout int64
ExecSyncResponse: 1 stdout bytes, 2 stderr bytes, 3 exit_code int32
ExecRequest: 1 container_id string, 2 cmd *string, 3 tty bool, 4 stdin bool, 5 stdout bool, 6 stderr bool
ExecResponse: 1 url string
AttachRequest: 1 container_id string, 2 stdin bool, 3 tty bool, 4 stdout bool, 5 stderr bool
AttachResponse: 1 url string
PortForwardRequest: 1 pod_sandbox_id string, 2 port *int32
PortForwardResponse: 1 url string

ContainerStatsRequest: 1 container_id string
ContainerStatsResponse: 1 stats ContainerStats
ContainerStatsFilter: 1 id string, 2 pod_sandbox_id string, 3 label_selector map
ListContainerStatsRequest: 1 filter ContainerStatsFilter
ListContainerStatsResponse: 1 stats *ContainerStats
ContainerAttributes: 1 id string, 2 metadata ContainerMetadata, 3 labels map, 4 annotations map
CpuUsage: 1 timestamp int64, 2 usage_core_nano_seconds UInt64Value, 3 usage_nano_cores UInt64Value
MemoryUsage: 1 timestamp int64, 2 working_set_bytes UInt64Value, 3 available_bytes UInt64Value, 4 usage_bytes UInt64Value,
    5 rss_bytes UInt64Value, 6 page_faults UInt64Value, 7 major_page_faults UInt64Value
FilesystemIdentifier: 1 mountpoint string
FilesystemUsage: 1 timestamp int64, 2 fs_id FilesystemIdentifier, 3 used_bytes UInt64Value, 4 inodes_used UInt64Value
ContainerStats: 1 attributes ContainerAttributes, 2 cpu CpuUsage, 3 memory MemoryUsage, 4 writable_layer FilesystemUsage

ListImagesRequest:
ListImagesResponse: 1 images *Image
Image: 1 id string, 2 repo_tags *string, 3 repo_digests *string, 4 size uint64, 5 uid Int64Value, 6 username string,
    8 pinned bool
ImageStatusRequest: 1 image ImageSpec, 2 verbose bool
ImageStatusResponse: 1 image Image, 2 info map
AuthConfig: 1 username string, 2 password string, 3 auth string, 4 server_address string, 5 identity_token string,
    6 registry_token string
PullImageRequest: 1 image ImageSpec, 2 auth AuthConfig, 3 sandbox_config PodSandboxConfig
PullImageResponse: 1 image_ref string
RemoveImageRequest: 1 image ImageSpec
RemoveImageResponse:
ImageFsInfoRequest:
ImageFsInfoResponse: 1 image_filesystems *FilesystemUsage
"""


@cache
def message_classes() -> dict[str, Any]:
    """The classes by name; built, and protobuf imported, on the first call."""
    return build_classes(PACKAGE, TABLE)
