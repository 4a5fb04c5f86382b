"""The file of `--kubelet-config`, and the flags of the kubelet that go before it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnace.cluster.errors import UsageError
from pinnace.cluster.security import seconds

if TYPE_CHECKING:
    from pinnace.cluster.config import ClusterConfig
    from pinnace.kubelet.config import KubeletConfig


def applied(config: "ClusterConfig", base: "KubeletConfig") -> "KubeletConfig":
    """`base` with what the file says, and over that what the flags say."""
    if config.kubelet_config:
        base = replace(base, **load(config.kubelet_config))
    if config.pod_manifest_path:
        base = replace(base, static_pod_path=Path(config.pod_manifest_path))
    if config.max_container_restart_period:
        longest = seconds(config.max_container_restart_period, 0.0)
        base = replace(base, max_container_restart_seconds=longest)
    if config.allowed_unsafe_sysctls:
        base = replace(base, allowed_unsafe_sysctls=tuple(config.allowed_unsafe_sysctls.split(",")))
    return base


def check_sysctls(text: str) -> None:
    """Raises UsageError for what no flag can allow."""
    from pinnace.kubelet.admission import unsafe_sysctls_problem

    if problem := unsafe_sysctls_problem(text.split(",")):
        raise UsageError(f"--allowed-unsafe-sysctls {text}: {problem}")


def load(path: str) -> dict[str, Any]:
    """Values for KubeletConfig; raises UsageError."""
    import yaml  # only where a file is given: it costs start-up time

    from pinnace.kubelet.configuration import ConfigurationError, read

    try:
        return read(yaml.safe_load(Path(path).read_text()))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    except (yaml.YAMLError, UnicodeDecodeError, ConfigurationError) as error:
        why = str(error)
    raise UsageError(f"--kubelet-config {path}: {why}")
