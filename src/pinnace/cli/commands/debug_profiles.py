"""What the profiles of `debug` do to the debugging container and its pod, as kubectl's of the same names. Pure.

https://kubernetes.io/docs/tasks/debug/debug-application/debug-running-pod/#debugging-profiles
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Object = dict[str, Any]
Style = Literal["ephemeral", "copy", "node"]
LEGACY = "legacy"
PROBES = {
    "keep-liveness": "livenessProbe",
    "keep-readiness": "readinessProbe",
    "keep-startup": "startupProbe",
}


class Target(NamedTuple):
    """The pod that will be sent, the container in it, and how it came to be. `kept` are the --keep-... flags that are on."""

    pod: Object
    container: Object
    style: Style
    kept: frozenset[str] = frozenset()


def legacy(target: Target) -> None:
    if target.style == "node":
        mount_root(target)
        use_host_namespaces(target)
    if target.style == "copy":
        target.pod["metadata"].pop("labels", None)


def general(target: Target) -> None:
    if target.style == "node":
        mount_root(target)
        target.container.pop("securityContext", None)
        use_host_namespaces(target)
        return
    copied(target)
    add_capabilities(target, "SYS_PTRACE")


def baseline(target: Target) -> None:
    target.container.pop("securityContext", None)
    copied(target)


def restricted(target: Target) -> None:
    target.container["securityContext"] = {
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    copied(target)


def netadmin(target: Target) -> None:
    add_capabilities(target, "NET_ADMIN", "NET_RAW")
    if target.style == "node":
        use_host_namespaces(target)
    copied(target)


def sysadmin(target: Target) -> None:
    target.container.setdefault("securityContext", {})["privileged"] = True
    if target.style == "node":
        use_host_namespaces(target)
        mount_root(target)
    copied(target)


PROFILES: dict[str, Callable[[Target], None]] = {
    LEGACY: legacy,
    "general": general,
    "baseline": baseline,
    "restricted": restricted,
    "netadmin": netadmin,
    "sysadmin": sysadmin,
}


# --- what profiles are made of


def mount_root(target: Target) -> None:
    """The root of the node's file system, at /host."""
    target.pod["spec"].setdefault("volumes", []).append({"name": "host-root", "hostPath": {"path": "/"}})
    target.container.setdefault("volumeMounts", []).append({"name": "host-root", "mountPath": "/host"})


def use_host_namespaces(target: Target) -> None:
    target.pod["spec"].update(hostNetwork=True, hostPID=True, hostIPC=True)


def add_capabilities(target: Target, *names: str) -> None:
    context = target.container.setdefault("securityContext", {})
    context.setdefault("capabilities", {}).setdefault("add", []).extend(names)


def copied(target: Target) -> None:
    """What a copy of a pod is without, and that its containers see each other's processes."""
    if target.style != "copy":
        return
    metadata, spec = target.pod["metadata"], target.pod["spec"]
    for flag, field in (("keep-labels", "labels"), ("keep-annotations", "annotations")):
        if flag not in target.kept:
            metadata.pop(field, None)
    for flag, probe in PROBES.items():
        for container in spec["containers"] if flag not in target.kept else ():
            container.pop(probe, None)
    if "keep-init-containers" not in target.kept:
        spec.pop("initContainers", None)
    spec.setdefault("shareProcessNamespace", True)
