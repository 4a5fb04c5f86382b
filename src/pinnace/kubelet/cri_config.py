"""CRI's configurations of a sandbox and of a container, from a pod. Pure: every outside fact is an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.kubelet import labels, resources, security
from pinnace.kubelet.cri.runtime import Config, Image
from pinnace.kubelet.environment import expand
from pinnace.kubelet.name_resolution import Resolver, sandbox_hostname

PROTOCOLS = {"TCP": 0, "UDP": 1, "SCTP": 2}
DEFAULT_MESSAGE_PATH = "/dev/termination-log"


def pod_log_dir(root: Path, pod: Object) -> Path:
    return root / f"{meta.namespace(pod)}_{meta.name(pod)}_{meta.uid(pod)}"


def sandbox_config(
    pod: Object, *, attempt: int, logs: Path, cgroup_parent: str, resolver: Resolver, domain: str
) -> Config:
    on_host = pods.uses_host_network(pod)
    return {
        "metadata": {
            "name": meta.name(pod),
            "namespace": meta.namespace(pod),
            "uid": meta.uid(pod),
            "attempt": attempt,
        },
        "hostname": "" if on_host else sandbox_hostname(pod, domain),
        "log_directory": str(pod_log_dir(logs, pod)),
        "dns_config": resolver.as_cri(),
        "port_mappings": [] if on_host else port_mappings(pod),
        "labels": {**meta.labels(pod), **pod_labels(pod)},
        "annotations": {**meta.annotations(pod), labels.CONFIG_SOURCE: "api"},
        "linux": {
            "cgroup_parent": cgroup_parent,
            "security_context": security.sandbox_context(pod),
            "sysctls": {one["name"]: one["value"] for one in security.pod_context(pod).get("sysctls") or ()},
        },
    }


def pod_labels(pod: Object) -> dict[str, str]:
    return {
        labels.POD_NAME: meta.name(pod),
        labels.POD_NAMESPACE: meta.namespace(pod),
        labels.POD_UID: meta.uid(pod),
    }


def port_mappings(pod: Object) -> list[dict[str, Any]]:
    """Host ports of app containers and sidecars, for the CNI portmap plugin."""
    holders = [*pods.containers(pod), *filter(pods.is_sidecar, pods.init_containers(pod))]
    return [
        {
            "protocol": PROTOCOLS[port.get("protocol") or "TCP"],
            "container_port": port["containerPort"],
            "host_port": port["hostPort"],
            "host_ip": port.get("hostIP") or "",
        }
        for container in holders
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


@dataclass(frozen=True, slots=True)
class ContainerInputs:
    """What a container's configuration needs beside the pod; `mounts` are CRI mounts, ready made."""

    image_id: str
    image: Image | None
    environment: Mapping[str, str]
    mounts: Sequence[dict[str, Any]]
    restart_count: int
    node_memory: int
    target_id: str = ""
    seccomp_default: bool = False
    seccomp_root: str = "/var/lib/kubelet/seccomp"
    rules: resources.NodeRules = resources.NO_RULES
    devices: Sequence[dict[str, Any]] = field(default_factory=tuple)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cdi: Sequence[str] = ()


def container_config(pod: Object, container: dict[str, Any], given: ContainerInputs) -> Config:
    name = container["name"]
    context = security.container_context(
        pod, container, given.target_id,
        seccomp_default=given.seccomp_default, seccomp_root=given.seccomp_root,
    )  # fmt: skip
    return {
        "metadata": {"name": name, "attempt": given.restart_count},
        "image": {"image": given.image_id, "user_specified_image": container.get("image", "")},
        "command": [expand(part, given.environment) for part in container.get("command") or ()],
        "args": [expand(part, given.environment) for part in container.get("args") or ()],
        "working_dir": container.get("workingDir") or "",
        "envs": [{"key": key, "value": value} for key, value in given.environment.items()],
        "mounts": list(given.mounts),
        "devices": list(given.devices),
        "CDI_devices": [{"name": name} for name in given.cdi],
        "labels": {**pod_labels(pod), labels.CONTAINER_NAME: name},
        "annotations": {**given.annotations, **_annotations(pod, container, given.restart_count)},
        "log_path": f"{name}/{given.restart_count}.log",
        "stdin": bool(container.get("stdin")),
        "stdin_once": bool(container.get("stdinOnce")),
        "tty": bool(container.get("tty")),
        "linux": {
            "resources": resources.container_resources(pod, container, given.node_memory, given.rules),
            "security_context": security.with_image_user(context, given.image),
        },
    }


def _annotations(pod: Object, container: dict[str, Any], restart_count: int) -> dict[str, str]:
    grace = pod["spec"].get("terminationGracePeriodSeconds")
    return {
        labels.HASH: labels.container_hash(container),
        labels.RESTART_COUNT: str(restart_count),
        labels.MESSAGE_PATH: container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH,
        labels.MESSAGE_POLICY: container.get("terminationMessagePolicy") or "File",
        labels.GRACE_PERIOD: str(30 if grace is None else grace),
    }
