"""What the scheduler knows of a pod, read once (`pod_parsing`): `PodInfo`, and the `Demand` that all pods of one template share.

Pods with equal demands are one equivalence class: the cycle keeps filter masks and scores per `Demand` object.
Left out: resource claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pinnace.apimachinery.selectors import (
    Requirement,
    Selector,
)

Object = dict[str, Any]
CPU, MEMORY, STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
DEFAULT_SCHEDULER = "default-scheduler"
LARGEST_AMOUNT = 2**56
"""More of a resource than this counts as this: what a node's pods ask for, and percentages of it, stay within 64 bits."""


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Toleration:
    key: str
    operator: str
    value: str
    effect: str

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One nodeSelectorTerm: all its expressions (on labels) and fields (on metadata.name) must hold."""

    expressions: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    weight: int = 0


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """A pod (anti-)affinity term. `namespaces` holds the pod's own namespace unless the term names others."""

    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector | None
    weight: int = 0


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    topology_key: str
    max_skew: int
    selector: Selector
    is_hard: bool
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclass(frozen=True, slots=True)
class HostPort:
    ip: str
    protocol: str
    port: int


@dataclass(frozen=True, eq=False)
class Demand:
    """What pods of one template ask of a node. Compared by identity: equal demands are one shared object."""

    requests: Mapping[str, int]  # cpu in thousandths, the rest in units; without "pods"
    nonzero_cpu_millis: int
    nonzero_memory_bytes: int
    host_ports: tuple[HostPort, ...]
    images: tuple[str, ...]
    node_selector: tuple[Requirement, ...]
    required_node_terms: tuple[NodeTerm, ...] | None  # None: no requirement; (): matches no node
    preferred_node_terms: tuple[NodeTerm, ...]
    tolerations: tuple[Toleration, ...]
    affinity: tuple[AffinityTerm, ...]
    anti_affinity: tuple[AffinityTerm, ...]
    preferred_affinity: tuple[AffinityTerm, ...]
    preferred_anti_affinity: tuple[AffinityTerm, ...]
    spread: tuple[SpreadConstraint, ...]
    reads_labels: bool = False  # it depends on the pod's own labels
    alone: object = field(default_factory=object)
    """Shared by demands that differ at most in what they say about other pods: all ask the same of a node by itself."""

    @property
    def has_pod_terms(self) -> bool:
        return bool(
            self.anti_affinity or self.affinity or self.preferred_affinity or self.preferred_anti_affinity
        )

    def tolerates(self, taint: Taint) -> bool:
        return any(toleration.tolerates(taint) for toleration in self.tolerations)


@dataclass(frozen=True, slots=True, eq=False)
class PodInfo:
    """One pod, read-only. `object` is the API object it was read from (shared with the informer's cache)."""

    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    priority: int
    created: float
    node_name: str
    is_terminating: bool
    is_gated: bool
    scheduler_name: str
    demand: Demand
    object: Object = field(repr=False)
    volumes: tuple[Object, ...] = ()  # those that limit the choice of a node: claims, and disks of old kinds

    @property
    def has_claims(self) -> bool:
        """It asks for devices."""
        return "resourceClaims" in self.object["spec"]

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def tolerates(self, taint: Taint) -> bool:
        return self.demand.tolerates(taint)
