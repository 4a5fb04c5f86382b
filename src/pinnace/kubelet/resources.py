"""From a pod's requests and limits to what the kernel is told: shares, quotas, limits, OOM scores. Pure.

Formulas: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/cm/helpers_linux.go
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object

MIN_SHARES, MAX_SHARES = 2, 262_144
PERIOD_MICROS, MIN_QUOTA_MICROS = 100_000, 1000
OOM_GUARANTEED, OOM_BEST_EFFORT = -997, 1000


def cpu_shares(milli: int) -> int:
    return min(max(MIN_SHARES, milli * 1024 // 1000), MAX_SHARES)


def cpu_quota(milli: int) -> int:
    """Microseconds of each period; 0 means no limit."""
    return max(MIN_QUOTA_MICROS, milli * PERIOD_MICROS // 1000) if milli else 0


def oom_score_adj(pod: Object, container: dict[str, Any], node_memory: int) -> int:
    """Guaranteed pods die last, best-effort ones first, burstable ones by how little they asked for."""
    if pods.priority(pod) >= 2_000_001_000:  # node-critical
        return OOM_GUARANTEED
    quality = pod_resources.qos_class(pod)
    if quality == "Guaranteed":
        return OOM_GUARANTEED
    if quality == "BestEffort":
        return OOM_BEST_EFFORT
    asked = int(pod_resources.container_requests(container).get("memory", Decimal(0)))
    score = 1000 - 1000 * asked // max(node_memory, 1)
    return min(max(score, 1000 + OOM_GUARANTEED), OOM_BEST_EFFORT - 1)


def container_resources(pod: Object, container: dict[str, Any], node_memory: int) -> dict[str, Any]:
    """CRI's LinuxContainerResources."""
    requests, limits = pod_resources.container_requests(container), pod_resources.container_limits(container)
    limit = _milli(limits.get("cpu"))
    wanted = _milli(requests.get("cpu")) if "cpu" in requests else limit
    result: dict[str, Any] = {
        "cpu_shares": cpu_shares(wanted),
        "cpu_period": PERIOD_MICROS,
        "cpu_quota": cpu_quota(limit),
        "memory_limit_in_bytes": int(limits.get("memory", 0)),
        "oom_score_adj": oom_score_adj(pod, container, node_memory),
    }
    return {name: value for name, value in result.items() if value}


def pod_cgroup_settings(pod: Object) -> dict[str, int]:
    """cpu_shares, and cpu_quota and memory_limit where every container has such a limit (they bound the whole pod)."""
    requests, limits = pod_resources.requests(pod), pod_resources.limits(pod)
    holders = [*pods.containers(pod), *pods.init_containers(pod)]
    settings = {"cpu_shares": cpu_shares(_milli(requests.get("cpu")))}
    if all("cpu" in pod_resources.container_limits(one) for one in holders) and limits.get("cpu"):
        settings["cpu_quota"] = cpu_quota(_milli(limits["cpu"]))
    if all("memory" in pod_resources.container_limits(one) for one in holders) and limits.get("memory"):
        settings["memory_limit"] = int(limits["memory"])
    return settings


def _milli(amount: Decimal | None) -> int:
    return int(amount * 1000) if amount else 0


def allocatable(capacity: Mapping[str, Decimal], *reserved: Mapping[str, Decimal]) -> dict[str, Decimal]:
    result = dict(capacity)
    for part in reserved:
        for name, amount in part.items():
            if name in result:
                result[name] = max(Decimal(0), result[name] - amount)
    return result
