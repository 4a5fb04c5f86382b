"""Pods' groups: `ROOT/kubepods/[burstable|besteffort/]podUID`, made before the sandbox and removed after the last process."""

import logging
import re

from pinnace.api import meta
from pinnace.api.core import pod_resources
from pinnace.api.meta import Object
from pinnace.kubelet.cgroups.hierarchy import Hierarchy
from pinnace.kubelet.resources import MIN_SHARES, pod_cgroup_settings

log = logging.getLogger(__name__)

CLASSES = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}
_POD = re.compile(r"^pod(.+)$")


class PodCgroups:
    def __init__(self, hierarchy: Hierarchy, root: str) -> None:
        self._hierarchy = hierarchy
        self.root = f"/{root.strip('/')}/kubepods" if root.strip("/") else "/kubepods"

    def path(self, pod: Object) -> str:
        return f"{self.root}{CLASSES[pod_resources.qos_class(pod)]}/pod{meta.uid(pod)}"

    def prepare(self) -> None:
        """The groups of the quality-of-service classes."""
        self._hierarchy.create(self.root, {})
        self._hierarchy.create(f"{self.root}/burstable", {})
        self._hierarchy.create(f"{self.root}/besteffort", {"cpu_shares": MIN_SHARES})

    def create(self, pod: Object) -> str:
        path = self.path(pod)
        self._hierarchy.create(path, pod_cgroup_settings(pod))
        return path

    def remove(self, pod: Object) -> bool:
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
