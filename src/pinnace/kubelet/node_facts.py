"""What containers and volumes may need to know of the node: resources, addresses, its resolver. Read once, cheap to ask."""

import os
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.name_resolution import Resolver, parse_resolv_conf
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.resources import all_pods_settings, allocatable


@dataclass
class NodeFacts:
    config: KubeletConfig
    cpus: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    @cached_property
    def memory_bytes(self) -> int:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("/proc/meminfo does not say MemTotal")

    @cached_property
    def capacity(self) -> dict[str, Decimal]:
        self.config.root_dir.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(self.config.root_dir)
        return {
            "cpu": Decimal(self.cpus),
            "memory": Decimal(self.memory_bytes),
            "ephemeral-storage": Decimal(disk.f_blocks * disk.f_frsize),
            "pods": Decimal(self._max_pods()),
            **_huge_pages(),
        }

    def _max_pods(self) -> int:
        per_core = self.config.pods_per_core * self.cpus
        return min(per_core, self.config.max_pods) if per_core else self.config.max_pods

    @cached_property
    def allocatable(self) -> dict[str, Decimal]:
        """Capacity less what is reserved and what hard eviction keeps free."""
        config = self.config
        kept = {
            "memory": _threshold(config.eviction_hard.get("memory.available", ""), self.capacity["memory"]),
            "ephemeral-storage": _threshold(
                config.eviction_hard.get("nodefs.available", ""), self.capacity["ephemeral-storage"]
            ),
        }
        return allocatable(self.capacity, kept, *self._reserved())

    def all_pods_settings(self) -> dict[str, int]:
        """What is written to the control group that holds all pods."""
        most = int(Path("/proc/sys/kernel/pid_max").read_text())
        return all_pods_settings(self.capacity, *self._reserved(), processes=most)

    def _reserved(self) -> list[dict[str, Decimal]]:
        return [
            {name: quantity.parse(amount) for name, amount in part.items()}
            for part in (self.config.kube_reserved, self.config.system_reserved)
        ]

    def resolver(self) -> Resolver:
        try:
            return parse_resolv_conf(self.config.resolv_conf.read_text())
        except OSError:
            return Resolver()

    def addresses(self, pod: Object, runtime: PodRuntime) -> dict[str, str]:
        """For `fieldRef`: status.podIP, podIPs, hostIP, hostIPs."""
        if pods.uses_host_network(pod):
            ips: tuple[str, ...] = self.config.node_ips
        else:
            ips = runtime.ready_sandbox.ips if runtime.ready_sandbox else ()
        return {
            "status.podIP": ips[0] if ips else "",
            "status.podIPs": ",".join(ips),
            "status.hostIP": self.config.node_ip,
            "status.hostIPs": ",".join(self.config.node_ips),
        }


def _threshold(text: str, whole: Decimal) -> Decimal:
    if not text:
        return Decimal(0)
    if text.endswith("%"):
        return (whole * Decimal(text[:-1]) / 100).to_integral_value()
    return quantity.parse(text)


def _huge_pages() -> dict[str, Decimal]:
    """`hugepages-2Mi` and the like, in bytes."""
    found = {}
    root = Path("/sys/kernel/mm/hugepages")
    for entry in sorted(root.glob("hugepages-*kB")) if root.is_dir() else ():
        size = int(entry.name.removeprefix("hugepages-").removesuffix("kB")) * 1024
        pages = int((entry / "nr_hugepages").read_text())
        found[f"hugepages-{quantity.format_quantity(size, 'binary')}"] = Decimal(pages * size)
    return found
