"""Profiles: which plugins run, in which order, with which weights. The default one is upstream's of v1.36.

Left out so far: DynamicResources (see docs/conformance.md). DefaultPreemption is the cycle's own part.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pinnace.apimachinery.selectors import Selector
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
from pinnace.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from pinnace.scheduler.plugins.image_locality import ImageLocality
from pinnace.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pinnace.scheduler.plugins.node_affinity import NodeAffinity
from pinnace.scheduler.plugins.node_name import NodeName
from pinnace.scheduler.plugins.node_ports import NodePorts
from pinnace.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pinnace.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pinnace.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from pinnace.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pinnace.scheduler.plugins.priority_sort import PrioritySort
from pinnace.scheduler.plugins.scheduling_gates import SchedulingGates
from pinnace.scheduler.plugins.taint_toleration import TaintToleration
from pinnace.scheduler.plugins.volume_binding import VolumeBinding
from pinnace.scheduler.plugins.volume_restrictions import VolumeRestrictions
from pinnace.scheduler.plugins.volume_zone import VolumeZone
from pinnace.scheduler.storage import Storage

Filter = NodeFilter | UsageFilter | PodFilter
Score = NodeScore | UsageScore | PodScore


@dataclass(frozen=True)
class Profile:
    """Filters run in order, and the first that refuses a node is the one that is named."""

    filters: tuple[Filter, ...]
    prefilters: tuple[PreFilter, ...]
    scores: tuple[tuple[Score, int], ...]  # with weights
    sort: PrioritySort
    gates: SchedulingGates
    name: str = "default-scheduler"


def default_profile(
    workload_selector: Callable[[PodInfo], Selector | None], storage: Storage | None = None
) -> Profile:
    """Without `storage`, as if there were no volumes."""
    known = storage or Storage()
    taints, affinity, fit = TaintToleration(), NodeAffinity(), NodeResourcesFit()
    spread, near = PodTopologySpread(workload_selector), InterPodAffinity()
    return Profile(
        filters=(
            NodeUnschedulable(),
            NodeName(),
            taints,
            affinity,
            NodePorts(),
            fit,
            VolumeRestrictions(known),
            NodeVolumeLimits(known),
            VolumeBinding(known),
            VolumeZone(known),
            spread,
            near,
        ),
        prefilters=(affinity,),
        scores=(
            (taints, 3),
            (affinity, 2),
            (fit, 1),
            (spread, 2),
            (near, 2),
            (NodeResourcesBalancedAllocation(), 1),
            (ImageLocality(), 1),
        ),
        sort=PrioritySort(),
        gates=SchedulingGates(),
    )
