"""How the time of a shutdown is shared among pods: groups by priority, the lowest first. Pure.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/nodeshutdown/nodeshutdown_manager.go
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.kubelet.config import KubeletConfig

CRITICAL_PRIORITY = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """`priority` is the lowest that belongs to it; all its pods end within `seconds`."""

    priority: int
    seconds: float
    pods: tuple[Object, ...] = ()


def periods(config: KubeletConfig) -> tuple[tuple[int, float], ...]:
    """(priority, seconds), ascending; empty when no graceful shutdown is configured."""
    if config.shutdown_by_priority:
        return tuple(sorted(config.shutdown_by_priority))
    whole, critical = config.shutdown_seconds, config.shutdown_critical_seconds
    if whole <= 0 or critical > whole:
        return ()
    return ((0, whole - critical), (CRITICAL_PRIORITY, critical))


def grouped(found: Iterable[Object], shares: Sequence[tuple[int, float]]) -> list[Group]:
    """Groups that have pods, in the order in which they end. A priority below all of them belongs to the first."""
    beginnings = [priority for priority, _ in shares]
    members: dict[int, list[Object]] = {}
    for pod in found:
        place = max(0, bisect_right(beginnings, pods.priority(pod)) - 1)
        members.setdefault(place, []).append(pod)
    return [Group(*shares[place], tuple(members[place])) for place in sorted(members)]


def grace_seconds(pod: Object, group: Group) -> int:
    """A pod gets its own grace period, and no more than its group has."""
    return min(pods.grace_period_seconds(pod), int(group.seconds))
