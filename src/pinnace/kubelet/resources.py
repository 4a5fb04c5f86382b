"""From a pod's requests and limits to what the kernel is told: shares, quotas, limits, OOM scores. Pure.

Formulas: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/cm/helpers_linux.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

MIN_SHARES, MAX_SHARES = 2, 262_144
PERIOD_MICROS, MIN_QUOTA_MICROS = 100_000, 1000
OOM_GUARANTEED, OOM_BEST_EFFORT = -997, 1000


def cpu_shares(milli: int) -> int:
    return min(max(MIN_SHARES, milli * 1024 // 1000), MAX_SHARES)


def cpu_quota(milli: int) -> int:
    """Microseconds of each period; 0 means no limit."""
    return max(MIN_QUOTA_MICROS, milli * PERIOD_MICROS // 1000) if milli else 0


@dataclass(frozen=True, slots=True)
class NodeRules:
    """What the node adds to what pods say: processes per pod (0: no limit), sizes of huge pages that can be limited, swap.

    `counts_swap`: the kernel can limit swap at all; `swap_bytes` is how much the node has.
    """

    pids_limit: int = 0
    page_sizes: tuple[str, ...] = ()
    counts_swap: bool = False
    is_v2: bool = False
    swap_behavior: str = "NoSwap"
    swap_bytes: int = 0


NO_RULES = NodeRules()


def oom_score_adj(pod: Object, container: dict[str, Any], node_memory: int) -> int:
    """Guaranteed pods die last, best-effort ones first, burstable ones by how little they asked for.

    What a pod as a whole asked for beyond its containers counts for each of them alike; a sidecar dies no sooner than the
    app container that asked for least.
    """
    if pods.priority(pod) >= 2_000_001_000:  # node-critical
        return OOM_GUARANTEED
    quality = pod_resources.qos_class(pod)
    if quality == "Guaranteed":
        return OOM_GUARANTEED
    if quality == "BestEffort":
        return OOM_BEST_EFFORT
    share = _unassigned_memory(pod)
    asked = _memory_request(container) + share
    if any(
        one is container or one["name"] == container["name"] for one in pods.init_containers(pod)
    ) and pods.is_sidecar(container):
        asked = max(asked, share + min((_memory_request(one) for one in pods.containers(pod)), default=0))
    score = 1000 - 1000 * asked // max(node_memory, 1)
    return min(max(score, 1000 + OOM_GUARANTEED), OOM_BEST_EFFORT - 1)


def _memory_request(container: dict[str, Any]) -> int:
    return int(pod_resources.container_requests(container).get("memory", Decimal(0)))


def _unassigned_memory(pod: Object) -> int:
    """Each container's part of what the pod requests beyond its containers."""
    if not pod["spec"].get("resources"):
        return 0
    whole = pod_resources.requests({"spec": {**pod["spec"], "overhead": None}}).get("memory", Decimal(0))
    rest = whole - pod_resources.container_sum(pod["spec"]).get("memory", Decimal(0))
    return int(rest) // max(len(pods.containers(pod)) + len(pods.init_containers(pod)), 1) if rest > 0 else 0


def container_resources(
    pod: Object, container: dict[str, Any], node_memory: int, rules: NodeRules = NO_RULES
) -> dict[str, Any]:
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
    _add_swap(pod, container, result, node_memory, rules)
    if rules.page_sizes:
        pages = page_limits(limits, rules.page_sizes)
        result["hugepage_limits"] = [{"page_size": size, "limit": amount} for size, amount in pages.items()]
    return {name: value for name, value in result.items() if value}


def _add_swap(
    pod: Object, container: dict[str, Any], result: dict[str, Any], node_memory: int, rules: NodeRules
) -> None:
    """Without swap a v1 group's limit of memory and swap together is that of memory; v2 counts swap for itself."""
    if not rules.counts_swap:
        return
    if not rules.is_v2:
        result["memory_swap_limit_in_bytes"] = result["memory_limit_in_bytes"]
        return
    result["unified"] = {"memory.swap.max": str(swap_limit(pod, container, node_memory, rules))}


def may_swap(pod: Object, container: dict[str, Any], rules: NodeRules) -> bool:
    """LimitedSwap: burstable containers that may use more memory than they request."""
    requests, limits = pod_resources.container_requests(container), pod_resources.container_limits(container)
    asked = requests.get("memory", Decimal(0))
    return bool(
        rules.swap_behavior == "LimitedSwap" and rules.counts_swap and rules.is_v2
        and not pods.is_critical(pod) and pod_resources.qos_class(pod) == "Burstable"
        and asked and asked != limits.get("memory")
    )  # fmt: skip


def swap_limit(pod: Object, container: dict[str, Any], node_memory: int, rules: NodeRules) -> int:
    """Swap in proportion to the memory that is requested."""
    if not may_swap(pod, container, rules):
        return 0
    return _memory_request(container) * rules.swap_bytes // max(node_memory, 1)


def page_limits(limits: Mapping[str, Decimal], sizes: Iterable[str]) -> dict[str, int]:
    """Bytes by size as the kernel writes it (`2MB`); what is not asked for is 0."""
    found = dict.fromkeys(sizes, 0)
    for name, amount in limits.items():
        if name.startswith("hugepages-"):
            size = page_size_name(int(quantity.parse(name.removeprefix("hugepages-"))))
            if size in found:
                found[size] = int(amount)
    return found


def page_size_name(size: int) -> str:
    for suffix in ("", "KB", "MB", "GB"):
        if size < 1024 or suffix == "GB":
            return f"{size}{suffix}"
        size //= 1024
    raise AssertionError(size)


def pod_cgroup_settings(pod: Object, rules: NodeRules = NO_RULES) -> dict[str, int]:
    """cpu_shares; cpu_quota and memory_limit where the pod or every container has such a limit; pids and huge pages."""
    requests, limits = pod_resources.requests(pod), pod_resources.limits(pod)
    holders = [*pods.containers(pod), *pods.init_containers(pod)]
    own = (pod["spec"].get("resources") or {}).get("limits") or {}
    settings = {"cpu_shares": cpu_shares(_milli(requests.get("cpu")))}
    for name, setting in (("cpu", "cpu_quota"), ("memory", "memory_limit")):
        bounded = name in own or all(name in pod_resources.container_limits(one) for one in holders)
        if bounded and limits.get(name):
            settings[setting] = cpu_quota(_milli(limits[name])) if name == "cpu" else int(limits[name])
    if rules.pids_limit > 0:
        settings["pids_limit"] = rules.pids_limit
    pages = page_limits(limits, rules.page_sizes)
    return settings | {f"hugetlb.{size}": amount for size, amount in pages.items()}


def all_pods_settings(
    capacity: Mapping[str, Decimal], *reserved: Mapping[str, Decimal], processes: int
) -> dict[str, int]:
    """Of the group of all pods: what is reserved for others is not theirs; hard eviction acts before they reach the limit."""
    left = allocatable({**capacity, "pid": Decimal(processes)}, *reserved)
    settings = {"cpu_shares": cpu_shares(_milli(left["cpu"])), "memory_limit": int(left["memory"])}
    if left["pid"] < processes:
        settings["pids_limit"] = int(left["pid"])
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
