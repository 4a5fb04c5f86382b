"""The kubelet's flags about a node's resources and eviction, under their own names: one table row each."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pinnace.apimachinery import quantity
from pinnace.cluster import node_flags
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


# flag -> (field of KubeletConfig, how to read it, help)
FLAGS: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "eviction-hard": ("eviction_hard", thresholds, "e.g. memory.available<100Mi,nodefs.available<10%%"),
    "eviction-soft": ("eviction_soft", thresholds, "e.g. memory.available<1Gi"),
    "eviction-soft-grace-period": ("eviction_soft_grace_seconds", _durations, "e.g. memory.available=1m30s"),
    "eviction-minimum-reclaim": ("eviction_minimum_reclaim", _pairs, "e.g. imagefs.available=2Gi"),
    "eviction-max-pod-grace-period": (
        "eviction_max_pod_grace_period",
        int,
        "seconds that a soft eviction leaves a pod at most; negative: what the pod says (default 0)",
    ),
    "eviction-pressure-transition-period": (
        "eviction_pressure_transition_seconds",
        _duration,
        "how long a pressure condition outlives its threshold (default 5m)",
    ),
    "kube-reserved": ("kube_reserved", _amounts, "kept from pods, e.g. cpu=200m,memory=500Mi,pid=100"),
    "system-reserved": ("system_reserved", _amounts, "kept from pods too, e.g. cpu=100m"),
    "pod-max-pids": ("pod_max_pids", int, "processes per pod (default -1: no limit)"),
    "node-labels": ("node_labels", node_flags.labels, "KEY=VALUE, separated by commas"),
    "register-with-taints": (
        "register_with_taints",
        node_flags.taints,
        "KEY=VALUE:EFFECT, separated by commas",
    ),
    "node-lease-duration-seconds": (
        "node_lease_seconds",
        _whole_seconds,
        "nodeLeaseDurationSeconds; renewed four times as often (default 40)",
    ),
    "memory-swap-behavior": ("memory_swap_behavior", _swap, "NoSwap (default) or LimitedSwap"),
}


def attribute(flag: str) -> str:
    return flag.replace("-", "_")


def add_flags(parser: argparse.ArgumentParser) -> None:
    for flag, (_, _, text) in FLAGS.items():
        parser.add_argument(f"--{flag}", help=f"as the kubelet's: {text}")


def command_line(config: "ClusterConfig") -> list[str]:
    told = {flag: getattr(config, attribute(flag)) for flag in FLAGS}
    return [f"--{flag}={value}" for flag, value in told.items() if value]


def apply(config: "ClusterConfig", to: "KubeletConfig") -> "KubeletConfig":
    """Raises UsageError."""
    given = {}
    for flag, (field, read, _) in FLAGS.items():
        if text := getattr(config, attribute(flag)):
            try:
                given[field] = read(text)
            except (ValueError, ArithmeticError) as error:
                raise UsageError(f"--{flag} {text}: {error}") from None
    result = replace(to, **given)
    if given or config.kubelet_config:
        from pinnace.kubelet.eviction_thresholds import thresholds as check_thresholds

        try:
            check_thresholds(result)
        except (ValueError, ArithmeticError) as error:
            raise UsageError(f"--eviction-*: {error}") from None
    return result


def check(config: "ClusterConfig") -> None:
    """Raises UsageError."""
    if any(getattr(config, attribute(flag)) for flag in FLAGS):
        from pathlib import Path

        from pinnace.kubelet.config import KubeletConfig

        apply(config, KubeletConfig("n", "127.0.0.1", Path(), Path()))
