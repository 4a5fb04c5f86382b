"""The kubelet's settings, with upstream's names and defaults where upstream has them."""

from dataclasses import dataclass, field
from pathlib import Path

from pinnace.kubelet.cri.pause_image import REFERENCE


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """`cgroup_root` is the path below every controller's mount under which `kubepods` is made, e.g. `/pinnace-default`."""

    node_name: str
    node_ip: str
    root_dir: Path  # pods/UID/{volumes,containers,etc-hosts}
    pod_logs_dir: Path  # NAMESPACE_NAME_UID/CONTAINER/N.log
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    cgroup_root: str = "/pinnace"
    port: int = 10250
    max_pods: int = 110
    node_labels: dict[str, str] = field(default_factory=dict)
    pod_cidrs: tuple[
        str, ...
    ] = ()  # the pods' subnets, where the node knows them before the control plane does
    register_with_taints: tuple[dict[str, str], ...] = ()
    static_pod_path: Path | None = None  # a directory of manifests, or one manifest
    allowed_unsafe_sysctls: tuple[str, ...] = ()  # names, or prefixes that end with `*`
    seccomp_default: bool = False  # RuntimeDefault for containers that name no profile
    shutdown_seconds: float = 0.0  # of a graceful shutdown of the node; 0: none
    shutdown_critical_seconds: float = 0.0  # what of that is for critical pods
    shutdown_by_priority: tuple[tuple[int, float], ...] = ()  # (priority, seconds) instead of these two
    resolv_conf: Path = Path("/etc/resolv.conf")
    kube_reserved: dict[str, str] = field(default_factory=dict)
    system_reserved: dict[str, str] = field(default_factory=dict)
    eviction_hard: dict[str, str] = field(
        default_factory=lambda: {
            "memory.available": "100Mi",
            "nodefs.available": "10%",
            "nodefs.inodesFree": "5%",
            "imagefs.available": "15%",
            "imagefs.inodesFree": "5%",
        }
    )
    eviction_soft: dict[str, str] = field(default_factory=dict)
    eviction_soft_grace_seconds: dict[str, float] = field(default_factory=dict)
    eviction_minimum_reclaim: dict[str, str] = field(default_factory=dict)
    eviction_max_pod_grace_period: int = 0  # of soft evictions; negative: the pod's own
    eviction_pressure_transition_seconds: float = 300.0
    max_container_restart_seconds: float = 300.0  # the longest wait of a crash loop
    sync_frequency_seconds: float = 60.0
    node_status_update_seconds: float = 10.0
    node_status_report_seconds: float = 300.0
    node_lease_seconds: int = 40
    pleg_relist_seconds: float = 1.0
    serialize_image_pulls: bool = False
    max_parallel_image_pulls: int = 5
    image_verification_policy: str = "NeverVerifyPreloadedImages"
    preloaded_images_allowlist: tuple[str, ...] = ()
    container_log_max_bytes: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    image_gc_high_threshold_percent: int = 85
    image_gc_low_threshold_percent: int = 80
    pinned_images: tuple[str, ...] = (REFERENCE,)  # never collected: the sandbox image
    pods_per_core: int = 0
    pod_max_pids: int = -1  # processes per pod; -1: no limit
    memory_swap_behavior: str = "NoSwap"  # or LimitedSwap
    restrict_oom_score_adj: bool = False  # True where CAP_SYS_RESOURCE is missing
    local_volumes: Path | None = None  # below which the provisioner's volumes are; None: it has none here
    other_node_ips: tuple[str, ...] = ()  # of the second family, where the cluster has one

    @property
    def node_ips(self) -> tuple[str, ...]:
        return (self.node_ip, *self.other_node_ips)

    @property
    def parallel_pulls(self) -> int:
        return 1 if self.serialize_image_pulls else self.max_parallel_image_pulls
