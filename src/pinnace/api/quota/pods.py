"""What pods use: themselves, cpu and memory, ephemeral storage, huge pages, extended resources; and their scopes."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from pinnace.api.core import pod_resources, resource_names
from pinnace.api.meta import Object
from pinnace.api.quota import scopes
from pinnace.api.quota.amounts import ONE, Amounts
from pinnace.apimachinery.times import parse_time

COUNT = "count/pods"
_NAMES = frozenset(
    (COUNT, "pods", *(prefix + name for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory", "ephemeral-storage")))
)  # fmt: skip
# A quota on one of these demands that every container says it: upstream calls that a mistake that it keeps.
_DEMANDED = resource_names.COMPUTE_QUOTA
_POD_LEVEL = ("cpu", "memory")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def measures(name: str) -> bool:
    """Whether a quota's entry of this name is about pods."""
    if name in _NAMES or name.startswith(
        (resource_names.HUGE_PAGES, "requests." + resource_names.HUGE_PAGES)
    ):
        return True
    return name.startswith(resource_names.REQUESTS) and not resource_names.is_native(name)


def usage(pod: Object, now: datetime) -> Amounts:
    found: Amounts = {COUNT: ONE}
    if not _is_charged(pod, now):
        return found
    return found | _compute(pod_resources.requests(pod), pod_resources.limits(pod))


def _is_charged(pod: Object, now: datetime) -> bool:
    """Not when it has ended, nor when it is being deleted and its time is long over (its node is silent)."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    metadata = pod["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("deletionGracePeriodSeconds") is None:
        return True
    grace = timedelta(seconds=metadata["deletionGracePeriodSeconds"])
    return now <= parse_time(metadata["deletionTimestamp"]) + grace


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    found: Amounts = {"pods": ONE}
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name in requests:
            found[name] = found[f"requests.{name}"] = requests[name]
        if name in limits:
            found[f"limits.{name}"] = limits[name]
    for name, amount in requests.items():
        if resource_names.is_huge_pages(name):
            found[name] = found[f"requests.{name}"] = amount
        elif resource_names.is_extended(name):
            found[f"requests.{name}"] = amount
    return found


def missing(demanded: Iterable[str], pod: Object) -> str:
    """`must specify limits.cpu for: a,b; ...`, or "" when every container says what these quotas need."""
    wanted = _DEMANDED.intersection(demanded)
    spec = pod.get("spec") or {}
    if not wanted or _has_pod_level_resources(spec):
        return ""
    silent: dict[str, set[str]] = {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        said = _compute(
            pod_resources.container_requests(container), pod_resources.container_limits(container)
        )
        for name in wanted - set(said):
            silent.setdefault(name, set()).add(container.get("name", ""))
    if not silent:
        return ""
    return "must specify " + "; ".join(
        f"{name} for: {','.join(sorted(silent[name]))}" for name in sorted(silent)
    )


def _has_pod_level_resources(spec: Mapping[str, Any]) -> bool:
    resources = spec.get("resources") or {}
    said = {*(resources.get("requests") or ()), *(resources.get("limits") or ())}
    return any(name in _POD_LEVEL or resource_names.is_huge_pages(name) for name in said)


def in_scope(requirement: scopes.Requirement, pod: Object) -> bool:
    spec = pod.get("spec") or {}
    match requirement.get("scopeName"):
        case "Terminating":
            return _has_deadline(spec)
        case "NotTerminating":
            return not _has_deadline(spec)
        case "BestEffort":
            return pod_resources.qos_class(pod) == "BestEffort"
        case "NotBestEffort":
            return pod_resources.qos_class(pod) != "BestEffort"
        case "PriorityClass":
            return scopes.meets(requirement, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return any(map(_crosses_namespaces, _affinity_terms(spec)))
    return False


def _has_deadline(spec: Mapping[str, Any]) -> bool:
    return spec.get("activeDeadlineSeconds") is not None and spec["activeDeadlineSeconds"] >= 0


def _affinity_terms(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        yield from terms.get(_REQUIRED) or ()
        for weighted in terms.get(_PREFERRED) or ():
            yield weighted.get("podAffinityTerm") or {}


def _crosses_namespaces(term: Mapping[str, Any]) -> bool:
    return bool(term.get("namespaces")) or term.get("namespaceSelector") is not None
