"""The Node and the Lease of one simulated node. Pure."""

from dataclasses import dataclass

from pinnace import __version__
from pinnace.api import meta
from pinnace.api.meta import Object

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
_ATTACH = "volumes.kubernetes.io/controller-managed-attach-detach"


@dataclass(frozen=True, slots=True)
class SimulatedNodesConfig:
    """`zones` are given out in turns, with `region` when there is one; the n-th node has the address of the n-th of 192.168.0.0/16."""

    prefix: str = "sim-"
    cpu: str = "32"
    memory: str = "256Gi"
    pods: str = "110"
    ephemeral_storage: str = "1Ti"
    pod_network: str = "10.42.0.0/16"
    kubelet_version: str = f"v1.36.2+pinnace.{__version__}"
    zones: tuple[str, ...] = ()
    region: str = ""
    heartbeat_seconds: float = 0.0  # 0: 10 s for up to 200 nodes, 25 s for more
    workers: int = 16  # writes under way at once
    is_kwok: bool = (
        False  # KWOK's Stages are made known and played, and nodes that carry its annotation adopted
    )


def host_ip(number: int) -> str:
    return f"192.168.{number // 250 % 256}.{number % 250 + 1}"


def topology_labels(number: int, config: SimulatedNodesConfig) -> dict[str, str]:
    labels = {}
    if config.zones:
        labels["topology.kubernetes.io/zone"] = config.zones[number % len(config.zones)]
    if config.region:
        labels["topology.kubernetes.io/region"] = config.region
    return labels


def node_object(number: int, config: SimulatedNodesConfig, now: str) -> Object:
    name = f"{config.prefix}{number}"
    resources = {
        "cpu": config.cpu,
        "memory": config.memory,
        "pods": config.pods,
        "ephemeral-storage": config.ephemeral_storage,
    }
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "pinnace.dev/simulated": "true", **topology_labels(number, config),
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {_ATTACH: "true"}},
        "spec": {},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": node_conditions(now),
            "addresses": _addresses(name, host_ip(number)),
            "nodeInfo": _node_info(name, config),
        },
    }


def adopted_status(node: Object, address: str, config: SimulatedNodesConfig, now: str) -> Object:
    """What the node's author says stays; the rest is KWOK's: a node that has room for everything."""
    name, given = meta.name(node), node.get("status") or {}
    allocatable = (
        given.get("allocatable") or given.get("capacity") or {"cpu": "1k", "memory": "1Ti", "pods": "1M"}
    )
    told = {key: value for key, value in (given.get("nodeInfo") or {}).items() if value}
    return {
        "allocatable": allocatable,
        "capacity": given.get("capacity") or allocatable,
        "conditions": node_conditions(now),
        "addresses": given.get("addresses") or _addresses(name, address),
        "nodeInfo": {**_node_info(name, config), **told},
    }


def internal_ip(node: Object) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((one["address"] for one in addresses if one["type"] == "InternalIP"), "")


def _addresses(name: str, address: str) -> list[Object]:
    return [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]


def _node_info(name: str, config: SimulatedNodesConfig) -> Object:
    return {
        "machineID": name, "systemUUID": name, "bootID": name, "kernelVersion": "simulated", "osImage": "simulated",
        "containerRuntimeVersion": "simulated://0", "kubeletVersion": config.kubelet_version,
        "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
    }  # fmt: skip


def node_conditions(now: str) -> list[Object]:
    def condition(kind: str, status: str, reason: str, message: str) -> Object:
        return {"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now,
                "reason": reason, "message": message}  # fmt: skip

    return [
        condition(
            "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"
        ),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]


def lease_object(node: Object, now: str) -> Object:
    name = meta.name(node)
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(node)}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
    }
