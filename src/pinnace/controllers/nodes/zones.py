"""How fast nodes of a zone may be marked for eviction: slowly in a zone, slower when much of it fails, not at all when all fails.

A cluster in which every node looks dead has probably lost its control plane's network, not its nodes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pinnace.api import meta
from pinnace.api.core import nodes
from pinnace.api.meta import Object

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class EvictionRates:
    """Nodes a second, as kube-controller-manager's flags of the same names."""

    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    unhealthy_zone_threshold: float = 0.55
    large_cluster_size_threshold: int = 50


def zone_of(node: Object) -> str:
    labels = meta.labels(node)
    return f"{labels.get(REGION, '')}:{labels.get(ZONE, '')}"


def rates(everything: Iterable[Object], config: EvictionRates) -> dict[str, float]:
    """Zone -> nodes a second that may be marked."""
    ready: dict[str, list[bool]] = defaultdict(list)
    for node in everything:
        ready[zone_of(node)].append(nodes.is_ready(node))
    if not any(any(states) for states in ready.values()):
        return dict.fromkeys(ready, 0.0)
    return {zone: _rate(states, config) for zone, states in ready.items()}


def _rate(states: list[bool], config: EvictionRates) -> float:
    unready = states.count(False)
    is_partial = any(states) and unready > 2 and unready / len(states) >= config.unhealthy_zone_threshold
    if not is_partial:
        return config.node_eviction_rate
    is_large = len(states) > config.large_cluster_size_threshold
    return config.secondary_node_eviction_rate if is_large else 0.0


@dataclass(slots=True)
class EvictionLimiter:
    """One token per zone; it refills at the zone's present rate. What it remembers is only how lately a node was marked."""

    config: EvictionRates
    _last: dict[str, datetime] = field(default_factory=dict)

    def rates(self, everything: Iterable[Object]) -> dict[str, float]:
        return rates(everything, self.config)

    def wait(self, zone: str, rate: float, now: datetime) -> float | None:
        """Seconds until a node of `zone` may be marked (0 takes the token); None while none may."""
        if rate <= 0:
            return None
        last = self._last.get(zone)
        left = 0.0 if last is None else 1 / rate - (now - last).total_seconds()
        if left > 0:
            return left
        self._last[zone] = now
        return 0.0
