"""The kubelet's flags, under their own names, for `up` and `agent`: one table row each."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnace.apimachinery import quantity
from pinnace.cluster import node_flags, security, yaml_file
from pinnace.cluster.errors import UsageError

if TYPE_CHECKING:
    from pinnace.cluster.config import ClusterConfig
    from pinnace.kubelet.config import KubeletConfig

SWAP = ("NoSwap", "LimitedSwap")


def thresholds(text: str) -> dict[str, str]:
    """`memory.available<100Mi,nodefs.available<10%`"""
    return _pairs(text, "<")


def _pairs(text: str, sign: str = "=") -> dict[str, str]:
    found = {}
    for entry in filter(None, (one.strip() for one in text.split(","))):
        name, separator, value = entry.partition(sign)
        if not separator or not name.strip() or not value.strip():
            raise ValueError(f"{entry!r} is not NAME{sign}VALUE")
        found[name.strip()] = value.strip()
    return found


def _durations(text: str) -> dict[str, float]:
    from pinnace.apimachinery.times import parse_duration

    return {name: parse_duration(value) for name, value in _pairs(text).items()}


def _duration(text: str) -> float:
    from pinnace.apimachinery.times import parse_duration

    return parse_duration(text)


def _amounts(text: str) -> dict[str, str]:
    found = _pairs(text)
    for name, amount in found.items():
        if name not in ("cpu", "memory", "ephemeral-storage", "pid"):
            raise ValueError(f"cannot reserve {name!r} resource")
        if quantity.parse(amount) < 0:
            raise ValueError(f"resource quantity for {name!r} cannot be negative: {amount}")
    return found


def _whole_seconds(text: str) -> int:
    if (found := int(text)) < 1:
        raise ValueError("must be more than nothing")
    return found


def _swap(text: str) -> str:
    if text not in SWAP:
        raise ValueError(f"must be one of {', '.join(SWAP)}")
    return text


def _file(path: str) -> dict[str, Any]:
    from pinnace.kubelet.configuration import read

    return yaml_file.load("--kubelet-config", path, read)


def _restart_period(text: str) -> float:
    security.check_duration("max-container-restart-period", text)
    if not 1 <= (longest := security.seconds(text, 0.0)) <= 300:
        raise ValueError("must be between 1s and 300s")
    return longest


def _sysctls(text: str) -> tuple[str, ...]:
    from pinnace.kubelet.admission import unsafe_sysctls_problem

    found = tuple(text.split(","))
    if problem := unsafe_sysctls_problem(found):
        raise ValueError(problem)
    return found


@dataclass(frozen=True, slots=True)
class Flag:
    """`field` is one of KubeletConfig; without it, `read` gives values for several. A path means one of the caller's."""

    field: str
    read: Callable[[str], Any]
    help: str
    is_path: bool = False


FLAGS: Mapping[str, Flag] = {
    # first, because the others go before what the file says
    "kubelet-config": Flag(
        "",
        _file,
        "--config: a KubeletConfiguration (kubelet.config.k8s.io/v1beta1)",
        is_path=True,
    ),
    "pod-manifest-path": Flag(
        "static_pod_path", Path, "directory (or file) of static pods' manifests", is_path=True
    ),
    "allowed-unsafe-sysctls": Flag("allowed_unsafe_sysctls", _sysctls, "e.g. kernel.msg*,net.core.somaxconn"),
    "max-container-restart-period": Flag(
        "max_container_restart_seconds",
        _restart_period,
        "crashLoopBackOff.maxContainerRestartPeriod: the longest wait of a crash loop, 1s to 300s (default 300s)",
    ),
    "eviction-hard": Flag("eviction_hard", thresholds, "e.g. memory.available<100Mi,nodefs.available<10%%"),
    "eviction-soft": Flag("eviction_soft", thresholds, "e.g. memory.available<1Gi"),
    "eviction-soft-grace-period": Flag(
        "eviction_soft_grace_seconds", _durations, "e.g. memory.available=1m30s"
    ),
    "eviction-minimum-reclaim": Flag("eviction_minimum_reclaim", _pairs, "e.g. imagefs.available=2Gi"),
    "eviction-max-pod-grace-period": Flag(
        "eviction_max_pod_grace_period",
        int,
        "seconds that a soft eviction leaves a pod at most; negative: what the pod says (default 0)",
    ),
    "eviction-pressure-transition-period": Flag(
        "eviction_pressure_transition_seconds",
        _duration,
        "how long a pressure condition outlives its threshold (default 5m)",
    ),
    "kube-reserved": Flag("kube_reserved", _amounts, "kept from pods, e.g. cpu=200m,memory=500Mi,pid=100"),
    "system-reserved": Flag("system_reserved", _amounts, "kept from pods too, e.g. cpu=100m"),
    "pod-max-pids": Flag("pod_max_pids", int, "processes per pod (default -1: no limit)"),
    "node-labels": Flag("node_labels", node_flags.labels, "KEY=VALUE, separated by commas"),
    "register-with-taints": Flag(
        "register_with_taints",
        node_flags.taints,
        "KEY=VALUE:EFFECT, separated by commas",
    ),
    "node-lease-duration-seconds": Flag(
        "node_lease_seconds",
        _whole_seconds,
        "nodeLeaseDurationSeconds; renewed four times as often (default 40)",
    ),
    "memory-swap-behavior": Flag("memory_swap_behavior", _swap, "NoSwap (default) or LimitedSwap"),
}


def attribute(flag: str) -> str:
    return flag.replace("-", "_")


def add_flags(parser: argparse.ArgumentParser) -> None:
    for name, flag in FLAGS.items():
        parser.add_argument(f"--{name}", help=f"as the kubelet's: {flag.help}")


def command_line(config: "ClusterConfig") -> list[str]:
    told = {name: getattr(config, attribute(name)) for name in FLAGS}
    return [
        f"--{name}={Path(value).absolute() if FLAGS[name].is_path else value}"
        for name, value in told.items()
        if value
    ]


def apply(config: "ClusterConfig", to: "KubeletConfig") -> "KubeletConfig":
    """Raises UsageError."""
    given: dict[str, Any] = {}
    for name, flag in FLAGS.items():
        if text := getattr(config, attribute(name)):
            try:
                value = flag.read(text)
            except (ValueError, ArithmeticError) as error:
                raise UsageError(f"--{name} {text}: {error}") from None
            given |= {flag.field: value} if flag.field else value
    result = replace(to, **given)
    if given:
        from pinnace.kubelet.eviction_thresholds import thresholds as check_thresholds

        try:
            check_thresholds(result)
        except (ValueError, ArithmeticError) as error:
            raise UsageError(f"--eviction-*: {error}") from None
    return result


def check(config: "ClusterConfig") -> None:
    """Raises UsageError."""
    if any(getattr(config, attribute(name)) for name in FLAGS):
        from pinnace.kubelet.config import KubeletConfig

        apply(config, KubeletConfig("n", "127.0.0.1", Path(), Path()))
