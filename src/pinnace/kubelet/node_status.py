"""The Node object of this machine: labels, capacity, addresses, system information, conditions, images. Pure but for `system_info`."""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pinnace.api.meta import Object
from pinnace.apimachinery.quantity import format_quantity
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.runtime import Image, RuntimeFeatures

KUBELET_VERSION = "v1.36.2+pinnace"
MAX_IMAGES, MAX_NAMES_PER_IMAGE = 50, 5
BINARY = ("memory", "ephemeral-storage")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PRESSURES = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


@dataclass(frozen=True, slots=True)
class NodeInputs:
    """`problems` keep the node from being Ready; `pressures` replaces the calm default of a pressure condition."""

    now: str
    capacity: Mapping[str, Decimal]
    allocatable: Mapping[str, Decimal]
    system: Mapping[str, str]
    runtime_version: str
    images: tuple[Image, ...] = ()
    problems: tuple[str, ...] = ()
    pressures: Mapping[str, Object] | None = None
    volumes_in_use: tuple[str, ...] = ()
    features: RuntimeFeatures = field(default_factory=RuntimeFeatures)


def architecture() -> str:
    machine = os.uname().machine
    return ARCHITECTURES.get(machine, machine)


def labels(config: KubeletConfig) -> dict[str, str]:
    arch = architecture()
    return {
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
        **config.node_labels,
    }


def initial_node(config: KubeletConfig, status: Object) -> Object:
    spec: Object = {}
    if config.register_with_taints:
        spec["taints"] = list(config.register_with_taints)
    if config.pod_cidrs:
        spec["podCIDR"], spec["podCIDRs"] = config.pod_cidrs[0], list(config.pod_cidrs)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.node_name,
            "labels": labels(config),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": spec,
        "status": status,
    }


def node_status(config: KubeletConfig, old: Object | None, given: NodeInputs) -> Object:
    """The `status` that the kubelet owns; conditions of others and fields it does not know stay."""
    before = (old or {}).get("status") or {}
    in_use = {"volumesInUse": list(given.volumes_in_use)}
    return {
        **before,
        "capacity": quantities(given.capacity),
        "allocatable": quantities(given.allocatable),
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in config.node_ips),
            {"type": "Hostname", "address": config.node_name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
        "nodeInfo": {
            **given.system,
            "architecture": architecture(),
            "containerRuntimeVersion": given.runtime_version,
            "kubeletVersion": KUBELET_VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
        },
        "images": image_list(given.images),
        **(in_use if given.volumes_in_use or before.get("volumesInUse") else {}),
        **_features(given.features),
        "conditions": _conditions(before.get("conditions") or (), given),
    }


def _features(told: RuntimeFeatures) -> Object:
    """What the runtime says that it can do; nothing where it does not say."""
    found: Object = {}
    if told.supplemental_groups_policy is not None:
        found["features"] = {"supplementalGroupsPolicy": told.supplemental_groups_policy}
    if told.handlers:
        found["runtimeHandlers"] = [
            {
                "name": one.name,
                "features": {
                    "recursiveReadOnlyMounts": one.recursive_read_only_mounts,
                    "userNamespaces": one.user_namespaces,
                },
            }
            for one in sorted(told.handlers, key=lambda one: one.name)
        ]
    return found


def quantities(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: _amount(name, value) for name, value in sorted(amounts.items())}


def _amount(name: str, value: Decimal) -> str:
    """Memory and disks in Ki, as upstream shows them."""
    if name in BINARY and value % 1024 == 0:
        return f"{int(value) // 1024}Ki"
    return format_quantity(value)


def image_list(images: Iterable[Image]) -> list[Object]:
    """The biggest first, as the scheduler's image locality wants them."""
    ordered = sorted(images, key=lambda one: -one.size)[:MAX_IMAGES]
    return [
        {"names": [*one.repo_digests, *one.repo_tags][:MAX_NAMES_PER_IMAGE], "sizeBytes": one.size}
        for one in ordered
    ]


def _conditions(before: Iterable[Object], given: NodeInputs) -> list[Object]:
    old = {one["type"]: one for one in before}
    fresh: list[Object] = []
    for kind, (reason, message) in PRESSURES.items():
        calm = {"type": kind, "status": "False", "reason": reason, "message": message}
        fresh.append((given.pressures or {}).get(kind) or calm)
    if given.problems:
        text = given.problems[0] if len(given.problems) == 1 else f"[{', '.join(given.problems)}]"
        ready = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": text}
    else:
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
    fresh.append(ready)
    own = {one["type"] for one in fresh}
    kept = [one for kind, one in old.items() if kind not in own]
    return [*kept, *(_timed(one, old.get(one["type"]), given.now) for one in fresh)]


def _timed(condition: Object, old: Object | None, now: str) -> Object:
    same = old is not None and old.get("status") == condition["status"]
    since = (old or {}).get("lastTransitionTime", now) if same else now
    return {**condition, "lastHeartbeatTime": now, "lastTransitionTime": since}


def without_heartbeats(status: Object) -> Object:
    """For telling whether anything but the time of looking has changed."""
    conditions = [
        {name: value for name, value in one.items() if name != "lastHeartbeatTime"}
        for one in status.get("conditions") or ()
    ]
    return {**status, "conditions": conditions}


def condition_statuses(status: Object | None) -> dict[str, str]:
    return {one["type"]: one["status"] for one in (status or {}).get("conditions") or ()}


def system_info() -> dict[str, str]:
    """nodeInfo's facts about the machine."""
    return {
        "machineID": _read("/etc/machine-id"),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": _os_image(),
    }


def has_app_armor() -> bool:
    return _read("/sys/module/apparmor/parameters/enabled") == "Y"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', _read("/etc/os-release"), re.MULTILINE)
    return found[1] if found else "Linux"
