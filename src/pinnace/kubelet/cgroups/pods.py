"""Pods' groups: `ROOT/kubepods/[burstable|besteffort/]podUID`, made before the sandbox and removed after the last process."""

import logging
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pinnace.api import meta
from pinnace.api.core import pod_resources
from pinnace.api.meta import Object
from pinnace.kubelet.cgroups.hierarchy import Hierarchy
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.resources import MIN_SHARES, NO_RULES, NodeRules, cpu_shares, pod_cgroup_settings

log = logging.getLogger(__name__)

CLASSES = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}
_POD = re.compile(r"^pod(.+)$")


class PodCgroups:
    """`rules` are what the node adds to each pod's limits."""

    def __init__(self, hierarchy: Hierarchy, root: str, rules: NodeRules = NO_RULES) -> None:
        self._hierarchy, self.rules = hierarchy, rules
        self._burstable: dict[str, Decimal] = {}  # cpu requests by uid
        self.root = f"/{root.strip('/')}/kubepods" if root.strip("/") else "/kubepods"

    def path(self, pod: Object) -> str:
        return f"{self.root}{CLASSES[pod_resources.qos_class(pod)]}/pod{meta.uid(pod)}"

    def prepare(self, settings: Mapping[str, int]) -> None:
        """The group of all pods, and those of the quality-of-service classes."""
        self._hierarchy.create(self.root, settings)
        self._hierarchy.create(f"{self.root}/burstable", {"cpu_shares": MIN_SHARES})
        self._hierarchy.create(f"{self.root}/besteffort", {"cpu_shares": MIN_SHARES})

    def settings(self, pod: Object) -> dict[str, int]:
        """What this node writes to the pod's group."""
        return pod_cgroup_settings(pod, self.rules)

    def create(self, pod: Object, settings: Mapping[str, int] | None = None) -> str:
        path = self.path(pod)
        self._hierarchy.create(path, self.settings(pod) if settings is None else settings)
        self._weigh(pod, pod_resources.requests(pod).get("cpu", Decimal(0)))
        return path

    def _weigh(self, pod: Object, cpu: Decimal | None) -> None:
        """Burstable pods together weigh what they request together, beside guaranteed ones."""
        if pod_resources.qos_class(pod) != "Burstable" or self._burstable.get(meta.uid(pod)) == cpu:
            return
        self._burstable[meta.uid(pod)] = cpu or Decimal(0)
        if cpu is None:
            del self._burstable[meta.uid(pod)]
        shares = cpu_shares(int(sum(self._burstable.values(), Decimal(0)) * 1000))
        self._hierarchy.create(f"{self.root}/burstable", {"cpu_shares": shares})

    def update(self, pod: Object, settings: Mapping[str, int]) -> None:
        """OSError where the kernel refuses."""
        self._hierarchy.update(self.path(pod), settings)

    def memory_usage(self, path: str) -> int:
        return self._hierarchy.memory_usage(path)

    def remove(self, pod: Object) -> bool:
        self._weigh(pod, None)
        return self._hierarchy.remove(self.path(pod))

    def leftovers(self, wanted: set[str]) -> list[str]:
        """Groups of pods whose uid is not among `wanted`."""
        found = []
        for part in CLASSES.values():
            parent = f"{self.root}{part}"
            for name in self._hierarchy.children(parent):
                match = _POD.match(name)
                if match and match[1] not in wanted:
                    found.append(f"{parent}/{name}")
        return found

    def remove_group(self, group: str) -> bool:
        return self._hierarchy.remove(group)

    def remove_all(self) -> bool:
        """Everything of this cluster, when the node goes down for good."""
        parent = self.root.rpartition("/")[0]
        return self._hierarchy.remove(parent or self.root)


def node_rules(config: KubeletConfig, hierarchy: Hierarchy) -> NodeRules:
    """From the kubelet's settings and what this kernel can limit."""
    swap = re.search(r"^SwapTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return NodeRules(
        pids_limit=config.pod_max_pids,
        page_sizes=hierarchy.page_sizes(),
        counts_swap=hierarchy.counts_swap(),
        is_v2=hierarchy.version == 2,
        swap_behavior=config.memory_swap_behavior,
        swap_bytes=int(swap[1]) * 1024 if swap else 0,
    )
