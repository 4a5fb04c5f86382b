"""Profiles: which plugins run, in which order, with which weights and arguments. The default one is upstream's of v1.36."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.devices import Devices
from pinnace.scheduler.framework import (
    NodeFilter,
    NodeScore,
    PodFilter,
    PodInfo,
    PodScore,
    PreFilter,
    UsageFilter,
    UsageScore,
)
from pinnace.scheduler.plugin_sets import PluginError, default_points
from pinnace.scheduler.plugins.dynamic_resources import DynamicResources
from pinnace.scheduler.plugins.image_locality import ImageLocality
from pinnace.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pinnace.scheduler.plugins.node_affinity import AddedNodeAffinity, NodeAffinity
from pinnace.scheduler.plugins.node_name import NodeName
from pinnace.scheduler.plugins.node_ports import NodePorts
from pinnace.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pinnace.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from pinnace.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pinnace.scheduler.plugins.priority_sort import PrioritySort
from pinnace.scheduler.plugins.resource_strategies import balance_for, fit_for
from pinnace.scheduler.plugins.scheduling_gates import SchedulingGates
from pinnace.scheduler.plugins.taint_toleration import TaintToleration
from pinnace.scheduler.plugins.volume_binding import VolumeBinding
from pinnace.scheduler.plugins.volume_restrictions import VolumeRestrictions
from pinnace.scheduler.plugins.volume_zone import VolumeZone
from pinnace.scheduler.settings import DEFAULT_ARGS, PluginArgs, PreemptionArgs, ProfileSettings
from pinnace.scheduler.storage import Storage

Filter = NodeFilter | UsageFilter | PodFilter
Score = NodeScore | UsageScore | PodScore


@dataclass(frozen=True)
class Parts:
    """What plugins are made from. `workload_selector` gives the selector of the Services and workloads of a pod, if any."""

    workload_selector: Callable[[PodInfo], Selector | None]
    storage: Storage
    devices: Devices = field(default_factory=Devices)


# How each plugin that filters or scores is made; a default plugin that is in no catalogue is not there yet.
CATALOG: Mapping[str, Callable[[PluginArgs, Parts], Any]] = {
    "NodeUnschedulable": lambda args, parts: NodeUnschedulable(),
    "NodeName": lambda args, parts: NodeName(),
    "TaintToleration": lambda args, parts: TaintToleration(),
    "NodeAffinity": lambda args, parts: NodeAffinity(args.node_affinity),
    "NodePorts": lambda args, parts: NodePorts(),
    "NodeResourcesFit": lambda args, parts: fit_for(args.fit),
    "VolumeRestrictions": lambda args, parts: VolumeRestrictions(parts.storage),
    "NodeVolumeLimits": lambda args, parts: NodeVolumeLimits(parts.storage),
    "VolumeBinding": lambda args, parts: VolumeBinding(parts.storage),
    "VolumeZone": lambda args, parts: VolumeZone(parts.storage),
    "PodTopologySpread": lambda args, parts: PodTopologySpread(parts.workload_selector, args.spread),
    "InterPodAffinity": lambda args, parts: InterPodAffinity(args.inter_pod_affinity),
    "DynamicResources": lambda args, parts: DynamicResources(parts.devices),
    "NodeResourcesBalancedAllocation": lambda args, parts: balance_for(args.balanced_resources),
    "ImageLocality": lambda args, parts: ImageLocality(),
}


@dataclass(frozen=True)
class Profile:
    """Filters run in order, and the first that refuses a node is the one that is named."""

    filters: tuple[Filter, ...]
    prefilters: tuple[PreFilter, ...]
    scores: tuple[tuple[Score, int], ...]  # with weights
    sort: PrioritySort
    gates: SchedulingGates | None
    name: str = "default-scheduler"
    preemption: PreemptionArgs | None = DEFAULT_ARGS.preemption  # None: pods of this profile preempt nobody
    frees_claims: bool = True  # whether DynamicResources is asked, before preemption, when a pod fits nowhere
    percentage: int = 0  # of the nodes, how many feasible ones are enough to choose from; 0: all

    def runs(self, name: str) -> bool:
        """Whether a plugin filters."""
        return any(plugin.name == name for plugin in self.filters)


def build_profile(settings: ProfileSettings, parts: Parts) -> Profile:
    """Raises PluginError for a profile that cannot be built."""
    points = settings.points if settings.points is not None else default_points()
    if len(points["queueSort"]) != 1:
        raise PluginError(
            f'only one queue sort plugin required for profile with scheduler name "{settings.name}", '
            f"but got {len(points['queueSort'])}"
        )
    if not points["bind"]:
        raise PluginError(
            f'at least one bind plugin is needed for profile with scheduler name "{settings.name}"'
        )
    made: dict[str, Any] = {}

    def at(point: str) -> list[tuple[Any, int]]:
        found = []
        for name, weight in points[point]:
            if name not in CATALOG:
                continue
            if name not in made:
                made[name] = CATALOG[name](settings.args, parts)
            found.append((made[name], weight))
        return found

    filters: list[Filter] = []
    for plugin, _ in at("filter"):
        if plugin.name == "NodeAffinity" and settings.args.node_affinity.required is not None:
            filters.append(AddedNodeAffinity(settings.args.node_affinity.required))
        filters.append(plugin)
    names = {point: {name for name, _ in plugins} for point, plugins in points.items()}
    return Profile(
        filters=tuple(filters),
        prefilters=tuple(plugin for plugin, _ in at("preFilter") if hasattr(plugin, "candidates")),
        scores=tuple((plugin, weight) for plugin, weight in at("score") if hasattr(plugin, "score_reads")),
        sort=PrioritySort(),
        gates=SchedulingGates() if "SchedulingGates" in names["preEnqueue"] else None,
        name=settings.name,
        preemption=settings.args.preemption if "DefaultPreemption" in names["postFilter"] else None,
        frees_claims="DynamicResources" in names["postFilter"],
        percentage=settings.percentage,
    )


def default_profile(
    workload_selector: Callable[[PodInfo], Selector | None], storage: Storage | None = None
) -> Profile:
    """Without `storage`, as if there were no volumes; there are no devices."""
    return build_profile(ProfileSettings(), Parts(workload_selector, storage or Storage()))
