"""What a KubeSchedulerConfiguration says, read and checked (`configuration`), with upstream's defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pinnace.scheduler.pod_info import CPU, DEFAULT_SCHEDULER, MEMORY, NodeTerm

Strategy = Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]
Points = Mapping[str, tuple[tuple[str, int], ...]]  # extension point -> plugins and weights in their order


@dataclass(frozen=True, slots=True)
class FitArgs:
    """`shape`: (utilization in per cent, score of 0..10) points, for RequestedToCapacityRatio."""

    ignored_resources: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()
    strategy: Strategy = "LeastAllocated"
    resources: tuple[tuple[str, int], ...] = ((CPU, 1), (MEMORY, 1))
    shape: tuple[tuple[int, int], ...] = ()

    def ignores(self, resource: str) -> bool:
        return resource in self.ignored_resources or resource.split("/", maxsplit=1)[0] in self.ignored_groups


@dataclass(frozen=True, slots=True)
class InterPodAffinityArgs:
    hard_pod_affinity_weight: int = 1
    ignore_preferred_terms_of_existing_pods: bool = False


@dataclass(frozen=True, slots=True)
class DefaultSpread:
    """A constraint for pods that have none of their own; the selector is that of their Services and workloads."""

    topology_key: str
    max_skew: int
    is_hard: bool = False
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


SYSTEM_SPREAD = (
    DefaultSpread("kubernetes.io/hostname", 3),
    DefaultSpread("topology.kubernetes.io/zone", 5),
)


@dataclass(frozen=True, slots=True)
class SpreadArgs:
    is_system: bool = True
    defaults: tuple[DefaultSpread, ...] = SYSTEM_SPREAD


@dataclass(frozen=True, slots=True)
class NodeAffinityArgs:
    """What every pod must, or would like to, find on its node; see `Demand`."""

    required: tuple[NodeTerm, ...] | None = None
    preferred: tuple[NodeTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class PreemptionArgs:
    min_candidate_nodes_percentage: int = 10
    min_candidate_nodes_absolute: int = 100

    def wanted(self, nodes: int) -> int:
        """How many candidates are enough, among so many nodes that may be freed."""
        share = nodes * self.min_candidate_nodes_percentage // 100
        return min(nodes, max(share, self.min_candidate_nodes_absolute))


@dataclass(frozen=True, slots=True)
class PluginArgs:
    fit: FitArgs = FitArgs()
    inter_pod_affinity: InterPodAffinityArgs = InterPodAffinityArgs()
    spread: SpreadArgs = SpreadArgs()
    node_affinity: NodeAffinityArgs = NodeAffinityArgs()
    preemption: PreemptionArgs = PreemptionArgs()
    balanced_resources: tuple[str, ...] = (CPU, MEMORY)
    volume_bind_timeout_seconds: int = 600


DEFAULT_ARGS = PluginArgs()


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """`points` None: the default plugins. `percentage`: of the nodes, how many feasible ones are enough; 0: all."""

    name: str = DEFAULT_SCHEDULER
    points: Points | None = None
    args: PluginArgs = PluginArgs()
    percentage: int = 0


@dataclass(frozen=True, slots=True)
class ExtenderSettings:
    """A server that has a say in filtering, scoring or binding; `tls` holds the fields of tlsConfig as they are."""

    url_prefix: str
    filter_verb: str = ""
    prioritize_verb: str = ""
    weight: int = 0
    bind_verb: str = ""
    enable_https: bool = False
    tls: Mapping[str, object] = field(default_factory=dict)
    timeout_seconds: float = 5.0
    node_cache_capable: bool = False
    managed_resources: frozenset[str] = frozenset()
    ignorable: bool = False


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """`without_effect` names what the file says and this scheduler has no use for."""

    profiles: tuple[ProfileSettings, ...] = (ProfileSettings(),)
    first_backoff: float = 1.0
    longest_backoff: float = 10.0
    extenders: tuple[ExtenderSettings, ...] = ()
    without_effect: tuple[str, ...] = field(default=())


DEFAULT_SETTINGS = SchedulerSettings()
