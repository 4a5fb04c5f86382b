"""What a cluster is made of: flags, the `--config` file, and what was decided at its first start.

Precedence: command line, then the `--config` file, then what the data directory remembers, then defaults.
"""

import argparse
import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.cluster import autoscaling, node_settings, remembered, security, yaml_file
from pinnace.cluster.errors import UsageError
from pinnace.cluster.security import SecurityFlags

__all__ = [
    "ClusterConfig",
    "UsageError",
    "cluster_directory",
    "data_root",
    "from_args",
    "remember",
]

DEFAULT_NAME = "pinnace"
DEFAULT_PORT = 6443
DEFAULT_KUBELET_PORT = 10250
DEFAULT_HTTP_PORT, DEFAULT_HTTPS_PORT = 80, 443
NAME_PATTERN = re.compile(r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")
REMEMBERED = (
    "port",
    "kubelet_port",
    "pod_cidr",
    "service_cidr",
    "dns_ip",
    "nodes",
    "store",
    "etcd_servers",
    "etcd_prefix",
    "etcd_cafile",
    "etcd_certfile",
    "etcd_keyfile",
    "etcd_user",
    "etcd_password_file",
    "http_port",
    "https_port",
)


def data_root() -> Path:
    """Where clusters keep their data: `/var/lib/pinnace` for root, the XDG data directory for others."""
    if override := os.environ.get("PINNACE_DATA"):
        return Path(override)
    if os.geteuid() == 0:
        return Path("/var/lib/pinnace")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "pinnace"


def cluster_directory(name: str, data_dir: str) -> Path:
    """Absolute and without links: the kernel's tables of mounts and processes name it that way."""
    return (Path(data_dir) if data_dir else data_root() / name).resolve()


@dataclass
class ClusterConfig(SecurityFlags):
    """0 or "" stands for "choose at the first start"; `decide` fills those in."""

    name: str = DEFAULT_NAME
    data_dir: str = ""
    kubeconfig: str = ""
    port: int | None = None  # 0: any free one; None: 6443, or a free one when another Pinnace cluster has it
    bind_address: str = "0.0.0.0"
    nodes: str = "real"  # real | none | sim:N
    store: str = "sqlite"  # sqlite | memory | etcd
    etcd_servers: str = ""
    etcd_prefix: str = ""
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_user: str = ""
    etcd_password_file: str = ""
    wait: bool = True
    timeout: float = 120.0
    node_name: str = ""
    node_ip: str = ""
    node_labels: str = ""
    register_with_taints: str = ""
    node_lease_duration_seconds: str = ""
    tls_san: str = ""
    cluster_signing_duration: str = ""
    kubelet_port: int | None = None
    http_port: int | None = None  # as `port`, with 80
    https_port: int | None = None  # as `port`, with 443
    pod_cidr: str = ""
    service_cidr: str = ""
    service_node_port_range: str = "30000-32767"
    dns_ip: str = ""
    cluster_domain: str = "cluster.local"
    controllers: str = "*"
    disable_scheduler: bool = False
    kube_scheduler_config: str = ""
    leader_elect: bool | None = None  # None: where servers can share the store
    leader_elect_lease_duration: str = ""
    leader_elect_renew_deadline: str = ""
    leader_elect_retry_period: str = ""
    horizontal_pod_autoscaler_sync_period: str = ""
    horizontal_pod_autoscaler_downscale_stabilization: str = ""
    horizontal_pod_autoscaler_cpu_initialization_period: str = ""
    horizontal_pod_autoscaler_initial_readiness_delay: str = ""
    horizontal_pod_autoscaler_tolerance: float | None = None
    disable_dns: bool = False
    disable_ingress: bool = False
    network_policy: bool = True
    service_load_balancer: bool = True
    enable_admission_plugins: str = ""
    disable_admission_plugins: str = ""
    admission_control_config_file: str = ""
    authorization_mode: str = "Node,RBAC"
    token_auth_file: str = ""
    registry_config: str = ""
    container_runtime_endpoint: str = ""
    csi_controller: str = ""  # sockets of CSI drivers, with commas between them
    eviction_hard: str = ""
    max_container_restart_period: str = ""
    kubelet_config: str = ""
    pod_manifest_path: str = ""
    allowed_unsafe_sysctls: str = ""
    eviction_soft: str = ""
    eviction_soft_grace_period: str = ""
    eviction_minimum_reclaim: str = ""
    eviction_max_pod_grace_period: str = ""
    eviction_pressure_transition_period: str = ""
    kube_reserved: str = ""
    system_reserved: str = ""
    pod_max_pids: str = ""
    memory_swap_behavior: str = ""
    node_monitor_grace_period: float = 50.0
    feature_gates: str = ""
    verbosity: int = 0
    logging_format: str = "text"  # text | json
    remembered_port: int = 0  # of an earlier start: `--port 0` keeps it while it is free

    @property
    def directory(self) -> Path:
        return cluster_directory(self.name, self.data_dir)

    @property
    def simulated_nodes(self) -> int:
        return int(self.nodes.removeprefix("sim:")) if self.nodes.startswith("sim:") else 0

    @property
    def has_real_node(self) -> bool:
        return self.nodes == "real"

    def check(self) -> None:
        """Raise UsageError for what can be known to be wrong without looking at the machine."""
        self.check_name()
        if not re.fullmatch(r"real|none|sim:[1-9]\d{0,4}", self.nodes):
            raise UsageError(f"--nodes {self.nodes!r}: must be real, none or sim:N")
        self._check_store()
        security.check(self, self.authorization_mode)
        for option in (
            "admission_control_config_file", "kube_scheduler_config", "token_auth_file", "registry_config", "etcd_cafile", "etcd_certfile", "etcd_keyfile", "etcd_password_file",
        ):  # fmt: skip
            path = getattr(self, option)
            if path and not Path(path).is_file():
                raise UsageError(f"--{option.replace('_', '-')} {path}: no such file")
        for option in ("port", "kubelet_port", "http_port", "https_port"):
            if not 0 <= (getattr(self, option) or 0) <= 65535:
                raise UsageError(f"--{option.replace('_', '-')} {getattr(self, option)}: must be 0 to 65535")
        if self.cluster_signing_duration:
            security.check_duration("cluster-signing-duration", self.cluster_signing_duration)
        self._check_election()
        autoscaling.check(self)
        node_settings.check(self)
        self._check_gates()
        if self.kube_scheduler_config:
            from pinnace.cluster import scheduler_config

            scheduler_config.load(self.kube_scheduler_config)
        if self.logging_format not in ("text", "json"):
            raise UsageError(f"--logging-format {self.logging_format!r}: must be text or json")

    def check_name(self) -> None:
        """First of all: the name may become part of a path."""
        if not NAME_PATTERN.match(self.name):
            raise UsageError(f"--name {self.name!r}: at most 32 lowercase letters, digits and dashes")

    def _check_store(self) -> None:
        if self.store not in ("sqlite", "memory", "etcd"):
            raise UsageError(f"--store {self.store!r}: must be sqlite, memory or etcd")
        if self.store != "etcd":
            if self.etcd_servers:
                raise UsageError(f"--etcd-servers is for --store etcd, and the store is {self.store}")
            return
        if not self.etcd_servers:
            raise UsageError("--store etcd: say where it is with --etcd-servers http://HOST:2379[,...]")
        for server in self.etcd_servers.split(","):
            if not re.fullmatch(r"https?://[^/,]+:\d+", server):
                raise UsageError(f"--etcd-servers {server!r}: must be http://HOST:PORT or https://HOST:PORT")
        if bool(self.etcd_certfile) != bool(self.etcd_keyfile):
            raise UsageError("--etcd-certfile and --etcd-keyfile belong together")
        if bool(self.etcd_user) != bool(self.etcd_password_file):
            raise UsageError("--etcd-user and --etcd-password-file belong together")

    def _check_election(self) -> None:
        times = ("leader_elect_lease_duration", "leader_elect_renew_deadline", "leader_elect_retry_period")
        given = [field for field in times if getattr(self, field)]
        for field in given:
            security.check_duration(field.replace("_", "-"), getattr(self, field))
        if given:
            from pinnace.cluster import leadership

            leadership.election(self, "")

    def _check_gates(self) -> None:
        if self.feature_gates:
            from pinnace.component.features import parse_gates

            try:
                parse_gates(self.feature_gates)
            except ValueError as error:
                raise UsageError(f"--feature-gates {self.feature_gates}: {error}") from None


def remember(config: ClusterConfig) -> None:
    remembered.save(config.directory, {name: getattr(config, name) for name in REMEMBERED})


STORAGE = "storage"  # below a node's directory: volumes of the default class
ALIASES = {"cluster-cidr": "pod_cidr", "cluster-dns": "dns_ip", "no-wait": "wait"}
TYPES: dict[str, type] = {
    "port": int, "kubelet_port": int, "http_port": int, "https_port": int, "verbosity": int, "timeout": float,
    "node_monitor_grace_period": float, "horizontal_pod_autoscaler_tolerance": float, "wait": bool, "leader_elect": bool, "service_load_balancer": bool, "disable_scheduler": bool, "disable_dns": bool,
    "network_policy": bool, "disable_ingress": bool, **security.types(),
}  # fmt: skip


def load_file(path: str) -> dict[str, Any]:
    """The `--config` file: keys are flag names without dashes in front; raises UsageError."""
    content = yaml_file.load("--config", path, lambda found: found or {})
    if not isinstance(content, dict):
        raise UsageError(f"--config {path}: must be a mapping of flags")
    known = {f.name for f in dataclasses.fields(ClusterConfig)} - {"remembered_port"}
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = ALIASES.get(str(key), str(key).replace("-", "_"))
        if name not in known:
            raise UsageError(f"--config {path}: unknown flag {str(key)!r}")
        values[name] = _typed(path, str(key), value, TYPES.get(name, str))
        if key == "no-wait":
            values[name] = not values[name]
    return values


def _typed(path: str, key: str, value: Any, wanted: type) -> Any:
    """The value as the flag would have parsed it; a list becomes the flag's comma-separated text."""
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is str and isinstance(value, list):
        return ",".join(map(str, value))
    if type(value) is not wanted:
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[wanted]
        raise UsageError(f"--config {path}: {key}: must be {kind}, not {value!r}")
    return value


def from_args(args: argparse.Namespace) -> ClusterConfig:
    """Flags over file over what is remembered over defaults; raises UsageError."""
    given = {key: value for key, value in vars(args).items() if value is not None}
    in_file = load_file(given.pop("config")) if "config" in given else {}
    merged = {**in_file, **given}
    known = {f.name for f in dataclasses.fields(ClusterConfig)}
    config = ClusterConfig(**{key: value for key, value in merged.items() if key in known})
    config.check_name()
    _recall(config, set(merged))
    config.check()
    return config


def _recall(config: ClusterConfig, given: set[str]) -> None:
    """Take over what the data directory remembers and nobody gave; the DNS address belongs to its service network."""
    before = remembered.load(config.directory)
    config.remembered_port = before.get("port") or 0
    if "service_cidr" in given and config.service_cidr != before.get("service_cidr"):
        before.pop("dns_ip", None)
    for key in REMEMBERED:
        if key.startswith("etcd_") and config.store != "etcd":
            continue
        if key in before and key not in given:
            setattr(config, key, before[key])
