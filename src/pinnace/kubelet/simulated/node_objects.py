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
    has_stages: bool = False  # KWOK's Stages are made known and played


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
    name, address = f"{config.prefix}{number}", host_ip(number)
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
    info = {
        "machineID": name, "systemUUID": name, "bootID": name, "kernelVersion": "simulated", "osImage": "simulated",
        "containerRuntimeVersion": "simulated://0", "kubeletVersion": config.kubelet_version,
        "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
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
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": info,
        },
    }


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
