"""Eviction under node pressure (pure): who goes first, and the words. When it is time is decided in `eviction_thresholds`. https://github.com/kubernetes/kubernetes/tree/master/pkg/kubelet/eviction"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pinnace.api.core import pods as core_pods
from pinnace.api.core.pod_resources import container_requests, qos_class, requests
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.kubelet.eviction_thresholds import (
    DISK_PRESSURE,
    MEMORY_PRESSURE,
    PID_PRESSURE,
    Observation,
    Threshold,
    binary,
    shown_quantity,
)

# condition -> (reason, message) when it holds, and when it does not
WORDS = {
    MEMORY_PRESSURE: (
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ),
    DISK_PRESSURE: (
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ),
    PID_PRESSURE: (
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ),
}


@dataclass(frozen=True, slots=True)
class MetThreshold:
    """`quantity` is the threshold, `available` what there was instead; both for people."""

    resource: str
    quantity: str
    available: str


@dataclass(frozen=True, slots=True)
class PodConsumption:
    """What a pod uses of every resource that can run short; by container what a message names."""

    memory: int = 0
    disk: int = 0
    inodes: int = 0
    processes: int = 0
    containers: Mapping[str, Mapping[str, int]] | None = None  # container -> resource -> used

    def of(self, resource: str) -> int:
        return {
            "memory": self.memory,
            "ephemeral-storage": self.disk,
            "inodes": self.inodes,
            "pids": self.processes,
        }[resource]


def as_met(threshold: Threshold, observed: Mapping[str, Observation]) -> MetThreshold:
    shown = shown_quantity(threshold, observed)
    return MetThreshold(threshold.resource, shown, binary(observed[threshold.signal].available))


def node_condition(kind: str, *, holds: bool) -> Object:
    reason, message = WORDS[kind][0 if holds else 1]
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}


def ranked(pods: Iterable[Object], usage: Mapping[str, PodConsumption], resource: str) -> list[Object]:
    """Pods in the order in which they go: above their request first, then low priority, then the most above it.

    A pod of unknown usage counts as above its request. Process ids are not requested: priority and usage decide.
    """

    def order(pod: Object) -> tuple[bool, int, int]:
        priority = core_pods.priority(pod)
        known = usage.get(pod["metadata"]["uid"])
        if known is None:
            return False, priority, 0
        above = known.of(resource) - _requested(pod, resource)
        within_request = resource in ("memory", "ephemeral-storage") and above <= 0
        return within_request, priority, -above

    return sorted(pods, key=order)


def _requested(pod: Object, resource: str) -> int:
    return int(requests(pod).get(resource, Decimal(0)))


def may_be_evicted(pod: Object) -> bool:
    """Running pods, but not static ones and not those that the cluster itself needs."""
    return not core_pods.is_terminal(pod) and not core_pods.is_critical(pod)


def eviction_message(pod: Object, threshold: MetThreshold, usage: PodConsumption | None) -> str:
    """Upstream's sentences, each with its blank at the end."""
    message = f"The node was low on resource: {threshold.resource}. "
    message += f"Threshold quantity: {threshold.quantity}, available: {threshold.available}. "
    for container in (*core_pods.init_containers(pod), *core_pods.containers(pod)):
        used = ((usage and usage.containers) or {}).get(container["name"], {}).get(threshold.resource)
        requested = container_requests(container).get(threshold.resource, Decimal(0))
        if used is not None and used > requested:
            message += (
                f"Container {container['name']} was using {binary(used)}, request is {_request_text(container, threshold)},"
                f" has larger consumption of {threshold.resource}. "
            )
    return message


def _request_text(container: dict[str, Any], threshold: MetThreshold) -> str:
    listed = (container.get("resources") or {}).get("requests") or {}
    return quantity.canonical(listed[threshold.resource]) if threshold.resource in listed else "0"


def disruption_condition(message: str) -> Object:
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": message,
    }


def refusal(pod: Object, conditions: Iterable[str]) -> tuple[str, str] | None:
    """(reason, message) when a node under pressure takes no such pod; None when it does.

    Critical pods always may; under memory pressure alone so may every pod that requests something or tolerates it.
    """
    present = sorted(conditions)
    if not present or core_pods.is_critical(pod):
        return None
    if present == [MEMORY_PRESSURE] and (qos_class(pod) != "BestEffort" or _tolerates_memory_pressure(pod)):
        return None
    return "Evicted", f"The node had condition: [{' '.join(present)}]. "


def _tolerates_memory_pressure(pod: Object) -> bool:
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("effect") in (None, "", "NoSchedule"):
            key = toleration.get("key") or ""
            if key == "node.kubernetes.io/memory-pressure" or (
                not key and toleration.get("operator") == "Exists"
            ):
                return True
    return False
